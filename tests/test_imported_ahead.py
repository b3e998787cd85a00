"""Trials run in processes that Ray has started with itself, and that have imported what they need by then."""

import gc
import json
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from benevolent.orchestrator.training import ray_session
from benevolent.trainables.quick_imports import uncollected

PRELOADED = "RAY_preload_python_modules"
PROGRAM = """
import json, os, sys, time
import psutil
from benevolent.orchestrator.training.ray_session import keep_ray_cluster, ray_cluster


class Probe:
    def seen(self):
        modules = [name for name in sys.modules if name.endswith(("training.ray_trainable", "measures.on_checkpoints"))]
        import numpy, torch, threadpoolctl
        threads = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if "numpy" in pool["filepath"]]
        return os.getpid(), len(modules), threads, os.environ.get("OMP_NUM_THREADS")


def workers():
    found = []
    for process in psutil.Process().children(recursive=True):
        line = " ".join(process.cmdline())
        if "default_worker" in line or "ray::" in line:
            found.append(process.pid)
    return found


def seconds_of_work(pids):
    return sum(round(sum(psutil.Process(pid).cpu_times()[:2]), 1) for pid in pids)


worked = -1.0
with keep_ray_cluster(), ray_cluster(None):
    import ray
    from ray.tune.execution.class_cache import _ActorClassCache
    from benevolent.orchestrator.training.ray_tune import _in_started_processes
    while len(workers()) < 2 or seconds_of_work(workers()) > worked:
        worked = seconds_of_work(workers())
        time.sleep(1)
    time.sleep(3)  # longer than Ray keeps idle processes by default
    before = workers()
    with _in_started_processes():
        trial = _ActorClassCache().get(Probe).options(num_cpus=1).remote()
    pid, *seen = ray.get(trial.seen.remote())
    print("seen", json.dumps([pid in before, workers() == before, *seen]))
"""


def test_a_trial_gets_a_process_that_has_imported_what_it_needs(tmp_path):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "RAY_AUTH_MODE")
    }
    environment["RAY_worker_niceness"] = "0"
    environment["AWS_ACCESS_KEY_ID"] = "of a store"  # which Tune would pass on
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("seen ")] or [done.stderr]
    was_there, no_other_started, modules, threads, setting = json.loads(line.removeprefix("seen "))
    assert was_there and no_other_started and modules == 2
    assert set(threads) == {1} and setting == "1"  # Ray's own setting, of a trial of one CPU


def test_garbage_is_collected_again_after_imports():
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("cpus", "plugins", "imported"),
    [
        (2, "", "benevolent.trainables.training.imported_ahead"),
        (64, "", None),
        (2, "my_lab", None),
    ],
)
def test_nothing_is_imported_ahead_where_plugins_are_or_where_there_are_many_cpus(cpus, plugins, imported, monkeypatch):
    monkeypatch.setattr(ray_session, "machine_cpus", lambda: cpus)
    monkeypatch.setenv("BENEVOLENT_PLUGINS", plugins)
    with ExitStack() as stack:
        ray_session._import_ray(None, stack)
        assert os.environ.get(PRELOADED) == imported


def test_a_process_whose_imports_fail_lives_on(tmp_path):
    program = (
        "import benevolent.trainables.training.imported_ahead, os; print('lives', os.environ.get('OMP_NUM_THREADS'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"BENEVOLENT_PLUGINS": "no_such_module"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "lives None\n"
