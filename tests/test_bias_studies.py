"""What the studies of the first layer's bias compute from recorded runs."""

import matplotlib.figure
import pytest
import torch
from conftest import Cohort

from benevolent.analysis import load_results
from benevolent.analysis.studies import bth_architecture
from benevolent.analysis.studies.shared import bias_path
from benevolent.trainables import data
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Record

RUN = {
    "data": {"name": "digits", "classes": "3|8", "train_size": 20, "validation_size": 0, "test_size": 30},
    "model": {"width": 8, "depth": 3, "first": "identity"},
    "init": {"scheme": "torch"},
    "loss": {"name": "logistic"},
    "optimizer": {"lr": 0.05, "batch_size": 1},
    "stop": {"train_loss": None, "max_epochs": 2},
}


@pytest.fixture
def results(cohort, tmp_path):
    record = Record(epochs=(0, 1), steps=(5, 6, 23, 24), checkpoints=True)
    cohort("c", [RUN | {"seed": seed} for seed in (0, 1)], record=record).train()
    return load_results(tmp_path)


def test_recorded_steps_have_the_slope_of_their_example(results):
    errors = bias_path.identity_errors(results)
    assert len(errors) == 4 and errors.max() < 1e-5


def test_slopes_of_the_probability_are_those_of_automatic_differentiation(results):
    slopes = bias_path.probability_slopes(results)
    assert slopes["epoch"].tolist() == [0, 1, 2] * 2
    for run_id, rows in slopes.groupby("run_id"):
        config = results.config(run_id)
        network = results.network(run_id, 20).double()
        dataset = data.load(config.data)
        total = 0.0
        for example in data.inputs_of(dataset, [config], "train").rows()[0].double():
            x = example.unsqueeze(0).requires_grad_()
            total += float(torch.autograd.grad(network(x).sigmoid().sum(), x)[0].norm()) / 20
        assert rows["value"].iloc[1] == pytest.approx(total)


def test_rising_is_a_ratio_of_means_and_counts_what_falls(results):
    table = (
        results.table()
        .loc[[0, 0, 0, 0, 0, 0]]
        .assign(
            **{"data.label_corruption": [0, 0, 0.2, 0.2, 0.4, 0.4], "seed": [0, 1] * 3, "test_loss": [1, 1, 4, 4, 3, 3]}
        )
    )
    twice = [bias_path.rises(table, "test_loss", "data.label_corruption", 2, falls) for falls in (None, 1, 0)]
    assert [one.decision for one in twice] == ["holds", "holds", "does not hold"]
    assert bias_path.rises(table, "test_loss", "data.label_corruption", 4).decision == "does not hold"
    assert twice[0].ours.startswith("ratio 3 [3, 3; 2 seeds]")


def test_curves_are_drawn_of_all_that_was_recorded(results):
    rows = bias_path.progress(results, "seed")
    assert {"train_loss", "test_loss", "bias_increment_mean"} <= set(rows["name"])
    assert isinstance(bias_path.curves(rows, "seed", ["train_loss", "bias_variance"]), matplotlib.figure.Figure)


def test_of_two_architectures_the_paths_of_the_last_quarter_are_compared(tmp_path):
    record, results = Record(epochs=(0, 3), steps=(5, 6), checkpoints=True), {}
    for name, width in (("narrow", 4), ("wide", 16)):
        run = RUN | {"model": {**RUN["model"], "width": width}, "stop": {"train_loss": None, "max_epochs": 4}}
        folder = Folder(tmp_path) / name
        Cohort(folder, "c", [run | {"seed": seed} for seed in (0, 1, 2)], record=record).train()
        results[name] = load_results(folder)
    answer = bth_architecture.answer(results)
    assert [one.decision for one in answer.findings[:2]] == ["holds"] * 2 and len(answer.numbers) == 6
    assert answer.numbers[["logit_path", "probability_path"]].notna().all(axis=None)
    assert all(one.svg for one in answer.plates)
