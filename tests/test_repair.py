"""Damaged and missing files of a results folder: named in a line, and made again, with equal tables."""

import io
import shutil
from pathlib import Path

import in_process
import pandas as pd
import pytest
from disturbed_sweep import DAMAGES, check_whole, tables
from rich.console import Console
from typer.testing import CliRunner

from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.repair import discard_damaged
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import train_sweep
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import check_files

SWEEP = {
    "name": "damaged",
    "base": {
        "data": {"train_size": 100, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 4},
    },
    "grid": {"prune.fraction": [0, 0.5]},
    "record": {"measures": ["parameter_norm"], "measure_at": "checkpoints"},
}
#: Files, and what is said about them. Of a deleted part of `runs` or file of measures nobody knows.
FILES = {
    "cohorts/*/checkpoints/*": "trained again",
    "cohorts/*/final/*": "trained again",
    "cohorts/*/dynamics/*": "trained again",
    "cohorts/*/outcomes/*": "trained again",
    "cohorts/*/runs/*": "trained again",
    "cohorts/*/manifest.json": "trained again",
    "cohorts/*/stacks.json": "trained again",
    "cohorts/*/attempts/*": "trained again",
    "measures/*": "measured again",
}
#: Every kind of damage to what is large, and a flipped bit in the rest.
CASES = [(pattern, "a bit flipped") for pattern in FILES]
CASES += [(pattern, damage) for pattern in [*FILES][:3] for damage in ("truncated", "deleted")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    train(out)
    return out


@pytest.fixture(scope="module")
def expected(whole):
    return tables(Folder(whole))


def train(out: Path) -> None:
    in_process.train_sweep(SweepSpec.parse(SWEEP), str(out))


def repair(out: Path, checkpoints: bool = True) -> str:
    """What is printed."""
    console = Console(file=io.StringIO(), width=300)
    discard_damaged(Folder(out), checkpoints, console)
    return console.file.getvalue()


@pytest.mark.parametrize(("pattern", "damage"), CASES)
def test_a_damaged_file_is_named_and_made_again(whole, expected, tmp_path, pattern, damage):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    victim = sorted(out.glob(pattern))[0]
    DAMAGES[damage](victim)
    if damage != "deleted":
        with pytest.raises(BadInput, match=f"{victim}: damaged"):
            check_files(Folder(out))
    printed = repair(out)
    assert printed.count("\n") <= 1
    if damage != "deleted":
        assert printed.startswith(f"{victim}: damaged") and FILES[pattern] in printed
    train(out)
    check_whole(Folder(out), expected)
    assert repair(out) == ""


def test_nothing_is_said_and_changed_where_nothing_is_damaged(whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert repair(whole) == ""
    assert before == {path: path.stat().st_mtime_ns for path in whole.rglob("*")}


def test_a_deleted_checkpoint_is_made_again_only_if_it_was_not_measured(whole, expected, tmp_path):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    checkpoint = sorted(out.glob("cohorts/*/checkpoints/train-00000004*"))[0]
    checkpoint.unlink()
    assert repair(out) == ""
    measures = sorted(out.glob(f"measures/{checkpoint.parents[1].name}-train-00000004-*"))
    measures[0].unlink()
    assert repair(out, checkpoints=False) == ""
    assert repair(out).startswith(f"{checkpoint}: missing, and it was not measured yet; the runs of cohort")
    train(out)
    check_whole(Folder(out), expected)


def test_the_provenance_cannot_be_made_again(whole, tmp_path):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    (out / "provenance.json").write_bytes(b"{")
    with pytest.raises(BadInput, match=f"{out}/provenance.json: damaged"):
        repair(out)


def test_a_forest_whose_row_was_deleted_is_grown_again(tmp_path):
    forest = {"family": "random_forest", "trees": 1, "leaves": 5}
    base = {"data": SWEEP["base"]["data"], "model": forest, "loss": {"name": "squared"}}
    spec = SweepSpec.parse({"name": "forests", "base": base, "seeds": 3, "record": {"measures": []}})
    out = tmp_path / "out"
    in_process.train_sweep(spec, str(out))
    grown = tables(Folder(out))
    sorted(out.glob("cohorts/*/runs/*"))[1].unlink()
    assert repair(out) == ""
    in_process.train_sweep(spec, str(out))
    check_whole(Folder(out), grown)


OTHER = SWEEP | {"grid": {"prune.fraction": [0, 0.4]}}
FEWER = SWEEP | {"grid": {"prune.fraction": [0]}, "seeds": 2}


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> Path:
    """Of a sweep that was run with one configuration, then with others: the second plan lacks runs of the first."""
    out = tmp_path_factory.mktemp("grown") / "out"
    in_process.train_sweep(SweepSpec.parse(FEWER), str(out))
    train(out)
    return out


def run_again(out: Path, sweep: dict[str, object]) -> str:
    """What the command prints where there is nothing to train, without verdicts."""
    console = Console(file=io.StringIO(), width=300)
    train_sweep(SweepSpec.parse(sweep), str(out), console)
    return console.file.getvalue()


@pytest.mark.parametrize("damage", ["truncated", "a bit flipped"])
@pytest.mark.parametrize("victim", ["plan/runs-00001.parquet", "plan/cohorts-00001.parquet", "sweep.yaml"])
def test_a_damaged_plan_or_spec_is_made_again_from_the_spec(whole, expected, tmp_path, victim, damage):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    before = (out / victim).read_bytes()
    DAMAGES[damage](out / victim)
    shown = CliRunner().invoke(app, ["status", str(out)])
    assert f"{out}/{victim}: damaged" in str(shown.exception)
    assert f"{out}/{victim}: damaged" in run_again(out, SWEEP)
    assert (out / victim).read_bytes() == before
    check_whole(Folder(out), expected)
    assert "damaged" not in run_again(out, SWEEP)


def test_a_spec_whose_damage_is_a_valid_spec_is_found(whole, tmp_path):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    spec = out / "sweep.yaml"
    spec.write_text(spec.read_text().replace("width: 8", "width: 9"))
    assert f"{spec}: damaged or not a sweep (its checksum is wrong)" in run_again(out, SWEEP)


@pytest.mark.parametrize("victim", ["plan/runs-00001.parquet", "sweep.yaml"])
def test_what_the_spec_does_not_describe_is_not_made_again_from_it(whole, tmp_path, victim):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    (out / victim).write_bytes(b"base: {")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(
        BadInput, match=rf"{victim}: damaged.*(run once with a spec|made again by a spec) that asks for"
    ):
        run_again(out, OTHER)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_a_plan_of_runs_that_are_no_longer_asked_for_is_made_again_by_their_spec(grown, tmp_path):
    out = Path(shutil.copytree(grown, tmp_path / "out"))
    before = tables(Folder(out))
    (out / "plan/runs-00001.parquet").write_bytes(b"")
    with pytest.raises(BadInput, match="such as .*run once with a spec that asks for them"):
        run_again(out, SWEEP)
    run_again(out, FEWER)
    run_again(out, SWEEP)
    after = tables(Folder(out))
    for name, frame in before.items():
        pd.testing.assert_frame_equal(in_one_order(frame), in_one_order(after[name]), check_exact=True, obj=name)


def in_one_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows and columns in an order that does not depend on which plan is the last."""
    keys = [key for key in ("run_id", "phase", "step", "split", "name") if key in frame]
    return frame[sorted(frame)].sort_values(keys, ignore_index=True)


def test_a_file_of_another_tool_is_never_taken_for_a_damaged_spec(tmp_path):
    (tmp_path / "sweep.yaml").write_text("method: bayes\n")
    with pytest.raises(BadInput, match="damaged or not a sweep"):
        run_again(tmp_path, SWEEP)
    assert (tmp_path / "sweep.yaml").read_text() == "method: bayes\n"
