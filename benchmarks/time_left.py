"""The time left that `bth run` shows, against the truth: `python benchmarks/time_left.py [SWEEP] [--set KEY=VALUE]`.

A line is asked for every second, where usually one is printed every ten. Each is compared with the end of the command,
report included: what it says is left, and that plus what had passed, which is its estimate of the whole. The first line
has what `bth plan` says of the whole; if runs can end before their limits (with `--to-limits` they cannot), the bound,
and what it expects. Another program at work in the meantime changes all of it, so let there be none. The print of a run
is kept in `results/time_left.txt`.
"""

import argparse
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

BTH = "from benevolent.orchestrator.cli.entry import main; main()"
EVERY_SECOND = f"""
from benevolent.orchestrator import stages
from benevolent.orchestrator.training import progress
progress.SECONDS_PER_LINE = stages.SECONDS_PER_LINE = 1.0
{BTH}
"""
TO_LIMITS = "base.stop.train_loss=null"
DURATION = r"([\d.]+) (s|min|h|d)"
LEFT = re.compile(rf"about {DURATION}(?:, at most {DURATION})? left")
PLANNED = re.compile(rf"all of it (?:about|at most) {DURATION} on one core(?:, {DURATION} on \d+ cores)?")
USUAL = re.compile(rf"; about {DURATION} if runs that can end")
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
#: Lines that are printed, evenly over the time of the command.
LINES = 20
#: Part of the command from which on its estimates shall be near the truth.
TENTH = 0.1


class Line(NamedTuple):
    """A line of `bth run`, with the second at which it came."""

    second: float
    text: str


def bth(program: str, words: Sequence[str]) -> tuple[list[Line], float]:
    """Run a command; return its lines, and the seconds until its end."""
    start = time.perf_counter()
    lines = []
    with subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(Line(time.perf_counter() - start, line.strip()))
    if process.returncode:
        raise RuntimeError(f"{words}: exit code {process.returncode}")
    return lines, time.perf_counter() - start


def in_seconds(number: str, unit: str) -> float:
    """Return a duration as the commands print it in seconds."""
    return float(number) * SECONDS[unit]


def planned_seconds(words: Sequence[str]) -> dict[str, float]:
    """Return the seconds that `bth plan` says that a sweep takes on the cores of this machine."""
    lines, _ = bth(BTH, ["plan", *words])
    text = " ".join(line.text for line in lines)
    found = PLANNED.search(text)
    assert found is not None
    on_one, on_cores = found.groups()[:2], found.groups()[2:]
    planned = {"by the plan": in_seconds(*(on_one if on_cores[0] is None else on_cores))}
    usual = USUAL.search(text)
    return planned if usual is None else planned | {"if runs end as is usual": in_seconds(*usual.groups())}


def estimate_of_whole(line: Line, whole: float) -> float | None:
    """Return the time of the whole by a line, over the truth; None if it says none."""
    found = LEFT.search(line.text)
    return None if found is None else (line.second + in_seconds(*found.groups()[:2])) / whole


def print_line(line: Line, whole: float) -> None:
    """Print what a line says is left, and what is."""
    found = LEFT.search(line.text)
    true = whole - line.second
    if found is None:
        print(f"{line.second:7.1f}{true:8.1f}       -            {line.text[:60]}")
        return
    claimed = in_seconds(*found.groups()[:2])
    bound = "" if found[3] is None else f"<={in_seconds(*found.groups()[2:]):.0f}"
    print(
        f"{line.second:7.1f}{true:8.1f}{claimed:8.0f}{bound:>8}{estimate_of_whole(line, whole):8.2f}   {line.text[:60]}"
    )


def main() -> None:
    """Compare the lines of a sweep with the truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", nargs="?", default="quickstart")
    parser.add_argument("--set", action="append", default=[], help="a change of it; seeds=3 if there is none")
    parser.add_argument("--to-limits", action="store_true", help=f"every run trains to its limit: {TO_LIMITS}")
    options = parser.parse_args()
    changes = options.set or ["seeds=3"]
    if options.to_limits:
        changes.append(TO_LIMITS)
    words = [options.sweep, *(word for change in changes for word in ("--set", change))]

    print(f"bth run {' '.join(words)}; Python {platform.python_version()} on {platform.machine()}", flush=True)
    planned = planned_seconds(words)
    with tempfile.TemporaryDirectory(prefix="benevolent-") as folder:
        lines, whole = bth(EVERY_SECOND, ["run", *words, "--out", f"{folder}/results"])
    said = "; ".join(f"{seconds:.0f} s {how}, ratio {seconds / whole:.2f}" for how, seconds in planned.items())
    print(f"{whole:.0f} s; {said}")
    estimates = [(line.second, estimate_of_whole(line, whole)) for line in lines]
    known = [(second, estimate) for second, estimate in estimates if estimate is not None]
    late = [estimate for second, estimate in known if second > TENTH * whole]
    print(f"first number after {known[0][0] / whole:.2f} of it; from {TENTH} on {min(late):.2f} to {max(late):.2f}")
    print("second    left claimed   bound   whole: estimate / truth")
    shown = [line for line in lines if LEFT.search(line.text) or "left unknown" in line.text]
    for position in range(LINES):
        print_line(min(shown, key=lambda line: abs(line.second - (position + 0.5) / LINES * whole)), whole)


if __name__ == "__main__":
    main()
