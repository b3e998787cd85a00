"""A command whose Ray has lost a process that it needs stops, instead of waiting for ever."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from benevolent.orchestrator.training import ray_processes
from benevolent.orchestrator.training.ray_processes import stopped_without_ray


@pytest.fixture
def raylet(tmp_path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process below this one that the system calls as Ray's."""
    (tmp_path / "raylet").symlink_to(shutil.which("sleep") or "/bin/sleep")
    with subprocess.Popen(["sleep", "60"], executable=tmp_path / "raylet") as process:
        yield process
        process.kill()


@pytest.fixture
def stopped(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(ray_processes, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(ray_processes, "stop", lines.append)
    return lines


def test_the_end_of_a_process_of_ray_stops_the_command(raylet, stopped):
    with stopped_without_ray():
        time.sleep(0.1)
        assert stopped == []
        raylet.kill()
        end = time.monotonic() + 10
        while not stopped and time.monotonic() < end:
            time.sleep(0.01)
    assert len(stopped) == 1
    assert stopped[0].startswith(f"error: Ray's process raylet (process {raylet.pid}) has ended")


def test_nothing_is_watched_after_ray_was_left(raylet, stopped):
    with stopped_without_ray():
        time.sleep(0.1)
    time.sleep(0.1)
    raylet.kill()
    time.sleep(0.1)
    assert stopped == []
