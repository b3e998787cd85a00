"""A sweep with its results on S3, on a local server with the same API."""

import io
import logging
import os
from urllib.request import Request, urlopen

import in_process
import pandas as pd
import pytest
import ray
from moto.server import ThreadedMotoServer
from rich.console import Console

from benevolent.analysis import load_results
from benevolent.orchestrator.cli import results_commands
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import run_sweep
from benevolent.trainables.store.folder import Folder

#: Dense parents in one cohort, and pruned runs in another that waits for it and reads their parameters.
SWEEP = {
    "name": "tiny",
    "base": {
        "data": {"train_size": 100, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 3},
        "prune": {"fraction": 0.5},
    },
    "seeds": 2,
    "record": {"measures": ["parameter_norm"], "measure_at": "checkpoints"},
}


@pytest.fixture
def bucket(monkeypatch):
    """The URI of an empty bucket; Ray's workers, started after it, reach it too."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    keys |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_REGION": "us-east-1"}
    for name, value in (keys | {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}).items():
        monkeypatch.setenv(name, value)
    urlopen(Request(f"http://{host}:{port}/results", method="PUT")).close()
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})  # so that one actor measures
    ray.shutdown()
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        yield "s3://results"
    finally:
        ray.shutdown()
        server.stop()


def run(out: str) -> str:
    """What `bth run` prints."""
    console = Console(file=io.StringIO(), width=200)
    assert run_sweep(SweepSpec.parse(SWEEP), out, console).failures == []
    return console.file.getvalue()


def tables(out: str) -> dict[str, pd.DataFrame]:
    results = load_results(out)
    frames = {"runs": results.runs, "dynamics": results.dynamics, "outcomes": results.outcomes}
    frames |= {"measures": results.measures, "wide": results.table()}
    return {name: frame.drop(columns="seconds", errors="ignore") for name, frame in frames.items()}


@pytest.mark.slow
def test_a_sweep_on_s3_has_the_tables_of_a_local_one_and_resumes(bucket, tmp_path, capsys):
    remote, local = f"{bucket}/some/folder", str(tmp_path / "local")
    run(remote)
    in_process.train_sweep(SweepSpec.parse(SWEEP), local)
    for name, frame in tables(local).items():
        assert len(frame)
        pd.testing.assert_frame_equal(frame, tables(remote)[name], check_exact=True, obj=name)
    names = Folder(remote).names()
    assert sorted(names) == sorted([*Folder(local).names(), "report"])
    assert "up to date: nothing to train or measure" in run(remote)
    results_commands.status(remote)
    assert "limit" in capsys.readouterr().out
