"""`bth export`: what trackers read back is what the results folder says."""

import json
import logging
import subprocess
import sys

import pandas as pd
import pytest
from mlflow_servers import HAS_SERVER, mlflow_server
from typer.testing import CliRunner
from wandb_files import records_in

from benevolent.analysis.results import Results, load_results
from benevolent.analysis.trackers import exported_runs, log_to_mlflow, tensorboard_files, write_event_files
from benevolent.orchestrator.cli.main import app

SMALL = {
    "data": {"train_size": 60, "validation_size": 20, "test_size": 50},
    "model": {"width": 8, "depth": 2},
    "pretrain": {"epochs": 1, "label_corruption": 0.5},
    "stop": {"train_loss": None, "max_epochs": 2},
}


@pytest.fixture
def results(cohort) -> Results:
    """Three runs of two configurations in one cohort."""
    configs = [SMALL | {"optimizer": {"lr": lr}, "seed": seed} for lr, seed in ((0.1, 0), (0.1, 1), (0.2, 0))]
    return load_results(cohort("c", configs).train().results)


def export(*words: str):
    return CliRunner().invoke(app, ["export", *words])


def final(results: Results) -> pd.DataFrame:
    return results.table(parents=True).set_index("run_id")


def path_lengths(results: Results, run_id: str) -> dict[int, float]:
    """The recorded lengths of the path of a run in its last phase, by step."""
    rows = results.dynamics.query("run_id == @run_id and phase == 'train' and name == 'path_length'")
    return dict(zip(rows["step"], rows["value"], strict=True))


def test_a_run_of_a_cohort_is_a_run(results):
    runs = list(exported_runs(results))
    assert {run.run_id for run in runs} == set(results.runs["run_id"]) and len(runs) == 3
    for run in runs:
        assert run.config["optimizer.lr"] == final(results).loc[run.run_id, "optimizer.lr"]
        assert run.summary["test_loss"] == final(results).loc[run.run_id, "test_loss"]
        assert run.name.startswith(f"optimizer.lr={run.config['optimizer.lr']:g}")
        history = run.history.query("name == 'path_length'")
        assert dict(zip(history["step"], history["value"], strict=True)) == path_lengths(results, run.run_id)
        assert set(run.history.query("name == 'pretrain/path_length'")["step"]) >= {0, 2}
        assert {"test_loss", "validation_error", "pretrain/train_loss"} <= set(run.history["name"])


def test_csv_files_hold_the_tables(results, tmp_path):
    out = tmp_path / "csv"
    done = export(results.folders[0].uri, "--to", "csv", "--out", str(out))
    assert done.exit_code == 0 and "exported 3 runs" in done.output
    runs = pd.read_csv(out / "runs.csv").set_index("run_id")
    assert runs["test_loss"].to_dict() == final(results)["test_loss"].to_dict()
    assert len(pd.read_csv(out / "dynamics.csv")) == len(results.dynamics)
    assert set(pd.read_csv(out / "outcomes.csv")["split"]) == {"train", "validation", "test"}


def test_tensorboard_reads_what_was_recorded(results, tmp_path):
    readers = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "events"
    assert write_event_files(results, out) == (3, 0)
    assert write_event_files(results, out) == (0, 3)
    assert write_event_files(results, out, replace=True) == (3, 0)
    assert sorted(path.name for path in out.iterdir()) == sorted(results.runs["run_id"])
    for run_id, row in final(results).iterrows():
        reader = readers.EventAccumulator(str(out / str(run_id)))
        reader.Reload()
        read = {event.step: event.value for event in reader.Scalars("path_length")}
        assert read == pytest.approx(path_lengths(results, str(run_id)), rel=1e-6)
        assert reader.Scalars("final/test_loss")[0].value == pytest.approx(row["test_loss"], rel=1e-6)
        assert "_hparams_/session_start_info" in reader.summary_metadata


def test_only_the_warnings_of_tensorboard_are_silenced(results, tmp_path, monkeypatch, caplog):
    def warn(package: str) -> None:
        for name in (package, "another"):
            logging.getLogger(name).warning("a number is not finite")

    write = tensorboard_files._write
    monkeypatch.setattr(tensorboard_files, "_write", lambda *run: (warn("tensorboardX.x2num"), write(*run)))
    write_event_files(results, tmp_path / "events")
    assert [record.name for record in caplog.records] == ["another"] * 3
    warn("tensorboardX.x2num")
    assert caplog.records[-2].name == "tensorboardX.x2num"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not HAS_SERVER, reason="the package mlflow is not installed")
def test_a_server_of_mlflow_has_every_run_once(results, tmp_path):
    import mlflow

    table = final(results)
    with mlflow_server(tmp_path) as address:
        client = mlflow.MlflowClient(address)
        done = export(results.folders[0].uri, "--to", "mlflow", "--server", address, "--project", "mine")
        assert done.exit_code == 0 and "exported 3 runs to the experiment mine of MLflow" in done.output, done.output
        experiment = client.get_experiment_by_name("mine").experiment_id
        logged = client.search_runs([experiment])
        assert {run.data.tags["benevolent.run_id"] for run in logged} == set(table.index) and len(logged) == 3
        for run in logged:
            run_id = run.data.tags["benevolent.run_id"]
            assert run.info.status == "FINISHED"
            assert float(run.data.params["optimizer.lr"]) == table.loc[run_id, "optimizer.lr"]
            assert run.data.metrics["test_loss"] == table.loc[run_id, "test_loss"]
            history = client.get_metric_history(run.info.run_id, "path_length")
            assert {metric.step: metric.value for metric in history} == path_lengths(results, run_id)
        client.set_terminated(logged[0].info.run_id, "KILLED")  # as if its export had been interrupted
        assert log_to_mlflow(results, "mine", address) == (1, 2)
        assert {run.info.status for run in client.search_runs([experiment])} == {"FINISHED"}
        assert log_to_mlflow(results, "mine", address, replace=True) == (3, 0)
        assert len(client.search_runs([experiment])) == 3


@pytest.mark.slow
def test_weights_and_biases_writes_every_run_offline(results, tmp_path):
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    words = ["export", results.folders[0].uri, "--to", "wandb", "--offline", "--out", str(tmp_path)]
    # in a process of its own, since wandb starts threads and a service
    done = subprocess.run([sys.executable, "-m", "benevolent", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "exported 3 runs" in done.stdout, done.stderr
    table = final(results)
    seen = set()
    for path in tmp_path.glob("wandb/offline-run-*/run-*.wandb"):
        records = [messages.Record.FromString(data) for data in records_in(path)]
        (run,) = [record.run for record in records if record.WhichOneof("record_type") == "run"]
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        assert config["optimizer.lr"] == table.loc[run.run_id, "optimizer.lr"]
        read = {}
        for record in records:
            if record.WhichOneof("record_type") == "history":
                row = {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
                }
                if "path_length" in row:
                    read[row["training_step"]] = row["path_length"]
        assert read == pytest.approx(path_lengths(results, run.run_id))
        seen.add(run.run_id)
    assert seen == set(table.index)


def test_an_option_of_another_tracker_is_refused(results):
    refused = export(results.folders[0].uri, "--to", "csv", "--server", "http://127.0.0.1:5000")
    assert str(refused.exception) == "--server: --to csv has no use for it; it is for mlflow"


@pytest.mark.parametrize(("tracker", "package"), [("mlflow", "mlflow"), ("wandb", "wandb")])
def test_a_package_that_is_lacking_is_named(results, monkeypatch, tracker, package):
    monkeypatch.setitem(sys.modules, package, None)
    refused = export(results.folders[0].uri, "--to", tracker)
    assert str(refused.exception).startswith(f"--to {tracker}: the package {package} is not installed; pip install")


def test_a_folder_without_ended_runs_is_refused(cohort):
    uri = cohort("c", [SMALL]).results.uri
    refused = export(uri, "--to", "tensorboard")
    assert str(refused.exception) == f"{uri}: no run has ended, so there is nothing to export"
