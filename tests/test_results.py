"""Results as tables: what a run had shown by an epoch, networks read back, and nothing a stranger wrote is run."""

import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from benevolent.analysis import judge, load_results
from benevolent.analysis.cohort_parts import Cohorts
from benevolent.analysis.formatting import duration
from benevolent.analysis.measures.missing_measures import ExistingMeasures, missing_jobs
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.report import digests
from benevolent.analysis.run_counts import count_runs
from benevolent.analysis.united_tables import united
from benevolent.orchestrator import reporting
from benevolent.orchestrator.cli import main, results_commands
from benevolent.orchestrator.results_folder import read_from
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import prepare_anew
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.starting import start_training

SMALL = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}


@pytest.fixture
def results(cohort, tmp_path):
    """Two runs of five epochs, and one that stops after the first."""
    stops = ({"train_loss": None, "max_epochs": 5}, {"train_loss": None, "max_epochs": 5}, {"train_loss": 9.0})
    cohort("c", [SMALL | {"seed": seed, "stop": stop} for seed, stop in enumerate(stops)]).train()
    return load_results(tmp_path)


def test_early_table_uses_only_records_up_to_its_epoch(results):
    early, late = results.table(at=2).set_index("run_id"), results.table().set_index("run_id")
    going = late.index[late["epoch"] == 5]
    outcomes = results.outcomes.query("step == 4 and split == 'validation' and name == 'loss'").set_index("run_id")
    pd.testing.assert_series_equal(early.loc[going, "validation_loss"], outcomes.loc[going, "value"], check_names=False)
    assert (early.loc[going, "validation_loss"] != late.loc[going, "validation_loss"]).all()
    assert (early["test_loss"] == late["test_loss"]).all() and not {"epoch", "step"} & set(early)
    stopped = late.index[late["epoch"] == 1]
    assert early.loc[stopped, ["path_length", "train_loss"]].isna().all(axis=None)


def test_a_table_says_where_its_runs_are(results):
    assert results.table().attrs == results.table(at=2).attrs == {"folders": [results.folders[0].uri]}


@pytest.mark.parametrize("epoch", [3, 5, 1000])
def test_epoch_without_records_is_refused(results, epoch):
    with pytest.raises(BadInput, match=f"at = {epoch}: recorded epochs are 0, 1, 2, 4"):
        results.table(at=epoch)


def test_network_read_back_has_the_recorded_loss(results):
    run = results.runs.iloc[0]
    test = data.load(results.config(run.run_id).data).test
    loss = torch.nn.functional.cross_entropy(results.network(run.run_id)(test.inputs), test.labels)
    assert loss.item() == pytest.approx(run.test_loss, rel=1e-6)


def test_only_cohorts_of_the_present_sweep_are_trained_and_measured(tmp_path, cohort):
    spec = SweepSpec.parse({"name": "mine", "base": SMALL, "seeds": 2})
    results = Folder(tmp_path)
    cohort("foreign", [SMALL | {"seed": 9, "stop": {"max_epochs": 1}}]).train()
    todo, done = prepare_anew(results, spec)
    assert [len(manifest.runs) for manifest in todo] == [2] and done == []
    assert missing_jobs(ExistingMeasures(results), done, None, True) == []


def test_module_path_that_is_not_a_network_is_refused_before_the_call(tmp_path):
    from benevolent.trainables import models

    marker = tmp_path / "called"
    with pytest.raises(BadInput, match="getoutput is not a subclass of torch.nn.Module"):
        models.module((4,), 2, path="subprocess:getoutput", arguments={"cmd": f"touch {marker}"})
    assert not marker.exists()


def small_sweep(**keys) -> SweepSpec:
    base = SMALL | {"stop": {"train_loss": None, "max_epochs": 5}}
    grid = {"prune.fraction": [0, 0.5]}
    return SweepSpec.parse({"name": "mine", "base": base, "grid": grid, "seeds": 2} | keys)


def step(results: Folder, spec: SweepSpec, train: int | None = None) -> int:
    """What `bth run` does of the training, without Ray and for at most `train` cohorts; how many it trained."""
    cohorts = prepare_anew(results, spec)[0][:train]
    for manifest in cohorts:
        training = start_training(results, manifest.cohort_id)
        assert training.advance(1e9).done
    return len(cohorts)


def measured(results: Folder) -> None:
    for cohort_id in results.names("cohorts"):
        for name in CohortFiles(results, cohort_id).parameter_files():
            if job := ExistingMeasures(results).missing(cohort_id, name, ["parameter_norm"]):
                measure_file(results, job)


@pytest.fixture
def short_reports(monkeypatch, no_figures) -> None:
    """Reports on one predictor, without figures; whole ones are made in test_run and test_report."""
    monkeypatch.setattr(reporting, "judge", partial(judge, permutations=20, resamples=20))
    monkeypatch.setattr(reporting, "recorded_predictors", lambda *_: ["path_length"])
    monkeypatch.setattr(reporting, "early_prediction_views", lambda *_: pd.DataFrame())


FEW, MORE = {"record": {"epochs": [1, 3]}}, {"record": {"measure_at": "checkpoints"}}


def test_runs_without_newly_requested_records_are_trained_again_and_read_once(tmp_path):
    results = Folder(tmp_path)
    assert step(results, small_sweep()) == 2
    measured(results)
    before = load_results(tmp_path)
    assert {*before.dynamics["epoch"]} == {0, 1, 2, 4, 5} and len(before.runs) == len(before.measures) / 2 == 4
    manifests = {p: p.read_bytes() for p in tmp_path.rglob("manifest.json")}
    assert step(results, small_sweep(**FEW)) == 2
    measured(results)
    after = load_results(tmp_path)
    assert set(after.dynamics["epoch"]) == {0, 1, 2, 3, 4, 5}  # what there was before is still there
    assert len(after.runs) == len(before.runs) == 4 and not set(after.runs.cohort_id) & set(before.runs.cohort_id)
    for one, other in (
        (before.runs.drop(columns=["seconds", "cohort_id"]), after.runs.drop(columns=["seconds", "cohort_id"])),
        (before.dynamics, after.dynamics[after.dynamics.epoch != 3].reset_index(drop=True)),
        (before.measures.drop(columns="seconds"), after.measures.drop(columns="seconds")),
    ):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert len(after.outcomes) == len(after.outcomes.drop_duplicates(["run_id", "phase", "step", "split", "name"]))
    assert all(path.read_bytes() == content for path, content in manifests.items())


def test_runs_outside_the_axes_are_not_in_the_table_but_their_seconds_count(tmp_path, short_reports):
    results, spec = Folder(tmp_path), small_sweep(grid={"prune.fraction": [0.5], "init.scale": [0.5, 1]})
    step(results, spec)
    read = load_results(tmp_path)
    table, whole = read.table(), read.table(parents=True)
    assert len(table) == 4 and set(table["prune.fraction"]) == {0.5} and set(table["role"]) == {"run"}
    assert len(whole) == 8 and (whole["role"] == "parent").sum() == 4
    pd.testing.assert_frame_equal(table, whole[whole["role"] == "run"].reset_index(drop=True))
    assert len(read.table(at=2)) == 4 and len(read.table(at=2, parents=True)) == 8
    results_commands.report(str(tmp_path))
    page = results.read("report/index.html").decode()
    assert f"{duration(read.runs['seconds'].sum())}, summed over the runs and their 4 parent or teacher runs" in page
    # The dense runs, once an axis names them, are judged, though they were planned as what others start from.
    todo, done = prepare_anew(results, small_sweep(grid={"prune.fraction": [0, 0.5], "init.scale": [0.5, 1]}))
    assert todo == [] and len(done) == 2 and set(load_results(tmp_path).planned["role"]) == {"run"}
    assert len(reporting.judged_table(load_results(tmp_path))) == 8


def test_runs_that_the_last_plan_no_longer_wants_can_be_left_out_of_every_table(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep(grid={"init.scale": [0.5, 1]}))
    step(results, small_sweep(grid={"init.scale": [1, 2]}))
    measured(results)
    every = load_results(tmp_path)
    last = load_results(tmp_path, last_plan_only=True)
    assert set(every.runs["init.scale"]) == {0.5, 1, 2} and set(last.runs["init.scale"]) == {1, 2}
    wanted = every.runs.loc[every.runs["init.scale"] != 0.5, "run_id"]
    for name in ("runs", "dynamics", "outcomes", "measures"):
        whole = getattr(every, name)
        shown = whole[whole["run_id"].isin(wanted)].reset_index(drop=True)
        assert len(shown) < len(whole)
        pd.testing.assert_frame_equal(getattr(last, name), shown)


def test_status_counts_the_runs_by_the_role_of_the_last_plan(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep(grid={"optimizer.lr": [0.1, 0.2]}))
    prepare_anew(results, small_sweep(grid={"optimizer.lr": [0.2, 0.3]}, seeds=3))
    runs = load_results(results).runs  # with the role of the plan that made a run, whether it is still wanted or not
    wanted = runs["run_id"].isin(load_results(results).planned["run_id"])
    counts = runs.assign(role=runs["role"].where(wanted, "no longer planned")).groupby(["role", "status"]).size()
    assert count_runs(Cohorts([results])) == counts.to_dict()
    assert counts.to_dict() == {("no longer planned", "limit"): 2, ("run", "limit"): 2, ("run", "to do"): 4}


def test_requesting_fewer_records_trains_nothing(tmp_path):
    results = Folder(tmp_path)
    for spec in (small_sweep(**MORE), small_sweep(**FEW)):
        assert step(results, spec) == 2
    for spec in (small_sweep(), small_sweep(**FEW), small_sweep(**MORE), small_sweep(record={"epochs": [2, 900]})):
        assert step(results, spec) == 0
    assert len(read_from(results)) == 2 and len(results.names("cohorts")) == 4


def test_provenance_keeps_the_source_of_earlier_cohorts(tmp_path, short_reports, monkeypatch):
    results = Folder(tmp_path)
    for commit, spec in (("first", small_sweep()), ("second", small_sweep(seeds=3)), ("third", small_sweep())):
        monkeypatch.setattr("benevolent.orchestrator.provenance.git_commit", lambda commit=commit: commit)
        step(results, spec)
    first, second = results.read_json("provenance.json")  # the third had nothing to plan
    assert (first["git_commit"], second["git_commit"]) == ("first", "second")
    assert sorted(first["cohort_ids"] + second["cohort_ids"]) == results.names("cohorts")
    reporting.report(results, small_sweep())
    page = results.read("report/index.html").decode()
    assert "earlier.1.git_commit" in page and "first" in page and second["cohort_ids"][0] in page


def test_verdicts_cover_all_runs_if_no_run_has_converged(tmp_path, short_reports, monkeypatch, capsys):
    results = Folder(tmp_path)
    step(results, small_sweep(grid={"init.scale": [0.5, 1, 2], "optimizer.lr": [0.01, 0.1]}))
    monkeypatch.setattr(results_commands.console, "width", 120)
    results_commands.report(str(tmp_path))
    printed = capsys.readouterr().out
    assert "What predicts test loss? 12 runs of 6 configurations (scope: all)" in printed
    assert "path_length" in printed and "no run has reached a target (stop.train_loss, stop.train_error)" in printed


def test_runs_in_a_window_are_judged_as_well(tmp_path, short_reports):
    grid = {"init.scale": [0.5, 1, 2], "optimizer.lr": [0.01, 0.1]}
    spec = small_sweep(grid=grid)
    step(Folder(tmp_path), spec)
    table = reporting.judged_table(load_results(tmp_path))
    low, high = (float(table["train_loss"].quantile(part)) for part in (0.2, 0.8))
    inside = table["train_loss"].between(low, high).sum()
    asked = small_sweep(grid=grid, judging={"match": {"train_loss": [low, high]}})
    last = next(verdicts for verdicts in reporting.judge_outcomes(table, asked) if verdicts.match)
    assert (last.target, last.runs) == ("test_loss", inside) and 0 < inside < len(table)
    assert last.excluded["not matched"] == len(table) - inside
    nowhere = small_sweep(grid=grid, judging={"match": {"train_loss": [-2, -1]}})
    assert len(reporting.judge_outcomes(table, nowhere)) == len(reporting.judge_outcomes(table, spec))
    (note,) = reporting.unanswered(table, nowhere)
    assert "0 runs have train_loss in [-2, -1]" in note
    assert not reporting.unanswered(table, asked) and not reporting.unanswered(table, spec)


def test_target_without_values_is_left_out_and_the_others_are_judged(tmp_path, short_reports):
    results, spec = Folder(tmp_path), small_sweep(grid={"init.scale": [0.5, 1, 2], "optimizer.lr": [0.01, 0.1]})
    step(results, spec)
    table = reporting.judged_table(load_results(tmp_path))
    table = table.drop(columns="test_error").assign(gap=np.nan)
    verdicts = reporting.judge_outcomes(table, spec)
    assert [one.target for one in verdicts] == ["test_loss", "loss_gap", "test_ece", "test_brier"]


def test_run_is_read_from_the_old_cohort_until_the_new_one_has_it(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep())
    old = load_results(tmp_path).runs
    step(results, small_sweep(**FEW), train=1)  # interrupted: the dense runs are there, the pruned ones are not
    runs = load_results(tmp_path).runs
    assert list(runs.status) == ["limit"] * 4
    again = dict(zip(runs.run_id, runs.cohort_id, strict=True))
    assert {run: home != again[run] for run, home in zip(old.run_id, old.cohort_id, strict=True)} == {
        run: fraction == 0 for run, fraction in zip(runs.run_id, runs["prune.fraction"], strict=True)
    }
    assert prepare_anew(results, small_sweep())[0] == []  # the older spec has all it asks for
    assert step(results, small_sweep(**FEW)) == 1
    assert set(load_results(tmp_path).dynamics["epoch"]) == {0, 1, 2, 3, 4, 5}


def test_pruned_runs_wait_for_parents_in_the_same_plan(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep(), train=1)  # the dense runs
    step(results, small_sweep(**FEW), train=0)  # both again, and nothing was trained
    todo, _ = prepare_anew(results, small_sweep())
    names = [manifest.cohort_id for manifest in todo]
    for manifest in todo:
        assert all(name in names or Manifest.read(results, name).finished(results) for name in manifest.waits_for)
    for place, manifest in enumerate(todo):
        assert set(manifest.waits_for) & set(names) <= set(names[:place])
    step(results, small_sweep())
    assert list(load_results(tmp_path).runs.status) == ["limit"] * 4


def test_parameters_are_read_from_the_folder_of_the_tables(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep())
    step(results, small_sweep(**MORE))
    found = load_results(tmp_path)
    assert found.network(found.runs.run_id[0], step=2) is not None


def test_the_last_step_of_a_run_has_its_network_and_a_step_without_a_checkpoint_none(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep(seeds=1))
    found = load_results(tmp_path)
    run = found.runs.iloc[0]
    last = found.network(run.run_id, step=int(run.step)).state_dict()
    for name, value in found.network(run.run_id).state_dict().items():
        assert torch.equal(value, last[name])
    with pytest.raises(BadInput, match="no parameters were kept at step"):
        found.network(run.run_id, step=int(run.step) + 1)


def test_runs_that_differ_in_more_than_axes_and_seed_are_not_judged():
    random = np.random.default_rng(0)
    grid = [(width, fraction, seed) for width in (1, 2) for fraction in (0, 0.5) for seed in range(3)]
    table = pd.DataFrame(grid, columns=["model.width", "prune.fraction", "seed"])
    table["p"], table["test_loss"] = random.normal(size=(2, len(table)))
    with pytest.raises(BadInput, match="10 more like them. have the same axes and seed .* differ in prune.fraction"):
        judge(table, "test_loss", ["model.width"])


@pytest.fixture(scope="module")
def measured_folder(tmp_path_factory):
    results = Folder(tmp_path_factory.mktemp("measured"))
    step(results, small_sweep(seeds=1))
    measured(results)
    return results


@pytest.mark.parametrize("kind", ["runs", "dynamics", "outcomes", "final", "checkpoints", "measures"])
@pytest.mark.parametrize("keep", [5, 40, -5])
def test_status_names_the_damaged_file_of_each_table(kind, keep, measured_folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(measured_folder.root, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["bth", "status", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="0"):
        main.main()
    victim = sorted(tmp_path.glob("out/measures/*" if kind == "measures" else f"out/cohorts/*/{kind}/*"))[0]
    victim.write_bytes(victim.read_bytes()[:keep])
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        main.main()
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and f"{victim}: damaged" in captured.err


@pytest.mark.parametrize("kind", ["dynamics", "outcomes", "final"])
@pytest.mark.parametrize("command", ["status", "report"])
def test_missing_part_is_named_and_the_cohort_can_be_trained_again(
    kind, command, measured_folder, tmp_path, monkeypatch, capsys
):
    shutil.copytree(measured_folder.root, tmp_path / "out")
    results, before = Folder(tmp_path / "out"), load_results(measured_folder).table()
    victim = sorted(tmp_path.glob(f"out/cohorts/*/{kind}/*"))[0]
    victim.unlink()
    monkeypatch.setattr(sys, "argv", ["bth", command, results.uri])
    with pytest.raises(SystemExit, match="2"):
        main.main()
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and f"{victim}: missing" in captured.err
    shutil.rmtree(victim.parent.parent)  # as the line says
    step(results, small_sweep(seeds=1))
    pd.testing.assert_frame_equal(load_results(results).table().drop(columns="seconds"), before.drop(columns="seconds"))


def test_damaged_or_incomplete_report_is_made_again(measured_folder, short_reports, tmp_path):
    shutil.copytree(measured_folder.root, tmp_path / "out")
    results, spec = Folder(tmp_path / "out"), small_sweep(seeds=1)
    verdicts = reporting.report(results, spec)
    whole = {path: path.read_bytes() for path in (tmp_path / "out/report").rglob("*.*")}
    for name in ("verdicts.json", "index.html", "table.parquet", "inputs.json"):
        for content in (None, b'{"a": 1}'):
            victim = tmp_path / "out/report" / name
            victim.unlink() if content is None else victim.write_bytes(content)
            again = reporting.report(results, spec)
            assert again == verdicts
            assert {path: path.read_bytes() for path in (tmp_path / "out/report").rglob("*.*")} == whole


def test_report_is_made_again_when_its_code_changes(measured_folder, short_reports, tmp_path, monkeypatch):
    shutil.copytree(measured_folder.root, tmp_path / "out")
    results, spec = Folder(tmp_path / "out"), small_sweep(seeds=1)
    made, render = [], reporting.render
    monkeypatch.setattr(reporting, "render", lambda content, formats: made.append(content) or render(content, formats))
    for _ in range(2):
        reporting.report(results, spec)
    assert len(made) == 1
    sources = digests.source_files()
    changed = sources | {"analysis/statistics/resampling.py": b"# another way to resample"}
    monkeypatch.setattr(digests, "source_files", lambda: changed)
    for _ in range(2):
        reporting.report(results, spec)
    assert len(made) == 2
    reporting.report(results, spec, anew=True)
    assert len(made) == 3


def test_code_digest_covers_all_modules_templates_and_studies():
    sources = digests.source_files()
    for path in ("analysis/statistics/resampling.py", "analysis/templates/report.html.j2", "trainables/rng.py"):
        assert sources[path] == (Path(__file__).parent.parent / path).read_bytes()
    modules = {path for path in sources if path.endswith(".py")}
    folders = ("analysis", "orchestrator", "trainables")
    root = Path(__file__).parent.parent
    assert modules >= {str(file.relative_to(root)) for folder in folders for file in (root / folder).rglob("*.py")}
    assert any(path.startswith("orchestrator/studies/") for path in sources)
    assert digests.code_digest() == digests.code_digest()


def test_column_of_mixed_types_is_text_and_of_mixed_numbers_is_numeric():
    parts = [
        pa.table({"run_id": ["a"], "model.arguments.gain": [True], "prune.fraction": [0]}),
        pa.table({"run_id": ["b"], "model.arguments.gain": ["large"], "prune.fraction": [0.5]}),
    ]
    frame = united(parts, ())
    assert frame["model.arguments.gain"].tolist() == ["true", "large"] and frame["prune.fraction"].tolist() == [
        0,
        0.5,
    ]


def test_configurations_have_the_mean_and_the_deviation_of_their_replicates(tmp_path):
    results = Folder(tmp_path)
    step(results, small_sweep(seeds=3))
    read = load_results(tmp_path)
    configurations = read.configurations()
    assert list(configurations["prune.fraction"]) == [0, 0.5] or list(configurations["prune.fraction"]) == [0.5, 0]
    assert list(configurations["replicates"]) == [3, 3] and configurations["lineage"].nunique() == 1
    for row in configurations.to_dict("records"):
        runs = read.runs[read.runs["configuration"] == row["configuration"]]
        assert row["test_loss"] == pytest.approx(runs["test_loss"].mean())
        assert row["gap_sd"] == pytest.approx(runs["gap"].std())
    assert load_results([tmp_path]).table()["configuration"].nunique() == 2
