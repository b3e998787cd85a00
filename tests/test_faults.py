"""A few rows of the fault matrix, quick; all of them are in `test_fault_matrix.py`, which `make paper` runs."""

import errno
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import in_process
import pytest
from disturbed_sweep import (
    SWEEP,
    DisturbedSweep,
    check_whole,
    find_processes,
    kill_group,
    tables,
    wait_for_the_end_of,
    wait_until,
)

from benevolent.orchestrator.cli import main
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.store import local_files
from benevolent.trainables.store.folder import Folder

#: Shorter than that of the matrix.
QUICK = SWEEP | {"base": {**SWEEP["base"], "stop": {"train_loss": 0.05, "max_epochs": 60}}, "seeds": 2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The results of a sweep that nothing disturbs."""
    out = tmp_path_factory.mktemp("whole") / "out"
    in_process.train_sweep(SweepSpec.parse(QUICK), str(out))
    return out


@pytest.fixture(scope="module")
def expected(whole):
    return tables(Folder(whole))


@pytest.fixture
def sweep(tmp_path) -> DisturbedSweep:
    return DisturbedSweep(tmp_path, QUICK)


def run_here(sweep: DisturbedSweep, monkeypatch) -> int:
    """The exit code of the command, run in this process."""
    monkeypatch.setattr(sys, "argv", ["bth", *sweep.words])
    try:
        main.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.slow
def test_a_killed_process_group_is_gone_on_from(sweep, expected, no_figures, monkeypatch):
    process = sweep.start()
    wait_until(lambda: sweep.files("cohorts/*/checkpoints/*"), process)
    time.sleep(random.Random(18).uniform(0, 2))
    workers = find_processes(process.pid, "worker that trains")
    kill_group(process)
    assert process.wait() == -signal.SIGKILL and wait_for_the_end_of(workers) == []
    in_process.replace_ray(monkeypatch)
    assert run_here(sweep, monkeypatch) == 0
    check_whole(sweep.results, expected)


@pytest.mark.slow
def test_killed_workers_are_replaced(sweep, expected, shared_ray, no_figures, monkeypatch, capsys):
    killed = []

    def kill() -> None:
        for kind in ("worker that trains", "worker that measures"):
            wait_until(lambda kind=kind: find_processes(os.getpid(), kind))
            time.sleep(0.5)
            for process in find_processes(os.getpid(), kind)[:1]:
                process.kill()
                killed.append(kind)

    thread = threading.Thread(target=kill)
    thread.start()
    assert run_here(sweep, monkeypatch) == 0
    thread.join()
    assert killed
    check_whole(sweep.results, expected)
    printed = capsys.readouterr()
    assert "failed" not in printed.err and "Traceback" not in printed.err


@pytest.mark.slow
def test_a_full_disk_at_the_report_is_one_line(sweep, whole, expected, no_figures, monkeypatch, capsys):
    shutil.copytree(whole, sweep.out)
    write = local_files.write_whole

    def full(target: Path, data: bytes) -> None:
        if "report" in target.parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        write(target, data)

    with monkeypatch.context() as patch:
        patch.setattr("benevolent.trainables.store.folder.write_whole", full)
        assert run_here(sweep, patch) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(f"error: {sweep.out}/report/") and errors.count("\n") == 1
    assert "No space left on device. Nothing is lost" in errors
    assert run_here(sweep, monkeypatch) == 0
    check_whole(sweep.results, expected)
