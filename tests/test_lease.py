"""The lease of a results folder: one command at a time works in it, and one that has ended is not waited for."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benevolent.orchestrator import lease
from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.lease import Holder, held, holder
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import prepare_anew, train_sweep
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths, turns
from benevolent.trainables.store.folder import Folder

QUIET = Console(quiet=True)
HOLD = """
import sys, time
from rich.console import Console
from benevolent.orchestrator.lease import held
from benevolent.trainables.store.folder import Folder
with held(Folder(sys.argv[1]), "bth run", Console(quiet=True)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def results(tmp_path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(lease, "SECONDS_PER_SIGN", 0.05)
    monkeypatch.setattr(lease, "WATCHED_SECONDS", 0.3)


def left_behind(results: Folder, **values) -> Holder:
    """The lease of a process on another machine."""
    other = Holder.this_process("bth run")._replace(host="node7", place="elsewhere", **values)
    assert turns.take(results / paths.LEASE, 1, other._asdict())
    return other


def test_nothing_is_known_of_processes_where_the_system_does_not_tell(results, monkeypatch):
    monkeypatch.setattr(lease, "_place", lambda: "")
    monkeypatch.setattr(lease, "_start_of", lambda process: "")
    with held(results, "bth run", QUIET):
        found = holder(results)
        assert found is not None and not found._replace(process=0, started="before").has_ended


def test_second_command_is_refused_by_name_and_writes_nothing(results):
    with held(results, "bth run", QUIET):
        names = (results / paths.LEASE).names()
        for attempt in (lambda: held(results, "bth measure", QUIET).__enter__(), lambda: lease.check_free(results)):
            with pytest.raises(BadInput, match=f"`bth run` on .* \\(process {os.getpid()}, since .* is at work in it"):
                attempt()
        with pytest.raises(BadInput, match="is at work in it"):
            train_sweep(SweepSpec.parse({"name": "x", "grid": {"model.width": [4]}}), results.root, QUIET)
        assert (results / paths.LEASE).names() == names and results.names() == []
    assert holder(results) is None and (results / paths.LEASE).names() == []


def test_lease_of_a_killed_command_is_taken_over_at_once(results):
    command = [sys.executable, "-c", HOLD, results.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match=f"process {process.pid}"):
            lease.check_free(results)
        process.send_signal(signal.SIGKILL)
    assert holder(results).has_ended
    with held(results, "bth run", QUIET):
        assert holder(results).process == os.getpid()
    assert (results / paths.LEASE).names() == []


@pytest.mark.parametrize("ahead", [-1, 1])
def test_silent_lease_of_another_machine_is_taken_over(results, ahead):
    left_behind(results, sign=time.time() + ahead * 2 * lease.STALE_SECONDS)
    with held(results, "bth run", QUIET):
        assert holder(results).process == os.getpid() and holder(results).host != "node7"
    assert (results / paths.LEASE).names() == []


def test_another_machine_whose_clock_differs_keeps_its_lease(results):
    other = left_behind(results, sign=0.0)

    def give_signs():
        for sign in range(1, 20):
            results.write_json(f"{paths.LEASE}/00001.json", other._replace(sign=float(sign))._asdict())
            time.sleep(0.03)

    thread = threading.Thread(target=give_signs)
    thread.start()
    with pytest.raises(BadInput, match="node7"), held(results, "bth run", QUIET):
        pass
    thread.join()


def test_command_whose_lease_was_taken_over_is_stopped(results, monkeypatch):
    stopped = []
    monkeypatch.setattr(lease, "stop", stopped.append)
    with held(results, "bth run", QUIET):
        turns.take(results / paths.LEASE, 2, Holder.this_process("bth run")._replace(host="node7")._asdict())
        end = time.monotonic() + 10
        while not stopped and time.monotonic() < end:
            time.sleep(0.01)
    assert len(stopped) == 1 and "node7" in stopped[0] and "has taken over" in stopped[0]
    assert (results / paths.LEASE).names() == ["00002.json"]


def test_command_is_stopped_also_if_the_one_that_took_over_has_ended(results, monkeypatch):
    stopped = []
    monkeypatch.setattr(lease, "stop", stopped.append)
    with held(results, "bth run", QUIET):
        (results / paths.LEASE).delete("00001.json")
        end = time.monotonic() + 10
        while not stopped and time.monotonic() < end:
            time.sleep(0.01)
    assert len(stopped) == 1 and "another one has been at work here since" in stopped[0]


def test_a_lease_that_ends_while_it_is_looked_at_is_none(results, monkeypatch):
    left_behind(results)
    read = Folder.read_json

    def read_too_late(folder, path):
        folder.delete(path)
        return read(folder, path)

    monkeypatch.setattr(Folder, "read_json", read_too_late)
    assert holder(results) is None


def test_a_command_that_is_refused_starts_no_ray(results, monkeypatch):
    monkeypatch.setattr("benevolent.orchestrator.training.ray_session.ray_starts_meanwhile", pytest.fail)
    left_behind(results)
    with pytest.raises(BadInput, match="is at work in it"):
        CliRunner().invoke(app, ["run", "quickstart", "--out", results.root], catch_exceptions=False)
    (results / paths.LEASE).delete("00001.json")
    results.write("something", b"")
    with pytest.raises(BadInput, match="holds files but no sweep"):
        CliRunner().invoke(app, ["run", "quickstart", "--out", results.root], catch_exceptions=False)


def test_signs_of_life_are_given(results):
    with held(results, "bth run", QUIET):
        first = holder(results).sign
        end = time.monotonic() + 10
        while holder(results).sign == first and time.monotonic() < end:
            time.sleep(0.01)
        assert holder(results).sign > first


def test_status_names_the_command_at_work(results):
    prepare_anew(results, SweepSpec.parse({"name": "x", "grid": {"model.width": [4]}}))
    left_behind(results)
    shown = CliRunner().invoke(app, ["status", results.root], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert f" used in {results.root}, 0 bytes of it by parameters\n" in shown.stdout
    assert "`bth run` on node7" in shown.stdout and "is at work in it; last sign of life" in shown.stdout
