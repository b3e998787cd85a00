"""Computations of the studies of the first layer's bias, on recorded runs."""

import matplotlib.figure
import pytest
import torch

from benevolent.analysis import load_results
from benevolent.analysis.studies.shared import bias_path
from benevolent.analysis.studies.shared.bias_figures import draw_curves
from benevolent.analysis.studies.shared.findings import StudyClaim
from benevolent.trainables import data
from benevolent.trainables.config.record import RecordConfig

RUN = {
    "data": {"name": "digits", "classes": "3|8", "train_size": 20, "validation_size": 0, "test_size": 30},
    "model": {"width": 8, "depth": 3, "first": "identity"},
    "init": {"scheme": "torch"},
    "loss": {"name": "logistic"},
    "optimizer": {"lr": 0.05, "batch_size": 1},
    "stop": {"train_loss": None, "max_epochs": 2},
}
AXIS = "data.label_corruption"


@pytest.fixture
def results(cohort, tmp_path):
    record = RecordConfig(epochs=[0, 1], steps=[5, 6, 23, 24], measure_at="checkpoints")
    cohort("c", [RUN | {"seed": seed} for seed in (0, 1)], record=record).train()
    return load_results(tmp_path)


def test_recorded_increments_are_the_slopes_at_their_examples(results):
    errors = bias_path.identity_errors(results)
    assert len(errors) == 4
    assert errors.max() < 1e-5


def test_probability_slopes_are_those_of_automatic_differentiation(results):
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


@pytest.mark.parametrize(
    ("least_ratio", "max_decreases", "decision"),
    [(2, None, "holds"), (2, 1, "holds"), (2, 0, "does not hold"), (4, None, "does not hold")],
)
def test_an_increase_is_a_ratio_of_means_and_decreases_are_counted(results, least_ratio, max_decreases, decision):
    columns = {AXIS: [0, 0, 0.2, 0.2, 0.4, 0.4], "seed": [0, 1] * 3, "test_loss": [1, 1, 4, 4, 3, 3]}
    table = results.table().loc[[0] * 6].assign(**columns)
    finding = bias_path.increase_finding(StudyClaim("It rises"), table, "test_loss", AXIS, least_ratio, max_decreases)
    assert finding.decision == decision
    assert finding.evidence.startswith("ratio 3 [3, 3; 2 seeds]")


def test_curves_show_everything_recorded(results):
    rows = bias_path.recorded_progress(results, "seed")
    assert {"train_loss", "test_loss", "bias_increment_mean"} <= set(rows["name"])
    assert isinstance(draw_curves(rows, "seed", ["train_loss", "bias_variance"]), matplotlib.figure.Figure)
