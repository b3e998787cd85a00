"""What the studies of functions of increasing complexity compute, against plain computations."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from benevolent.analysis.studies import decision_boundary, linear_first, overfit_harmless
from benevolent.analysis.studies.shared import explained_information
from benevolent.trainables.data.synthetic import population_accuracy


@pytest.mark.parametrize("first", [0.0, 1.0, -100.0])
def test_descent_on_a_sparse_linear_problem_ends_where_its_limit_is(first):
    signs, inputs = np.tile([1.0, -1.0], 4), np.zeros((8, 2000))
    inputs[:, 0] = signs * np.repeat([1, -1], [6, 2])  # two are noisy
    inputs[np.arange(8), np.arange(1, 9)] = 1
    weights = np.zeros(2000)
    weights[0] = first
    for _ in range(2000):
        weights -= 0.1 * inputs.T @ (inputs @ weights - signs)
    assert weights[0] == pytest.approx((first + 8 * (1 - 2 * 0.25)) / 9)
    found = population_accuracy(weights[0], weights[1:], 0.25)
    assert found == pytest.approx(overfit_harmless.limit_accuracy(first, 0, 0.25, 8), abs=0.005)


def test_a_classifier_explains_what_conditioning_on_it_takes_away():
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 5000)
    by = np.where(draw.random(5000) < 0.8, y, 1 - y)
    f = np.where(draw.random(5000) < 0.7, by, y)
    row = explained_information.explained({7: torch.from_numpy(f)}, torch.from_numpy(y), torch.from_numpy(by)).loc[7]
    bits = [mutual_info_score(y, f) / np.log(2), mutual_info_score(y, by) / np.log(2)]
    given = sum((by == one).mean() * mutual_info_score(y[by == one], f[by == one]) for one in (0, 1)) / np.log(2)
    assert row["known"] == pytest.approx(bits[0], abs=1e-9)
    assert row["beyond"] == pytest.approx(given, abs=1e-9)
    assert row["explained"] == pytest.approx(bits[0] - given, abs=1e-9)
    assert row["missed"] == pytest.approx(bits[1] - row["explained"], abs=1e-9)
    guess = np.where(draw.random(5000) < 2 * 0.8 - 1, y, draw.integers(0, 2, 5000))  # the null model, drawn
    drawn = explained_information.explained({7: torch.from_numpy(f)}, torch.from_numpy(y), torch.from_numpy(guess)).loc[
        7
    ]
    assert row["null"] == pytest.approx(drawn["explained"], abs=0.03)


def test_the_linear_classifier_is_the_one_that_does_best_on_held_out_examples():
    draw = np.random.default_rng(0)
    inputs = torch.from_numpy(draw.standard_normal((400, 5)))
    labels = (inputs[:, 0] > 0).long()
    model = linear_first.fitted(inputs[:200], labels[:200], (inputs[200:], labels[200:]))
    assert model.score(inputs[200:].numpy(), labels[200:].numpy()) > 0.95


def test_the_grid_is_the_disk_and_the_curve_cuts_it_in_halves():
    grid = decision_boundary.points()
    assert (grid**2).sum(1).max() <= 1 and len(grid) / decision_boundary.SIDE**2 == pytest.approx(np.pi / 4, abs=0.02)
    assert decision_boundary.above(grid, 1.0).mean() == pytest.approx(0.5, abs=0.01)
