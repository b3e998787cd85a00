"""Ray on this machine listens on all interfaces, so that a stranger must not be able to use it."""

import os
import random
import subprocess
import sys
import time

import pytest
import ray

from benevolent.orchestrator.training import ray_session
from benevolent.trainables.errors import BadInput

STARTED = """
import subprocess, sys
from contextlib import nullcontext
from benevolent.orchestrator.training.ray_session import keep_ray_cluster, ray_cluster, ray_starts_meanwhile
for before in (nullcontext, ray_starts_meanwhile):
    with keep_ray_cluster():
        with before():
            pass
        with ray_cluster(None):
            import ray
            print(ray.get(ray.remote(num_cpus=0)(lambda: "works").remote()), flush=True)
            address = ray.get_runtime_context().gcs_address
            if before is nullcontext:
                command = [sys.executable, "-c", sys.argv[1], address]
                stranger = subprocess.run(command, env=eval(sys.argv[2]), capture_output=True, text=True)
                print("let in" if "let in" in stranger.stdout else stranger.stderr)
    assert not ray.is_initialized()
"""
STRANGER = "import ray, sys; ray.init(sys.argv[1]); print('let in')"


@pytest.mark.slow
def test_a_process_without_the_token_is_refused_and_ray_starts_again(tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    clean["HOME"] = str(tmp_path)  # where Ray looks for a token
    other = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    command = [sys.executable, "-c", STARTED, STRANGER, repr(clean | other)]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("works") == 2, done.stderr
    assert "let in" not in done.stdout and "uthenticat" in done.stdout, done.stdout
    assert not (tmp_path / ".ray").exists()


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
