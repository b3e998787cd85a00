"""Ray on this machine listens to this machine only, refuses strangers, and its messages are not printed."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from benevolent.orchestrator.training import ray_session
from benevolent.trainables.errors import BadInput

STARTED = """
import json, os, subprocess, sys, time
from contextlib import nullcontext
import psutil
from benevolent.orchestrator.training.ray_session import keep_ray_cluster, ray_cluster, ray_starts_meanwhile


def addresses_listened_at():
    this = psutil.Process()
    ports = [port for process in (this, *this.children(recursive=True)) for port in process.net_connections("inet")]
    return sorted({port.laddr.ip for port in ports if port.status == psutil.CONN_LISTEN})


seen = {"works": [], "stranger": None, "addresses": None}
for before in (nullcontext, ray_starts_meanwhile):
    with keep_ray_cluster():
        with before():
            pass
        with ray_cluster(None):
            import ray
            seen["works"].append(ray.get(ray.remote(num_cpus=0)(lambda: 1).remote()))
            address = ray.get_runtime_context().gcs_address
            if before is nullcontext:
                command = [sys.executable, "-c", sys.argv[1], address]
                stranger = subprocess.run(command, env=eval(sys.argv[2]), capture_output=True, text=True)
                seen["stranger"] = stranger.stdout + stranger.stderr
                seen["addresses"] = addresses_listened_at()
                dies = ray.remote(num_cpus=0, max_retries=0)(lambda: os._exit(1)).remote()
                ray.wait([dies])
                time.sleep(1)  # until Ray's message of it has come
    assert not ray.is_initialized()
print("seen", json.dumps(seen))
"""
STRANGER = "import ray, sys; ray.init(sys.argv[1]); print('let in')"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The folder where Ray looks for a token."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def started(home) -> "subprocess.CompletedProcess[str]":
    """A process that starts a Ray, to which a stranger tries to connect, and of which a task dies; and another Ray."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    clean["HOME"] = str(home)
    here = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # another user of this machine, who finds the loopback device
    other = here | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    command = [sys.executable, "-c", STARTED, STRANGER, repr(clean | other)]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def seen(started: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    return json.loads(started.stdout.partition("seen ")[2])


@pytest.mark.slow
def test_a_process_without_the_token_is_refused_and_ray_starts_again(started, home):
    assert seen(started)["works"] == [1, 1]
    assert "let in" not in seen(started)["stranger"] and "uthenticat" in seen(started)["stranger"]
    assert not (home / ".ray").exists()


@pytest.mark.slow
def test_other_machines_cannot_reach_it(started):
    loopback = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert seen(started)["addresses"] and set(seen(started)["addresses"]) <= loopback


@pytest.mark.slow
def test_messages_of_its_processes_are_not_printed(started):
    assert started.stdout.startswith("seen {") and started.stdout.count("\n") == 1
    assert started.stderr == ""


def test_a_start_in_the_background_that_fails_is_said_at_its_end(monkeypatch):
    def fail() -> None:
        raise BadInput("Ray did not start")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # other tests of this process may share a Ray
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray_session, "_start", fail)
    done = []
    with (
        pytest.raises(BadInput, match="did not start"),
        ray_session.keep_ray_cluster(),
        ray_session.ray_starts_meanwhile(),
    ):
        done.append("meanwhile")
    assert done == ["meanwhile"]


def test_nothing_else_is_done_before_a_start_in_the_background_has_ended(monkeypatch):
    """Ray draws from Python's generator, and a network that is tried meanwhile would be refused for it."""
    events = []

    def start() -> None:
        time.sleep(0.05)
        random.random()
        events.append("started")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: events.append("left"))
    monkeypatch.setattr(ray_session, "_start", start)
    with ray_session.keep_ray_cluster():
        with ray_session.ray_starts_meanwhile():
            events.append("imported")
        state = random.getstate()
        events.append("planned")
        assert random.getstate() == state
    assert sorted(events[:2]) == ["imported", "started"] and events[2:] == ["planned", "left"]
