"""Computations of the studies of functions of increasing complexity, against plain ones."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from benevolent.analysis.studies.shared import boundary_history, linear_explanation, overfit_figures
from benevolent.analysis.studies.shared.explained_information import explained_by
from benevolent.trainables.data.synthetic import population_accuracy


@pytest.mark.parametrize("first", [0.0, 1.0, -100.0])
def test_descent_on_the_sparse_linear_problem_ends_at_its_limit(first):
    signs = np.tile([1.0, -1.0], 4)
    inputs = np.zeros((8, 2000))
    inputs[:, 0] = signs * np.repeat([1, -1], [6, 2])  # two are noisy
    inputs[np.arange(8), np.arange(1, 9)] = 1
    weights = np.zeros(2000)
    weights[0] = first
    for _ in range(2000):
        weights -= 0.1 * inputs.T @ (inputs @ weights - signs)
    assert weights[0] == pytest.approx((first + 8 * (1 - 2 * 0.25)) / 9)
    accuracy = population_accuracy(weights[0], weights[1:], 0.25)
    assert accuracy == pytest.approx(overfit_figures.limit_accuracy(first, 0, 0.25, 8), abs=0.005)


def test_explained_information_is_what_conditioning_on_the_classifier_removes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 5000)
    classifier = np.where(rng.random(5000) < 0.8, y, 1 - y)
    network = np.where(rng.random(5000) < 0.7, classifier, y)
    row = explained(network, y, classifier)
    known = mutual_info_score(y, network) / np.log(2)
    of_classifier = mutual_info_score(y, classifier) / np.log(2)
    beyond = 0.0
    for answer in (0, 1):
        rows = classifier == answer
        beyond += rows.mean() * mutual_info_score(y[rows], network[rows]) / np.log(2)
    assert row["known"] == pytest.approx(known, abs=1e-9)
    assert row["beyond"] == pytest.approx(beyond, abs=1e-9)
    assert row["explained"] == pytest.approx(known - beyond, abs=1e-9)
    assert row["missed"] == pytest.approx(of_classifier - row["explained"], abs=1e-9)
    drawn_null = np.where(rng.random(5000) < 2 * 0.8 - 1, y, rng.integers(0, 2, 5000))
    assert row["null"] == pytest.approx(explained(network, y, drawn_null)["explained"], abs=0.03)


def explained(network: np.ndarray, y: np.ndarray, classifier: np.ndarray):
    step = 7
    return explained_by({step: torch.from_numpy(network)}, torch.from_numpy(y), torch.from_numpy(classifier)).loc[step]


def test_the_linear_classifier_is_chosen_on_held_out_examples():
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.standard_normal((400, 5)))
    labels = (inputs[:, 0] > 0).long()
    model = linear_explanation.fit_linear(inputs[:200], labels[:200], (inputs[200:], labels[200:]))
    assert model.score(inputs[200:].numpy(), labels[200:].numpy()) > 0.95


def test_the_curve_cuts_the_grid_of_the_disk_in_halves():
    grid = boundary_history.disk_points()
    assert (grid**2).sum(1).max() <= 1
    assert len(grid) / boundary_history.SIDE**2 == pytest.approx(np.pi / 4, abs=0.02)
    assert boundary_history.is_above_curve(grid, 1.0).mean() == pytest.approx(0.5, abs=0.01)
