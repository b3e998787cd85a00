"""`record.keep_parameters: false`: networks are removed once they are measured, and everything else is as with them."""

import io
import shutil
from pathlib import Path
from unittest.mock import Mock

import in_process
import pandas as pd
import pytest
from disturbed_sweep import DAMAGES, check_whole, tables
from rich.console import Console
from typer.testing import CliRunner

from benevolent.analysis import load_results
from benevolent.analysis.measures import MEASURES, Measure
from benevolent.analysis.measures.missing_measures import ExistingMeasures, missing_jobs
from benevolent.analysis.measures.on_checkpoints import MeasuredFile, measure_file
from benevolent.orchestrator import sweep
from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.measuring import measure_pool
from benevolent.orchestrator.measuring.measure_pool import MeasurePool
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.removed_parameters import ParameterRemoval, remove_superseded
from benevolent.orchestrator.repair import discard_damaged
from benevolent.orchestrator.results_folder import ExistingCohorts, read_from
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import TrainingSummary, measure_folder, prepare_anew, train_sweep
from benevolent.orchestrator.training.placement import Placement
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import check_files
from benevolent.trainables.store.manifest import Manifest, read_cohorts
from benevolent.trainables.training.starting import start_training

#: Dense runs in one cohort, pruned ones in others that wait for it.
SWEEP = {
    "name": "removed",
    "base": {
        "data": {"train_size": 100, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 2},
    },
    "grid": {"prune.fraction": [0, 0.5]},
    "seeds": 2,
}


def spec_of(fractions=(0, 0.5), **record) -> SweepSpec:
    known = {"measures": ["parameter_norm"], "measure_at": "checkpoints"}
    return SweepSpec.parse(SWEEP | {"grid": {"prune.fraction": list(fractions)}, "record": known | record})


def run_again(out: Path, spec: SweepSpec) -> str:
    """What `bth run` prints, without a report, where there is nothing to train."""
    console = Console(file=io.StringIO(), width=300)
    train_sweep(spec, str(out), console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Results that were there before, without their networks."""
    out = tmp_path_factory.mktemp("finished") / "out"
    in_process.train_sweep(spec_of(), str(out))
    before = tables(Folder(out))
    assert list(out.glob("cohorts/*/*/*.safetensors"))
    run_again(out, spec_of(keep_parameters=False))
    check_whole(Folder(out), before)
    return out


def test_no_network_is_left_and_nothing_is_missed(finished, capsys):
    assert not list(finished.glob("cohorts/*/*/*.safetensors"))
    check_files(Folder(finished))
    discard_damaged(Folder(finished), True, Console())
    assert capsys.readouterr().out == ""
    assert run_again(finished, spec_of(keep_parameters=False)) == "up to date: nothing to train or measure\n"
    shown = CliRunner().invoke(app, ["status", str(finished)], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert "0 bytes of it by parameters" in shown.stdout
    results = load_results(finished)
    with pytest.raises(BadInput, match="no parameters were kept at its end"):
        results.network(results.runs["run_id"].iat[0])


def test_a_measure_that_cannot_be_taken_any_more_is_named(finished):
    line = "not measured: path_norm of 2 cohorts whose parameters were removed (record.keep_parameters: false)\n"
    assert line in run_again(finished, spec_of(measures=["parameter_norm", "path_norm"]))
    console = Console(file=io.StringIO(), width=300)
    assert measure_folder(str(finished), ["path_norm"], False, console, trust=False) == 0
    assert line in console.file.getvalue()


def trained_here(results, record, resources, todo, done, *others, **more):
    """What `train_and_measure` does with Ray, and then the removal."""
    in_process.train_and_measure(results, record, resources, todo, done)
    cohorts = [*done, *(cohort.cohort_id for cohort in todo)]
    ParameterRemoval(ExistingMeasures(results), [], cohorts, lambda cohort_id: []).remove()


DAMAGED = {
    "measures/*-00000000-*": ["a bit flipped", "deleted"],
    "cohorts/*/dynamics/*": ["a bit flipped"],
    "cohorts/*/manifest.json": ["a bit flipped"],
    "cohorts/*/removed.json": ["truncated"],
}
CASES = [(pattern, damage) for pattern, damages in DAMAGED.items() for damage in damages]


@pytest.mark.parametrize(("pattern", "damage"), CASES)
@pytest.mark.parametrize("of_child", [False, True])
def test_what_is_damaged_later_is_made_again_with_the_networks_that_it_takes(
    finished, tmp_path, monkeypatch, pattern, damage, of_child
):
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    before = tables(Folder(out))
    children = [cohort.cohort_id for cohort in read_cohorts(Folder(out))[0] if cohort.waits_for]
    victims = [path for path in sorted(out.glob(pattern)) if any(name in str(path) for name in children) == of_child]
    DAMAGES[damage](victims[0])
    state = "missing, and the parameters that were measured were removed" if damage == "deleted" else "damaged"
    shown = CliRunner().invoke(app, ["status", str(out)])
    assert isinstance(shown.exception, BadInput) and f"{victims[0]}: {state}" in str(shown.exception)
    monkeypatch.setattr(sweep, "train_and_measure", trained_here)
    printed = run_again(out, spec_of(keep_parameters=False))
    assert f"{victims[0]}: {state}" in printed and "are trained again" in printed
    assert ("training 1 cohort again, whose parameters were removed" in printed) == of_child
    check_whole(Folder(out), before)
    assert not list(out.glob("cohorts/*/*/*.safetensors"))
    assert run_again(out, spec_of(keep_parameters=False)) == ""


def test_new_runs_that_start_from_removed_networks_make_them_train_again(finished, tmp_path, monkeypatch):
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    monkeypatch.setattr(sweep, "train_and_measure", trained_here)
    more = spec_of(fractions=[0, 0.5, 0.25], keep_parameters=False)
    assert "training 1 cohort again" in run_again(out, more)
    in_process.train_sweep(more, str(tmp_path / "at-once"))
    check_whole(Folder(out), tables(Folder(tmp_path / "at-once")))


@pytest.fixture(scope="module")
def superseded(tmp_path_factory) -> Path:
    """Results whose runs were trained again in other cohorts, since more records were asked for."""
    out = tmp_path_factory.mktemp("superseded") / "out"
    in_process.train_sweep(spec_of(measure_at="end"), str(out))
    in_process.train_sweep(spec_of(), str(out))
    assert len(cohort_ids(Folder(out))) == 4
    return out


def test_networks_of_runs_that_were_trained_again_elsewhere_are_removed_too(superseded, tmp_path):
    out = Path(shutil.copytree(superseded, tmp_path / "out"))
    before = tables(Folder(out))
    state = CohortFiles(Folder(out), read_from_others(out)[0]).folder
    state.write("state/state.safetensors", b"of a worker that was killed before the runs were asked for elsewhere")
    run_again(out, spec_of())
    assert not list(out.glob("cohorts/*/state/*")) and list(out.glob("cohorts/*/*/*.safetensors"))
    run_again(out, spec_of(keep_parameters=False))
    assert not list(out.glob("cohorts/*/*/*.safetensors"))
    check_files(Folder(out))
    for name, frame in tables(Folder(out)).items():
        pd.testing.assert_frame_equal(frame, before[name], check_exact=True)
    for spec in (spec_of(keep_parameters=False), spec_of(measure_at="end", keep_parameters=False)):
        assert run_again(out, spec) == "up to date: nothing to train or measure\n"


def read_from_others(out: Path) -> list[str]:
    """The cohorts whose runs are read from others."""
    results = Folder(out)
    return sorted(set(cohort_ids(results)).difference(read_from(results)))


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    """Results that record little."""
    out = tmp_path_factory.mktemp("trained_once") / "out"
    in_process.train_sweep(spec_of(measure_at="end"), str(out))
    return out


def train_a_little(results: Folder, cohort: Manifest) -> dict[str, bytes]:
    """Train a cohort until it has saved its state, and no run has ended; return its states and parameters."""
    progress = start_training(results, cohort.cohort_id, save_every_seconds=0).advance(0)
    assert progress.saved and not progress.runs_done
    files = networks_of(results, cohort.cohort_id)
    assert any("/state/" in path for path in files) and any("/checkpoints/" in path for path in files)
    return files


def networks_of(results: Folder, cohort_id: str) -> dict[str, bytes]:
    files = Path(results.root).glob(f"cohorts/{cohort_id}/*/*.safetensors")
    return {str(path): path.read_bytes() for path in files}


def no_more(results, record, resources, todo, *others, **more) -> TrainingSummary:
    """A training that ends at once, as with Ctrl-C or an error."""
    return TrainingSummary(0, 0, [])


@pytest.mark.parametrize("keep_parameters", [True, False])
@pytest.mark.parametrize("is_one_command", [True, False])
def test_an_unfinished_cohort_keeps_what_it_goes_on_from_and_replaces_the_first_one_only_when_it_has_ended(
    trained_once, tmp_path, monkeypatch, keep_parameters, is_one_command
):
    out = Path(shutil.copytree(trained_once, tmp_path / "out"))
    results = Folder(out)
    first = cohort_ids(results)
    more = spec_of(keep_parameters=keep_parameters)
    if is_one_command:
        trained = {}

        def fail(results, record, resources, todo, *others, **more):
            trained[todo[0].cohort_id] = train_a_little(results, todo[0])
            return TrainingSummary(0, 0, ["an error"])

        monkeypatch.setattr(sweep, "train_and_measure", fail)
        run_again(out, more)
    else:
        todo, _ = prepare_anew(results, more)
        trained = {todo[0].cohort_id: train_a_little(results, todo[0])}
    (second, files), *_ = trained.items()
    assert second not in first and networks_of(results, second) == files
    monkeypatch.setattr(sweep, "train_and_measure", no_more)
    run_again(out, spec_of(measure_at="end", keep_parameters=keep_parameters))  # what was asked for before
    assert networks_of(results, second) == files
    assert all(networks_of(results, cohort_id) for cohort_id in first)
    CohortFiles(results, first[0]).folder.write("state/state.safetensors", b"of a worker that was killed")

    monkeypatch.setattr(sweep, "train_and_measure", in_process.train_and_measure)
    run_again(out, more)
    assert set(read_from(results)).isdisjoint(first) and not list(out.glob("cohorts/*/state/*"))
    for cohort_id in first:
        assert bool(networks_of(results, cohort_id)) == keep_parameters


def test_networks_stay_that_an_unfinished_cohort_needs(trained_once, tmp_path):
    """Dense networks are removed only when no pruned ones, which start from them, are still to be trained."""
    results = Folder(shutil.copytree(trained_once, tmp_path / "out"))
    dense, pruned = sorted(read_cohorts(results)[0], key=lambda cohort: len(cohort.waits_for))
    again = Manifest("again", pruned.runs, pruned.waits_for, RecordConfig(measure_at="checkpoints"))
    again.write(results)
    old = spec_of(measure_at="end", keep_parameters=False)
    run_again(results.root, old)
    assert networks_of(results, dense.cohort_id) and not networks_of(results, pruned.cohort_id)
    assert start_training(results, "again", save_every_seconds=1e9).advance(1e9).done
    CohortFiles(results, "again").remove_parameters()
    run_again(results.root, old)
    assert not networks_of(results, dense.cohort_id)


def test_cohorts_that_were_read_are_not_read_again(superseded, monkeypatch):
    results = Folder(superseded)
    existing = ExistingCohorts.read(results, RecordConfig())
    new = [cohort for cohort in existing.cohorts if cohort.cohort_id not in read_from_others(superseded)]
    read = []
    read_table = Folder.read_table
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "read", Mock(side_effect=AssertionError))
        patch.setattr(Folder, "read_table", lambda folder, path: read.append(folder.uri) or read_table(folder, path))
        remove_superseded(results, existing, [], keep_parameters=True)
        assert not read
        remove_superseded(results, existing, new[:1], keep_parameters=True)
    assert set(read) == {CohortFiles(results, new[0].cohort_id).folder.uri}


@pytest.mark.parametrize("kind", ["measures", "dynamics"])
def test_nothing_of_a_superseded_cohort_is_made_again(superseded, tmp_path, kind):
    out = Path(shutil.copytree(superseded, tmp_path / "out"))
    run_again(out, spec_of(keep_parameters=False))
    before = tables(Folder(out))
    first = read_from_others(out)[0]
    if kind == "measures":
        files = CohortFiles(Folder(out), first)
        files.folder.write_json(paths.removed(files.attempt.name), {"measures": ["measures/gone.parquet"]})
        check_files(Folder(out))
        victim = sorted(out.glob(f"measures/{first}-*"))[0]
    else:
        victim = sorted(out.glob(f"cohorts/{first}/dynamics/*"))[0]
    DAMAGES["a bit flipped"](victim)
    line = f"it is not needed: the runs of cohort {first} were trained again for more records"
    printed = run_again(out, spec_of(keep_parameters=False))
    assert str(victim) in printed and line in printed
    assert printed.endswith("up to date: nothing to train or measure\n")
    assert bool(list(out.glob(f"cohorts/{first}/runs/*"))) == (kind == "measures")
    check_files(Folder(out))
    assert run_again(out, spec_of(keep_parameters=False)) == "up to date: nothing to train or measure\n"
    for name, frame in tables(Folder(out)).items():
        pd.testing.assert_frame_equal(frame, before[name], check_exact=True)


@pytest.mark.parametrize("deletions", range(9))
def test_a_removal_that_is_killed_anywhere_is_completed_by_the_same_command(
    superseded, tmp_path, monkeypatch, deletions
):
    out = Path(shutil.copytree(superseded, tmp_path / "out"))
    before = tables(Folder(out))
    left = iter(range(deletions))
    delete = Folder.delete

    def delete_or_end(folder: Folder, path: str) -> None:
        if path.endswith(".safetensors") and next(left, None) is None:
            raise KeyboardInterrupt
        delete(folder, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Folder, "delete", delete_or_end)
        run_again(out, spec_of(keep_parameters=False))
    files = len(list(superseded.glob("cohorts/*/*/*.safetensors")))
    assert len(list(out.glob("cohorts/*/*/*.safetensors"))) == files - deletions
    check_files(Folder(out))
    run_again(out, spec_of(keep_parameters=False))
    assert not list(out.glob("cohorts/*/*/*.safetensors"))
    for name, frame in tables(Folder(out)).items():
        pd.testing.assert_frame_equal(frame, before[name], check_exact=True)


@pytest.mark.parametrize("measure_at", ["end", "checkpoints"])
def test_networks_stay_that_others_learned_from_which_are_left_alone(tmp_path, monkeypatch, measure_at):
    results = Folder(tmp_path)
    teaching = SweepSpec.parse(spec_of(measure_at="end").model_dump() | {"grid": {"labels.source": [None, {}]}})
    in_process.train_sweep(teaching, str(tmp_path))
    learner = next(cohort for cohort in read_cohorts(results)[0] if cohort.waits_for)
    teacher = CohortFiles(results, learner.waits_for[0])
    record = {"measure_at": measure_at, "keep_parameters": False}
    only_teachers = SweepSpec.parse(teaching.model_dump() | {"grid": {"labels.source": [None]}, "record": record})
    in_process.train_sweep(only_teachers, str(tmp_path))  # at checkpoints: the teachers train again, elsewhere
    run_again(tmp_path, only_teachers)
    assert teacher.parameter_files()
    with monkeypatch.context() as patch:
        in_process.replace_ray(patch)
        assert measure_folder(str(tmp_path), ["margin_p10"], False, Console(), trust=False) >= 1
    CohortFiles(results, learner.cohort_id).remove_parameters()
    run_again(tmp_path, only_teachers)
    assert not teacher.parameter_files()


def test_a_command_that_planned_before_another_one_worked_is_refused(tmp_path, monkeypatch):
    def another_one(data_sets, console):
        in_process.train_sweep(spec_of(), str(tmp_path))

    monkeypatch.setattr(sweep.dataset_broadcast, "fetch_missing", another_one)
    with pytest.raises(BadInput, match="another command has worked in it meanwhile"):
        run_again(tmp_path, spec_of())


def test_networks_are_kept_while_a_measure_of_them_has_an_error(tmp_path, monkeypatch):
    def failing(network):
        raise RuntimeError("no luck")

    failing.__name__ = "fragile"
    monkeypatch.setitem(MEASURES, "fragile", Measure(failing, 1, "none", "nowhere"))
    results = Folder(tmp_path)
    in_process.train_sweep(spec_of(measures=["fragile"]), str(tmp_path))
    jobs = missing_jobs(ExistingMeasures(results), cohort_ids(results), ["fragile"], False)
    assert [measure_file(results, job) for job in jobs] == [(2, 2), (2, 2)]
    answers = [MeasuredFile(2, 2), MeasuredFile(2, 0)]
    monkeypatch.setattr(MeasurePool, "_start_actor", lambda pool: Mock())
    monkeypatch.setattr(measure_pool.ray, "wait", lambda running, **_: (running[:1], running[1:]))
    monkeypatch.setattr(measure_pool.ray, "get", lambda reference: answers.pop(0))
    pool = MeasurePool(Placement(1, (None,)))
    for job in jobs:
        pool.submit(ExistingMeasures(results), job)
    while pool.busy:
        pool.poll()
    assert [pool.measured_files(job.cohort_id) for job in jobs] == [None, [jobs[1].output]]


def test_a_network_is_kept_until_it_is_measured_and_those_that_start_from_it_are_too(tmp_path):
    results = Folder(tmp_path)
    todo, _ = prepare_anew(results, spec_of())
    dense, pruned = [cohort.cohort_id for cohort in todo]
    measured = set[str]()
    removal = ParameterRemoval(ExistingMeasures(results), todo, [], lambda name: [] if name in measured else None)
    for cohort_id in (dense, pruned):
        assert start_training(results, cohort_id, save_every_seconds=1e9).advance(1e9).done
        removal.on_done(cohort_id)
        measured.add(dense)
        removal.remove()
        assert CohortFiles(results, dense).final_files()
    assert CohortFiles(results, pruned).parameter_files()
    measured.add(pruned)  # which may take the networks that its runs learn from
    removal.remove()
    assert not CohortFiles(results, dense).parameter_files() and not CohortFiles(results, pruned).parameter_files()


def test_a_removal_that_was_killed_is_completed(tmp_path, monkeypatch):
    in_process.train_sweep(spec_of(), str(tmp_path))
    results = Folder(tmp_path)
    files = CohortFiles(results, cohort_ids(results)[0])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Folder, "delete", interrupt)
        files.remove_parameters()
    check_files(results)
    run_again(tmp_path, spec_of(keep_parameters=False))
    assert not files.parameter_files()


def interrupt(*_) -> None:
    raise KeyboardInterrupt


def test_the_plan_says_what_is_left_on_the_disk():
    kept = estimate_sweep(expand(spec_of()))
    removed = estimate_sweep(expand(spec_of(keep_parameters=False)))
    assert removed.disk_bytes == kept.disk_bytes == kept.kept_bytes
    assert removed.kept_bytes == kept.disk_bytes - sum(group.parameter_bytes for group in kept.groups)
