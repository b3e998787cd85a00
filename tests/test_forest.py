"""Random forests: scikit-learn's predictions without scikit-learn, the tables of every run, and double descent."""

import itertools
import os

import numpy as np
import pytest
import torch
from in_process import train_sweep
from sklearn.ensemble import RandomForestRegressor
from test_training import SMALL, dies_at_write
from typer.testing import CliRunner

from benevolent.analysis import load_results
from benevolent.orchestrator import sweep
from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.forest import grow
from benevolent.trainables.models.random_forest import random_forest
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder

MODEL = {"family": "random_forest", "trees": 4, "leaves": 20}


def run(seed: int = 0, **sections) -> dict:
    base = {"data": SMALL, "model": MODEL, "loss": {"name": "squared"}, "precision": "float64"}
    return base | {"stop": {"train_loss": None}, "seed": seed} | sections


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
@pytest.mark.parametrize("options", [{}, {"bootstrap": True}, {"max_features": 0.5}])
def test_a_forest_is_scikit_learns(outputs, scale, options):
    draw = np.random.default_rng(0)
    inputs, goals = (scale * draw.standard_normal((300, 7))).astype(np.float32), draw.standard_normal((300, outputs))
    inputs[:, :3] = np.round(inputs[:, :3] / scale) * scale  # many equal numbers, and thresholds near to them
    forest = random_forest((7,), outputs, trees=5, leaves=60).double()
    settings = {"max_features": "sqrt", "bootstrap": False} | options
    grow(forest, torch.from_numpy(inputs), torch.from_numpy(goals), **settings, seed=3)
    truth = RandomForestRegressor(5, max_leaf_nodes=60, random_state=3, **settings)
    truth.fit(inputs, goals[:, 0] if outputs == 1 else goals)
    asked = np.concatenate([inputs, (scale * draw.standard_normal((500, 7))).astype(np.float32)])
    expected = truth.predict(asked).reshape(len(asked), outputs)
    np.testing.assert_array_equal(forest(torch.from_numpy(asked)).numpy(), expected)
    np.testing.assert_array_equal(forest(torch.from_numpy(asked).double()).numpy(), expected)
    assert not list(forest.parameters())


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("sections", [{}, {"data": SMALL | {"classes": "odd_even", "label_corruption": 0.3}}])
def test_the_tables_say_what_the_forest_does_and_it_can_be_read_back(cohort, tmp_path, sections, precision):
    trained = cohort("c", [run(seed, precision=precision, **sections) for seed in range(2)]).train()
    results = load_results(tmp_path)
    assert results.dynamics.empty and len(results.table()) == 2
    for config in trained.configs:
        row = results.runs.set_index("run_id").loc[config.run_id]
        assert tuple(row[["status", "phase", "step", "epoch"]]) == ("converged", "train", 1, 1) and row.seconds > 0
        dataset = data.load(config.data, precision)
        outputs = 1 if dataset.classes == 2 else 10
        module = random_forest(dataset.input_shape, outputs, trees=4, leaves=20).to(getattr(torch, precision))
        module.load_state_dict(trained.final()[config.run_id])
        labels = {name: split.labels for name, split in dataset.splits.items()}
        labels["train"] = data.train_labels(dataset, config.phases[0], config.seed)
        for name, split in dataset.splits.items():
            predicted, own = module(split.inputs), labels[name]
            goals = 2.0 * own[:, None] - 1 if outputs == 1 else torch.nn.functional.one_hot(own, 10)
            assert row[f"{name}_loss"] == pytest.approx(((predicted - goals) ** 2).sum(1).mean().item() / 2, rel=1e-5)
            found = (predicted[:, 0] > 0).long() if outputs == 1 else predicted.argmax(1)
            assert row[f"{name}_error"] == pytest.approx((found != own).double().mean().item())
        if outputs == 10:
            read = results.network(config.run_id)
            assert not read.training and torch.equal(read(dataset.test.inputs), module(dataset.test.inputs))
    one, other = trained.final().values()
    assert not torch.equal(one["threshold"], other["threshold"])


def test_a_forest_has_converged_whatever_its_loss(cohort):
    stops = [{"train_loss": 9.0}, {"train_loss": 0.0}]
    trained = cohort("c", [run(stop=stop) for stop in stops]).train()
    runs = trained.table("runs").set_index("run_id").loc[trained.run_ids]
    assert runs.status.tolist() == ["converged", "converged"]


def test_trees_are_added_to_those_that_were_there(cohort):
    few, more = (cohort(f"c{n}", [run(model=MODEL | {"trees": n})]).train() for n in (2, 4))
    (two,), (four,) = few.final().values(), more.final().values()
    assert all(torch.equal(value, four[name][:2]) for name, value in two.items())


def test_killed_at_any_write_it_ends_as_if_it_had_not_been(cohort, monkeypatch):
    whole = cohort("whole", [run(seed) for seed in range(3)]).train()
    for at in itertools.count():
        broken = cohort(f"broken{at}", [run(seed) for seed in range(3)])
        died = dies_at_write(broken, monkeypatch, at, save_every_seconds=0)
        assert broken.start().advance(1e9).done
        for kind in ("runs", "outcomes"):
            assert whole.table(kind).equals(broken.table(kind))
        for kind in ("final", "runs", "outcomes"):
            assert [paths.part_number(name) for name in broken.files.names(kind)] == [0, 1, 2]
        if not died:
            break
    assert at == 9
    assert whole.start().advance(1e9).runs_done == 3


def test_error_falls_again_when_trees_are_added_to_one_that_interpolates(cohort):
    # Belkin et al. 2018, figure 4.
    name = {"name": "mnist"} if "BENEVOLENT_DATA" in os.environ else {}
    sizes = {"train_size": 500, "validation_size": 0, "test_size": 500}
    loss = {}
    for trees, leaves in ((1, 10), (1, 40), (1, 500), (20, 500)):
        model = MODEL | {"trees": trees, "leaves": leaves}
        trained = cohort(f"c{trees}-{leaves}", [run(seed, model=model, data=name | sizes) for seed in range(2)]).train()
        loss[trees, leaves] = np.mean([trained.value(run_id, "loss", "test") for run_id in trained.run_ids])
        if leaves == 500:
            assert trained.value(trained.run_ids[0], "loss", "train") < 1e-9
    assert loss[1, 500] > min(loss[1, 10], loss[1, 40]) > loss[20, 500]


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"loss": {"name": "cross_entropy"}}, "loss.name = 'cross_entropy': model.family = 'random_forest' minimizes"),
        ({"prune": {"fraction": 0.5}}, "prune.fraction = 0.5: does not go with model.family = 'random_forest'"),
        ({"pretrain": {"epochs": 2}}, "pretrain.epochs = 2: does not go with"),
        ({"reset": {"layers": [1]}}, r"reset.layers = \[1\]: does not go with"),
        ({"subspace": {"dimension": 5}}, "subspace.dimension = 5: does not go with"),
        ({"init": {"scale": 2.0}}, "init.scale = 2.0: does not go with"),
        ({"optimizer": {"lr": 0.1}}, "optimizer.lr = 0.1: does not go with"),
        ({"optimizer": {"name": "adam"}}, "optimizer.name = 'adam': does not go with"),
        ({"stop": {"snapshot_loss": 0.1}}, "stop.snapshot_loss = 0.1: does not go with"),
        ({"model": MODEL | {"width": 3}}, "base.model.width: unknown key"),
        ({"model": MODEL | {"leaves": 1}}, "base.model.leaves = 1: expected a number >= 2"),
    ],
)
def test_what_does_not_go_with_a_forest_is_refused_before_anything_starts(sections, line):
    base = {name: value for name, value in run(**sections).items() if name != "seed"}
    with pytest.raises(BadInput, match=line) as error:
        expand(SweepSpec.parse({"name": "s", "base": base})).new_manifests()
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # of verdicts on so few runs
def test_a_sweep_of_forests_is_priced_run_and_reported(tmp_path, monkeypatch):
    base = {name: value for name, value in run(stop={}).items() if name != "seed"}
    zipped = [{"model.trees": [1, 1, 3], "model.leaves": [5, 20, 20]}]
    record = {"measures": []}  # there are none of forests
    values = {"name": "forests", "base": base, "zip": zipped, "seeds": 2, "record": record}
    spec = SweepSpec.parse(values)
    summary = estimate_sweep(expand(spec), timed=True)
    assert summary.runs == 6 and summary.seconds > 0
    Folder(tmp_path).write_json("forests.yaml", values)
    monkeypatch.setattr(sweep, "train_sweep", train_sweep)  # Ray trains a forest in test_run
    command = ["run", str(tmp_path / "forests.yaml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0 and "failed" not in done.output, done.output
    assert load_results(tmp_path / "out").runs.status.eq("converged").sum() == 6
