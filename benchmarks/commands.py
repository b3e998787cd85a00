"""Seconds of CPU that commands take which train nothing: `python benchmarks/commands.py`.

Each runs in a process of its own, the number of times that `REPEATS` says; the median of user and system time counts.
The first two lines are baselines: a Python that does nothing, and one that imports torch. The quickstart's plan
rehearses its training, which is most of its time beside the imports. The print of a run is kept in
`results/commands.txt`.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPEATS = 3
BTH = "from benevolent.orchestrator.cli.main import main; main()"
FINISHED_SWEEP = "run quickstart --set seeds=1 --set base.stop.max_epochs=1 --out results"
BASELINES = {"python -c pass": "pass", "python -c 'import torch'": "import torch"}
COMMANDS = (
    "--help",
    "schema",
    "list models",
    "list measures",
    "list sweeps",
    "list studies",
    "list all",
    "status results",
    "plan quickstart",
)


def cpu_seconds(program: str, words: list[str], folder: str) -> float:
    """Return the seconds of CPU that a program of Python takes in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{words}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def print_median(name: str, program: str, words: list[str], folder: str) -> None:
    """Print the median of the seconds."""
    seconds = [cpu_seconds(program, words, folder) for _ in range(REPEATS)]
    print(f"{name:<28}{statistics.median(seconds):6.2f}", flush=True)


def main() -> None:
    """Time the baselines and every command."""
    print(f"seconds of CPU, median of {REPEATS}; Python {platform.python_version()}, {platform.machine()}")
    with tempfile.TemporaryDirectory(prefix="benevolent-") as folder:
        for name, program in BASELINES.items():
            print_median(name, program, [], folder)
        cpu_seconds(BTH, FINISHED_SWEEP.split(), folder)
        assert Path(folder, "results").is_dir()
        for command in COMMANDS:
            print_median(f"bth {command}", BTH, command.split(), folder)


if __name__ == "__main__":
    main()
