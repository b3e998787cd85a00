"""`ray job submit` to a cluster without this package: the code travels with the job."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import benevolent
from benevolent.analysis import load_results

pytest.importorskip("aiohttp_cors", reason="`ray job submit` needs the extra `cluster`")
pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef" * 4
SPEC = """
name: submitted
base:
  data: {train_size: 100, validation_size: 50, test_size: 100}
  model: {family: module, path: "my_nets:Net"}
  stop: {train_loss: null, max_epochs: 2}
seeds: 2
record: {measures: [parameter_norm]}
"""
MODULE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
"""
SECONDS_TO_START = 60


class ClusterThere(NamedTuple):
    """A cluster whose Python has everything but this package."""

    python: Path
    dashboard: str
    environment: dict[str, str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def python_without_this_package(folder: Path) -> Path:
    """An environment with the installed packages, but not those that are installed as a link to their source."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    installed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "installed.pth").write_text("\n".join(installed))
    return folder / "bin/python"


@pytest.fixture
def cluster_there(tmp_path) -> Iterator[ClusterThere]:
    python = python_without_this_package(tmp_path / "venv")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}
    environment |= {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    port = free_port()
    scratch = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets must be short
    start = [python, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port=0", "--num-cpus=1"]
    start += [f"--temp-dir={scratch}", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"]
    process = subprocess.Popen(start, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + SECONDS_TO_START
        while not is_listening(port):
            assert process.poll() is None and time.monotonic() < give_up
            time.sleep(0.2)
        yield ClusterThere(python, f"http://127.0.0.1:{port}", environment)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(scratch, ignore_errors=True)


def test_a_job_brings_the_code_and_the_users_modules(cluster_there, tmp_path):
    look = [cluster_there.python, "-c", "import benevolent"]
    absent = subprocess.run(look, cwd=tmp_path, env=cluster_there.environment, capture_output=True)
    assert b"No module named 'benevolent'" in absent.stderr
    work = tmp_path / "work"
    work.mkdir()
    (work / "my-sweep.yaml").write_text(SPEC)
    (work / "my_nets.py").write_text(MODULE)
    out = tmp_path / "out"
    brings = json.dumps({"py_modules": list(benevolent.__path__)})
    submit = [cluster_there.python, "-m", "ray.scripts.scripts", "job", "submit", "--address", cluster_there.dashboard]
    submit += ["--working-dir", work, "--runtime-env-json", brings, "--"]
    submit += ["python", "-m", "benevolent", "run", "my-sweep.yaml", "--out", out, "--address", "auto"]
    job = subprocess.run(submit, env=cluster_there.environment, capture_output=True, text=True)
    assert job.returncode == 0, job.stdout + job.stderr
    table = load_results(out, trust=True).table()
    assert len(table) == 2 and table[["test_loss", "parameter_norm"]].notna().all(axis=None)
    assert not [path for path in out.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
