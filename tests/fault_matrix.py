"""The fault matrix: what a user sees when anything dies, is full, damaged or refused, and whether the sweep recovers.

    python tests/fault_matrix.py [WORDS]     # prints a row for each fault, or for those whose names contain the words
    python tests/fault_matrix.py SIGKILL     # the kills, six of each process

Each row disturbs a sweep of its own. If the command did not end by itself, it is given once more, and has to succeed.
Then every table has to equal that of an undisturbed sweep bit for bit, with every planned run once and no file left
over. A row begins with `itself` or `again` by what was needed, `NO` if that failed, or `ended` if a kill came too late.
Instants are drawn with a fixed seed. A row takes one or two undisturbed commands, whose time is printed first. The
print of a run is kept in `benchmarks/results/faults.txt`.
"""

import functools
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import in_process
import pandas as pd
import psutil
from disturbed_sweep import (
    DAMAGES,
    NOT_FOR_USERS,
    PROCESSES,
    SWEEP,
    DisturbedSweep,
    check_whole,
    end_of,
    find_processes,
    kill_group,
    tables,
    wait_for_the_end_of,
    wait_until,
)
from faults_elsewhere import (
    ONE_COHORT_AT_A_TIME,
    cluster_sweep,
    lost_machines,
    refused_writes,
    refusing_store,
    small_cluster,
)
from fragile_module import FRAGILE

from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.store.folder import Folder

#: Kills of the command, of each kind of process below it, and of its process group.
KILLS_OF_EACH = 6
SEED = 18
#: Part of a command after the first file of a process in which it is killed: a worker ends soon after.
PARTS_OF_ITS_WORK = 12
#: A disk that the results fit on, and what is left of it for a lease, but not for a report.
DISK_BYTES = 16 * 2**20
LEFT_BYTES = 64 * 2**10
SHORT_LEASE = """
from benevolent.orchestrator import lease
lease.SECONDS_PER_SIGN, lease.STALE_SECONDS, lease.WATCHED_SECONDS = 1, 6, 4
"""


#: The instant of a kill that came too late to disturb anything.
ENDED_BEFORE = "it had ended before"


class Row(NamedTuple):
    """A fault, when it came, what the user saw, and whether the command had to be given again until all was there."""

    fault: str
    instant: str
    saw: str
    recovered: str

    def __str__(self) -> str:
        return f"{self.recovered:<7} {self.fault:<42} {self.instant:<30} {self.saw}"


#: Disturbs a sweep to which it gives a command once, and returns the instant in words.
Fault = Callable[[DisturbedSweep, random.Random], str]


def make_row(name: str, sweep: DisturbedSweep, fault: Fault, expected: dict[str, pd.DataFrame], seed: int) -> Row:
    """Disturb a sweep, give the same command once more if it did not succeed, and compare all tables."""
    instant = fault(sweep, random.Random(f"{name} {seed}"))
    saw = sweep.told()
    recovered = "ended" if instant.startswith(ENDED_BEFORE) else "itself"
    if not instant.endswith("exit 0"):
        recovered = "again" if sweep.run() == "exit 0" else "NO"
    try:
        check_whole(sweep.results, expected)
    except AssertionError as error:
        recovered = "NO"
        saw = f"{saw} / {str(error).splitlines()[0]}"
    foreign = NOT_FOR_USERS.search(sweep.printed())
    if foreign:
        saw = f"{saw} / NOT FOR USERS: {foreign[0]}"
    return Row(name, instant, saw, recovered)


# ---- kills


def kill_below(victim: str, duration: float, sweep: DisturbedSweep, rng: random.Random) -> str:
    """SIGKILL a process below the command; `duration`: of an undisturbed command."""
    process = sweep.start()
    begin = time.monotonic()
    first = "measures/*" if victim == "worker that measures" else "cohorts/*/checkpoints/*"
    wait_until(lambda: sweep.files(first), process)
    time.sleep(rng.uniform(0, duration / PARTS_OF_ITS_WORK))
    instant = f"after {time.monotonic() - begin:.0f} s"
    found = find_processes(process.pid, victim)
    for chosen in found[:1]:
        chosen.kill()
    return f"{instant if found else ENDED_BEFORE}, {end_of(process)}"


def kill_command(victim: str, duration: float, sweep: DisturbedSweep, rng: random.Random) -> str:
    """SIGKILL the command, or its process group; `duration`: of an undisturbed command."""
    process = sweep.start()
    instant = rng.uniform(1, 0.9 * duration)  # commands take more or less
    end = time.monotonic() + instant
    wait_until(lambda: time.monotonic() > end, process)
    workers = find_processes(process.pid, "worker that trains")
    ended = process.poll() is not None
    kill_group(process) if victim == "process group" else process.kill()
    process.wait()
    assert wait_for_the_end_of(workers) == [], "workers train on"
    return f"{ENDED_BEFORE}, exit 0" if ended else f"after {instant:.0f} s"


# ---- the disk


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of a few megabytes in memory; needs root."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int = 0) -> Path:
    """Fill a disk up to some bytes; return the file that does."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:  # it is full before if others write meanwhile
        while shutil.disk_usage(disk).free > left:
            file.write(bytes(4096))
    return ballast


def full_disk_while_training(disk: Path, sweep: DisturbedSweep, rng: random.Random) -> str:
    process = sweep.start()
    wait_until(lambda: sweep.files("cohorts/*/checkpoints/*"), process)
    ballast = fill(disk)
    end = end_of(process)
    ballast.unlink()
    return f"at the first checkpoint, {end}"


def full_disk_at_report(whole: DisturbedSweep, disk: Path, sweep: DisturbedSweep, rng: random.Random) -> str:
    shutil.copytree(whole.out, sweep.out, ignore=shutil.ignore_patterns("report"))
    ballast = fill(disk, LEFT_BYTES)
    end = sweep.run()
    ballast.unlink()
    return f"all but the report done, {end}"


# ---- files


def damaged_file(whole: DisturbedSweep, pattern: str, damage: str, sweep: DisturbedSweep, rng: random.Random) -> str:
    """Damage a file of a finished sweep."""
    shutil.copytree(whole.out, sweep.out)
    victim = rng.choice(sweep.files(pattern))
    DAMAGES[damage](victim)
    return f"finished, {sweep.run()}"


def damaged_state(damage: str, sweep: DisturbedSweep, rng: random.Random) -> str:
    """Damage the state of a cohort of a sweep whose command was killed."""
    process = sweep.start()
    wait_until(lambda: sweep.files("cohorts/*/state/state*"), process)
    kill_group(process)
    process.wait()
    time.sleep(5)  # until its workers have ended too
    DAMAGES[damage](rng.choice(sweep.files("cohorts/*/state/state*")))
    return f"killed while training, {sweep.run()}"


# ---- commands


def two_commands(sweep: DisturbedSweep, rng: random.Random) -> str:
    """Start a second command while the first one trains."""
    process = sweep.start()
    wait_until(lambda: sweep.files("cohorts/*/checkpoints/*"), process)
    second = sweep.run()
    return f"while training, {second} and {end_of(process)}"


def suspended(sweep: DisturbedSweep, rng: random.Random) -> str:
    """Suspend a command for longer than its lease, let another one do the work, and let it go on."""
    process = sweep.start()
    wait_until(lambda: sweep.files("cohorts/*/checkpoints/*"), process)
    process.send_signal(signal.SIGSTOP)
    time.sleep(7)
    second = sweep.run()
    process.send_signal(signal.SIGCONT)
    return f"while training, {end_of(process)} and {second}"


def raising(fuse: Path, sweep: DisturbedSweep, rng: random.Random) -> str:
    """Let a user's module raise, until the fuse is removed."""
    fuse.touch()
    end = sweep.run()
    fuse.unlink()
    return f"after 500 passes, {end}"


def kills(duration: float, numbers: range) -> Iterator[tuple[str, int, Fault]]:
    """Yield names, numbers and functions of kills."""
    for number in numbers:
        for victim in ("command", "process group"):
            yield f"SIGKILL: {victim}", number, functools.partial(kill_command, victim, duration)
        for victim in PROCESSES:
            yield f"SIGKILL: {victim}", number, functools.partial(kill_below, victim, duration)


def damages(whole: DisturbedSweep) -> Iterator[tuple[str, int, Fault]]:
    """Yield names, numbers and functions of damages to files."""
    for damage in DAMAGES:
        yield f"a state {damage}", 0, functools.partial(damaged_state, damage)
        for name, pattern in (("checkpoint", "cohorts/*/checkpoints/*"), ("measure part", "measures/*")):
            yield f"a {name} {damage}", 0, functools.partial(damaged_file, whole, pattern, damage)


class Matrix:
    """All rows, each of a sweep in a folder of its own.

    Args:
        folder: of all these folders.
        words: of a fault's name; others are left out.
    """

    def __init__(self, folder: Path, words: str = "") -> None:
        self.folder = folder
        self.words = words
        self.whole = DisturbedSweep(folder / "whole")
        begin = time.monotonic()
        assert self.whole.run() == "exit 0", self.whole.printed()
        self.duration = time.monotonic() - begin
        self.expected = tables(self.whole.results)
        self.count = 0

    def rows(self) -> Iterator[Row]:
        """Yield the rows, each kind of fault first, and then the further kills."""
        statuses = self.expected["runs"]["status"].value_counts()
        yield Row("a run that diverges", "while training", f"its status, of {statuses.to_dict()}", "itself")
        for fault in kills(self.duration, range(1)):
            yield from self.row(*fault)
        yield from self.row("two commands at once", 0, two_commands)
        yield from self.row("a command suspended beyond its lease", 0, suspended, before=SHORT_LEASE)
        yield from self.rows_of_full_disks()
        for fault in damages(self.whole):
            yield from self.row(*fault)
        yield from self.row_of_module()
        yield from self.row_of_store()
        yield from self.row_of_machines()
        for fault in kills(self.duration, range(1, KILLS_OF_EACH)):
            yield from self.row(*fault)

    def row(
        self,
        name: str,
        number: int,
        fault: Fault,
        sweep: DisturbedSweep | None = None,
        expected: dict[str, pd.DataFrame] | None = None,
        before: str = "",
    ) -> Iterator[Row]:
        """Yield the row of a fault if it is asked for; `number` draws its instant."""
        if self.words not in name:
            return
        self.count += 1
        disturbed = sweep or DisturbedSweep(self.folder / f"{self.count}", before=before)
        yield make_row(name, disturbed, fault, expected or self.expected, SEED + number)

    def rows_of_full_disks(self) -> Iterator[Row]:
        """Yield the rows of a disk that gets full; mounting one takes root."""
        at = {"checkpoint": full_disk_while_training, "report": functools.partial(full_disk_at_report, self.whole)}
        for place, fault in at.items():
            name = f"a full disk at a {place}"
            if self.words not in name:
                continue
            with small_disk(self.folder / f"disk-{place}") as disk:
                sweep = DisturbedSweep(self.folder / f"full-{place}", out=str(disk / "out"))
                yield from self.row(name, 0, functools.partial(fault, disk), sweep)

    def row_of_module(self) -> Iterator[Row]:
        """Yield the row of a module that raises."""
        name = "a module that raises"
        if self.words not in name:
            return
        fuse = self.folder / "fuse"
        (self.folder / "fragile.py").write_text(FRAGILE)
        model = {"family": "module", "path": "fragile:Fragile", "arguments": {"fuse": str(fuse), "after": 500}}
        base = {**SWEEP["base"], "model": model}  # type: ignore[dict-item]
        spec = SWEEP | {"base": base, "list": [{"init.scale": 1}]}
        env = {"PYTHONPATH": str(self.folder)}
        whole = DisturbedSweep(self.folder / "module-whole", spec, env=env)
        assert whole.run() == "exit 0", whole.printed()
        sweep = DisturbedSweep(self.folder / "module", spec, env=env)
        yield from self.row(name, 0, functools.partial(raising, fuse), sweep, tables(whole.results))

    def row_of_store(self) -> Iterator[Row]:
        """Yield the row of a store that refuses to write for a while."""
        name = "a store that refuses to write"
        if self.words not in name:
            return
        with refusing_store() as store:
            sweep = DisturbedSweep(self.folder / "store", out="s3://results/out")
            yield from self.row(name, 0, functools.partial(refused_writes, store), sweep)

    def row_of_machines(self) -> Iterator[Row]:
        """Yield the row of machines that are lost."""
        name = "two machines lost, one after the other"
        if self.words not in name:
            return
        spec = SWEEP | {"resources": ONE_COHORT_AT_A_TIME}
        whole = self.folder / "machines-whole"
        in_process.train_sweep(SweepSpec.parse(spec), str(whole))
        with small_cluster() as cluster:
            sweep = cluster_sweep(self.folder / "machines", spec, cluster)
            yield from self.row(name, 0, functools.partial(lost_machines, cluster), sweep, tables(Folder(whole)))


def main() -> None:
    """Print a row for each fault."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        print(f"Python {platform.python_version()}, {psutil.cpu_count()} CPUs, seed {SEED}")
        matrix = Matrix(Path(folder), " ".join(sys.argv[1:]))
        print(f"an undisturbed command takes {matrix.duration:.0f} s", flush=True)
        for each in matrix.rows():
            print(each, flush=True)
    print(f"{(time.monotonic() - begin) / 60:.0f} minutes in all")


if __name__ == "__main__":
    main()
