"""`bth run`, from the spec to the report, on a Ray of one machine."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import in_process
import pandas as pd
import pytest
from fragile_module import FRAGILE
from rich.console import Console
from typer.testing import CliRunner

from benevolent.analysis import load_results
from benevolent.orchestrator.cli import main
from benevolent.orchestrator.measure_folders import measure_folders
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import SweepResult, TrainingSummary, prepare_anew, run_sweep, train_sweep
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder

#: 4 dense runs in one cohort and 4 pruned ones in another, which waits for it.
SWEEP = {
    "name": "tiny",
    "base": {
        "data": {"train_size": 100, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 9},
    },
    "grid": {"init.scale": [1, 2], "prune.fraction": [0, 0.5]},
    "seeds": 2,
    "record": {"measures": ["parameter_norm", "path_norm"]},
}


def run(out: Path, **keys) -> SweepResult:
    return run_sweep(SweepSpec.parse(SWEEP | keys), str(out), Console(quiet=True))


def train(out: Path, **keys) -> TrainingSummary:
    """Train and measure as `run` does, without the report."""
    return train_sweep(SweepSpec.parse(SWEEP | keys), str(out), Console(quiet=True))


def train_without_ray(out: Path, **keys) -> TrainingSummary:
    """The same in this process."""
    return in_process.train_sweep(SweepSpec.parse(SWEEP | keys), str(out))


@pytest.fixture(scope="module")
def finished(one_cpu, tmp_path_factory) -> Path:
    """The results of the sweep on one CPU; never changed."""
    out = tmp_path_factory.mktemp("one") / "tiny"
    with one_cpu():
        assert run(out).failures == []
    return out


def tables(out: Path) -> dict[str, pd.DataFrame]:
    """Every table of a results folder, without seconds and without how its runs were put into cohorts."""
    results = load_results(out)
    frames = {"runs": results.runs, "dynamics": results.dynamics, "outcomes": results.outcomes}
    frames |= {"measures": results.measures, "wide": results.table()}
    return {name: frame.drop(columns=["seconds", "cohort_id"], errors="ignore") for name, frame in frames.items()}


def assert_same_tables(one: Path, other: Path) -> None:
    found = tables(other)
    for name, frame in tables(one).items():
        pd.testing.assert_frame_equal(frame, found[name], check_exact=True, obj=name)


def bth(*arguments: str) -> subprocess.Popen[str]:
    """The command line in a process of its own, and a process group that can be interrupted as a terminal does."""
    command = [sys.executable, "-c", "from benevolent.orchestrator.cli.entry import main; main()", *arguments]
    path = os.pathsep.join([str(Path(main.__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
    pipe = subprocess.PIPE
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs ignore it, and so their children
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, start_new_session=True)


def test_training_and_measuring_do_not_deadlock_on_one_cpu(finished):
    results = load_results(finished)
    assert (results.runs["status"] == "limit").all() and len(results.runs) == 8
    assert set(results.measures["run_id"]) == set(results.runs["run_id"])
    assert (results.measures["status"] == "ok").all()
    assert results.table()[["test_loss", "path_length", "parameter_norm", "path_norm"]].notna().all(axis=None)


def test_folder_contains_spec_cohorts_measures_and_report(finished):
    files = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert {"sweep.yaml", "provenance.json", "report/index.html", "report/verdicts.json"} <= files
    assert {path.name for path in finished.glob("cohorts/*/manifest.json")} == {"manifest.json"}
    assert len(list(finished.glob("cohorts/*"))) == 2
    assert len(list(finished.glob("measures/*.parquet"))) == 2
    assert not [name for name in files if "/state/" in name or "failure" in name or "/." in name]


def test_repeated_command_trains_and_measures_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.glob("cohorts/**/*")}
    done = run(finished)
    assert (done.trained, done.measured, done.failures) == (0, 0, [])
    assert before == {path: path.stat().st_mtime_ns for path in finished.glob("cohorts/**/*")}


def test_subset_of_the_measured_runs_measures_nothing(finished):
    before = sorted(finished.glob("measures/*"))
    again = CliRunner().invoke(main.app, ["measure", str(finished), "--measures", "path_norm"], catch_exceptions=False)
    assert again.exit_code == 0 and "up to date" in again.stdout
    assert before == sorted(finished.glob("measures/*"))


def test_measures_that_are_asked_for_later_are_measured_in_several_folders_at_once(finished, shared_ray, tmp_path):
    copies = [Folder(shutil.copytree(finished, tmp_path / name)) for name in ("first", "second")]
    asked = (["l1_norm"], False, ResourcesConfig(), Console(quiet=True))
    assert measure_folders(copies, *asked) == (0, 4, [])
    assert measure_folders(copies, *asked) == (0, 0, [])
    for copy in copies:
        assert load_results(copy).table()["l1_norm"].notna().all()


def test_added_value_trains_only_new_runs_and_ray_changes_no_table(finished, tmp_path):
    first = train_without_ray(tmp_path / "out", grid={"init.scale": [1], "prune.fraction": [0, 0.5]})
    more = train_without_ray(tmp_path / "out")
    assert first == more == (4, 2, [])
    assert_same_tables(finished, tmp_path / "out")
    assert train(tmp_path / "out") == (0, 0, [])


def test_added_records_train_the_runs_again_and_fewer_records_train_nothing(tmp_path):
    one = {"grid": {}, "seeds": 2}
    more = one | {"record": SWEEP["record"] | {"epochs": [3], "measure_at": "checkpoints"}}
    trained = [train_without_ray(tmp_path / "out", **keys) for keys in (one, more)]
    assert [(done.runs, done.failures) for done in trained] == [(2, []), (2, [])]
    assert [train(tmp_path / "out", **keys) for keys in (one, more)] == [(0, 0, []), (0, 0, [])]
    results = load_results(tmp_path / "out")
    assert len(results.runs) == 2 and len(list(tmp_path.glob("out/cohorts/*"))) == 2
    assert {3, 4, 8} <= set(results.dynamics["epoch"]) and {12} <= set(results.measures["step"])


def test_failed_cohort_is_named_and_retried_without_affecting_others(shared_ray, no_figures, worker_modules, tmp_path):
    """The others are a network and a forest."""
    (worker_modules / "fragile.py").write_text(FRAGILE)
    fuse = tmp_path / "fuse"
    fuse.touch()
    network = {
        "model.family": "module",
        "model.path": "fragile:Fragile",
        "model.arguments": {"fuse": str(fuse), "after": 50},
    }
    forest = {"model.family": "random_forest", "model.trees": 1, "model.leaves": 5, "loss.name": "squared"}
    keys = {
        "base": {**SWEEP["base"], "model": {}},
        "grid": {},
        "list": [{"model.width": 8}, network, forest],
        "seeds": 1,
        "record": {"measures": []},
    }
    spec, out = tmp_path / "spec.yaml", tmp_path / "out"
    spec.write_text(yaml_text.dumps(SWEEP | keys))

    failing = CliRunner().invoke(main.app, ["run", str(spec), "--out", str(out)], catch_exceptions=False)
    status = CliRunner().invoke(main.app, ["status", str(out)])
    assert failing.exit_code == 1 and "did not finish" in failing.stderr
    assert "RuntimeError: the fuse has blown" in status.stdout
    assert sorted(load_results(out).runs["status"]) == ["converged", "failed", "limit"]

    fuse.unlink()
    again = CliRunner().invoke(main.app, ["run", str(spec), "--out", str(out)], catch_exceptions=False)
    assert again.exit_code == 0 and "training 1 run in 1 cohort" in again.stdout
    assert sorted(load_results(out).runs["status"]) == ["converged", "limit", "limit"]


def test_resuming_after_ctrl_c_gives_the_tables_of_an_uninterrupted_run(
    finished, shared_ray, no_figures, monkeypatch, tmp_path
):
    """Of which the first part was trained on all CPUs of this machine, and the second on one.

    Networks are removed as soon as they are measured, which changes no table either.
    """
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml_text.dumps(SWEEP | {"record": SWEEP["record"] | {"keep_parameters": False}}))
    command = ["run", "tiny.yaml", "--out", "out"]
    process = bth(*command)
    while process.poll() is None and not list(tmp_path.glob("out/cohorts/*/runs/*.parquet")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command continues" in errors, output + errors
    assert not Path("out/report").exists()

    again = CliRunner().invoke(main.app, command, catch_exceptions=False)
    assert again.exit_code == 0, again.output
    assert_same_tables(finished, tmp_path / "out")
    assert not list(tmp_path.rglob("*.safetensors"))


BAD = {
    "unknown key": (["run", "{tiny}", "--set", "base.model.widht=8"], "widht"),
    "unknown sweep": (["run", "quickstrat"], "quickstart"),
    "module that does not import": (
        ["run", "{tiny}", "--set", "base.model={{family: module, path: 'nowhere:Net'}}"],
        "nowhere",
    ),
    "another sweep's folder": (["run", "{tiny}", "--set", "name=other", "--out", "{out}"], "holds the sweep"),
    "another base": (["run", "{tiny}", "--set", "base.model.width=9", "--out", "{out}"], "another base"),
    "a foreign folder": (["run", "{tiny}", "--out", "{foreign}"], "no sweep"),
    "a path below a file": (["run", "{tiny}", "--out", "{tiny}/below"], "{tiny}/below"),
    "a read-only disk": (["run", "{tiny}", "--out", "/proc/results"], "/proc/results"),
    "more than the machine has": (["run", "{tiny}", "--set", "resources.cpus=4096"], "resources.cpus"),
    "a table without the target": (["judge", "{table}", "--target", "gap", "--axes", "width"], "gap"),
    "no table": (["judge", "{tiny}.csv", "--target", "gap", "--axes", "width"], "{tiny}.csv: no such file"),
    "status of no folder": (["status", "nowhere"], "nowhere: no such folder"),
    "report of no folder": (["report", "nowhere"], "nowhere: no such folder"),
    "a batch larger than the data": (
        ["plan", "{tiny}", "--set", "base.optimizer.batch_size=9999"],
        "sweep tiny: base.optimizer.batch_size = 9999: ",
    ),
    "status of no results": (["status", "{foreign}"], "{foreign}"),
    "report of no results": (["report", "{foreign}"], "{foreign}"),
    "a sweep that asks for an unknown measure": (
        ["plan", "{tiny}", "--set", "record.measures=[path_nrom]"],
        "sweep tiny: record.measures: 'path_nrom' is unknown; did you mean 'path_norm'?",
    ),
    "an empty list of measures": (["measure", "{out}", "--measures", ""], "--measures ''"),
    "an empty name": (["judge", "{table}", "--target", "loss", "--axes", "width,"], "--axes 'width,'"),
    "unknown measure": (["measure", "{out}", "--measures", "path_nrom"], "--measures: 'path_nrom' is unknown"),
}


@pytest.fixture(scope="module")
def places(finished, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("places")
    paths = {
        "out": finished,
        "tiny": folder / "tiny.yaml",
        "foreign": folder / "foreign",
        "table": folder / "t.csv",
    }
    paths["tiny"].write_text(yaml_text.dumps(SWEEP))
    paths["table"].write_text("width,seed,loss\n8,0,1\n")
    paths["foreign"].mkdir()
    (paths["foreign"] / "thesis.tex").touch()
    return paths


def files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", BAD)
def test_invalid_input_prints_one_line_and_changes_nothing(name, places, monkeypatch, capsys, tmp_path):
    arguments, expected = BAD[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bth", *(argument.format(**places) for argument in arguments)])
    before = files_of(places["out"]) | files_of(places["foreign"])
    with pytest.raises(SystemExit) as stop:
        main.main()
    captured = capsys.readouterr()
    assert stop.value.code == 2 and captured.out == ""
    assert captured.err.startswith("error:") and captured.err.count("\n") == 1
    assert expected.format(**places) in captured.err
    assert before == files_of(places["out"]) | files_of(places["foreign"]) and not list(tmp_path.iterdir())


def test_resumed_sweep_fetches_its_data(monkeypatch, tmp_path):
    class Reached(Exception):
        pass

    def stop(address):
        raise Reached

    spec = SweepSpec.parse(SWEEP)
    prepare_anew(Folder(tmp_path), spec)
    fetched = []
    monkeypatch.setattr(data, "fetch", fetched.append)
    monkeypatch.setattr("benevolent.orchestrator.train_and_measure.ray_cluster", stop)
    with pytest.raises(Reached):
        run(tmp_path)
    assert "digits" in fetched


def test_ray_settings_are_restored(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    before = dict(os.environ)
    with ray_cluster(None):
        assert os.environ["TUNE_DISABLE_SIGINT_HANDLER"] == "1" and os.environ["RAY_AUTH_MODE"] == "disabled"
    assert dict(os.environ) == before


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_unreachable_cluster_prints_one_line(address, monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", lambda: None)  # of the Ray that tests share
    with pytest.raises(BadInput, match=f"--address {address}: no Ray cluster answers there"), ray_cluster(address):
        pass


@pytest.mark.parametrize(
    "pattern",
    ["sweep.yaml", "cohorts/*/manifest.json", "cohorts/*/runs/*", "measures/*", "cohorts/*/final/*"],
)
def test_truncated_or_foreign_file_is_named(pattern, finished, shared_ray, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    for path, content in files_of(finished).items():
        (out / path.relative_to(finished)).parent.mkdir(parents=True, exist_ok=True)
        (out / path.relative_to(finished)).write_bytes(content)
    victim = sorted(out.glob(pattern))[0]
    victim.write_bytes(victim.read_bytes()[:40] if victim.suffix != ".yaml" else b"- a list\n")
    again = ["--measures", "path_norm"] if "final" in pattern else []
    monkeypatch.setattr(sys, "argv", ["bth", *(["measure", str(out), *again] if again else ["report", str(out)])])
    with pytest.raises(SystemExit) as stop:
        main.main()
    errors = capsys.readouterr().err
    assert stop.value.code == 2 and str(victim) in errors and errors.count("\n") == 1
