"""A sweep whose command, processes, machines, files, disk or store are disturbed, and what it has to be afterwards."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil

from benevolent.analysis import load_results
from benevolent.orchestrator.cli import main
from benevolent.orchestrator.spec import yaml_text
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder

#: Dense runs, of which some diverge, and pruned ones, whose cohorts wait for the dense ones. Checkpoints are measured.
SWEEP = {
    "name": "disturbed",
    "base": {
        "data": {"train_size": 200, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "optimizer": {"batch_size": 16},
        "stop": {"train_loss": 0.05, "max_epochs": 120},
    },
    "list": [
        {"init.scale": 1, "prune.fraction": 0},
        {"init.scale": 2, "prune.fraction": 0},
        {"init.scale": 1, "prune.fraction": 0.5},
        {"init.scale": 1, "prune.fraction": 0, "optimizer.lr": 1e38},
    ],
    "seeds": 3,
    "record": {
        "measures": ["parameter_norm", "path_norm"],
        "measure_at": "checkpoints",
        "save_every_seconds": 0.2,
        "early_stop": True,
    },
    "resources": {"cohort_size": 2},
}
#: How Ray calls the processes that may be killed. Tune makes a subclass, by which a worker is called while it works.
PROCESSES = {
    "worker that trains": "ray::(Cohort|Resource)Trainable",
    "worker that measures": "ray::MeasureActor",
    "raylet": "raylet",
    "head process of Ray": "gcs_server",
}
#: Lines that a user is meant to read, among those of progress and of verdicts.
TELLING = re.compile(r"(^error: |^failed: |^cohort |^stopped|^store |damaged|missing|waiting for|no sign of life|lost)")
#: What stands in a line of progress before and behind what is waited for.
PROGRESS = re.compile(r"^.*files measured \d+/\d+  (?=waiting)|  \(\w+ epoch .*\)$")
#: Nothing of this is meant for users.
NOT_FOR_USERS = re.compile(r"Traceback|\(raylet\)|ray::|\(pid=|RayTaskError|core_worker|\*\*\* SIG|C\+\+ stack")
SECONDS_TO_WAIT = 300.0


class DisturbedSweep:
    """A sweep in a folder of its own.

    Args:
        folder: gets the spec and the results.
        sweep: the spec, as YAML has it.
        before: lines of Python that the command runs first.
        options: further words of the command.
        env: environment variables of the command.
        out: the results, if they are not in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        sweep: Mapping[str, object] = SWEEP,
        before: str = "",
        options: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        out: str | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.out = out or str(folder / "out")
        self.spec = folder / "spec.yaml"
        self.spec.write_text(yaml_text.dumps(dict(sweep)))
        self.before = before
        self.options = options
        self.env = env or {}
        self.log = folder / "log"
        self.log.touch()

    @property
    def results(self) -> Folder:
        return Folder(self.out)

    @property
    def words(self) -> list[str]:
        return ["run", str(self.spec), "--out", self.out, *self.options]

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the command in a session of its own; what it prints is added to the log."""
        program = f"{self.before}\nfrom benevolent.orchestrator.cli.entry import main; main()"
        own = self.env.get("PYTHONPATH", "")
        path = os.pathsep.join([own, str(Path(main.__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
        env = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"} | self.env
        env = os.environ | env | {"PYTHONPATH": path}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", program, *self.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=self.folder,
                start_new_session=True,
            )

    def run(self) -> str:
        """Run the command to its end; return how it ended."""
        return end_of(self.start())

    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def told(self) -> str:
        """Return the lines for the user that are not about progress, each once."""
        lines = [PROGRESS.sub("", line.strip()) for line in self.printed().splitlines()]
        telling = dict.fromkeys(line.replace(self.out, "OUT") for line in lines if TELLING.search(line))
        return " / ".join(telling) or "nothing"

    def files(self, pattern: str) -> list[Path]:
        """Return files of the results on this machine's disk."""
        return sorted(path for path in Path(self.out).glob(pattern) if not path.name.startswith("."))


def end_of(process: "subprocess.Popen[bytes]") -> str:
    """Wait for the end of a command, and return it in words."""
    try:
        return f"exit {process.wait(SECONDS_TO_WAIT)}"
    except subprocess.TimeoutExpired:
        kill_group(process)
        return f"hangs, killed after {SECONDS_TO_WAIT:g} s"


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[bytes] | None" = None) -> bool:
    """Wait until a condition holds; False if the process has ended before, or after a long time."""
    end = time.monotonic() + SECONDS_TO_WAIT
    while time.monotonic() < end:
        if condition():
            return True
        if process is not None and process.poll() is not None:
            return False
        time.sleep(0.02)
    return False


def find_processes(parent: int, kind: str) -> list[psutil.Process]:
    """Return the processes of a kind of `PROCESSES` below another."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(parent).children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                names = (" ".join(process.cmdline()), process.name())
                if any(re.match(PROCESSES[kind], name) for name in names):
                    found.append(process)
    return found


def wait_for_the_end_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those of some processes that do not end by themselves within some seconds."""
    return psutil.wait_procs(processes, timeout=30)[1]


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def tables(results: Folder) -> dict[str, pd.DataFrame]:
    """Every table, without seconds and without how its runs were put into cohorts."""
    loaded = load_results(results)
    frames = {"runs": loaded.runs, "dynamics": loaded.dynamics, "outcomes": loaded.outcomes}
    frames |= {"measures": loaded.measures, "wide": loaded.table(parents=True)}
    return {name: frame.drop(columns=["seconds", "cohort_id"], errors="ignore") for name, frame in frames.items()}


def check_whole(results: Folder, expected: Mapping[str, pd.DataFrame]) -> None:
    """Raise unless every planned run is there once, all tables are equal bit for bit, and nothing is left over."""
    found = tables(results)
    planned = set(load_results(results).planned["run_id"])
    times = Counter[str]()
    for cohort_id in cohort_ids(results):
        for part in CohortFiles(results, cohort_id).parts("runs"):
            times.update(part["run_id"].to_pylist())
    assert set(times) == planned, f"{len(planned - set(times))} runs are lost"
    assert set(times.values()) == {1}, "a run was trained twice"
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(frame, found[name], check_exact=True, obj=name)
    assert left_over(results) == []


def left_over(results: Folder) -> list[str]:
    """Return files that a finished sweep does not have: unfinished ones, states, leases."""
    if not results.local:
        return []
    files = [path for path in Path(results.root).rglob("*") if path.is_file()]
    names = [path.relative_to(results.root).as_posix() for path in files]
    wrong = [name for name in names if "/." in f"/{name}" or f"/{paths.STATES}/" in name or "failure" in name]
    return sorted(wrong)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_bit(file: Path) -> None:
    """Flip a bit among the values of a file: in the middle of a table, behind the header of tensors."""
    content = bytearray(file.read_bytes())
    place = len(content) // 3
    if file.suffix == ".safetensors":
        place = (8 + int.from_bytes(content[:8], "little") + len(content)) // 2
    content[place] ^= 4
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {"truncated": truncate, "a bit flipped": flip_bit, "deleted": Path.unlink}
