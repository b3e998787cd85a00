"""Exact errors of pattern detectors against all inputs of short length, and against samples of the task."""

import itertools

import pytest
import torch
from plain import gaussian

from benevolent.analysis.multi_run.pattern_detectors import (
    PATTERNS,
    SETS,
    clustered_share,
    exact_errors,
    explored,
    set_labels,
    set_probabilities,
)
from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.models.modules import PatternDetector


def detector(filters: torch.Tensor) -> PatternDetector:
    module = PatternDetector(len(filters) // 2).double()
    module.load_state_dict({"weight": filters})
    return module


@pytest.mark.parametrize("hard", [False, True])
def test_the_exact_error_is_that_of_all_inputs(hard):
    filters = gaussian(20, 6, 2)
    words = torch.tensor(list(itertools.product(range(4), repeat=4)))
    positives = (words < 2).sum(1)
    inputs = PATTERNS[words]
    asked = positives == 1 if hard else positives > 0
    found = exact_errors(filters, 4, hard)
    for network, error in zip(filters, found, strict=True):
        says_positive = detector(network)(inputs).squeeze(1) > 0
        missed = (~says_positive[asked]).double().mean()
        false = says_positive[positives == 0].double().mean()
        assert error.item() == pytest.approx((missed + false).item() / 2)


def test_the_exact_error_is_nearly_that_of_a_sample():
    sizes = {"train_size": 20_000, "validation_size": 0, "test_size": 20_000}
    config = DataConfig.parse({"name": "xord", "hard_test": True} | sizes)
    dataset = data.load(config, "float64")
    filters = gaussian(6, 2)
    for split, hard in ((dataset.train, False), (dataset.test, True)):
        wrong = (detector(filters)(split.inputs).squeeze(1) > 0) != split.labels.bool()
        assert wrong.double().mean().item() == pytest.approx(exact_errors(filters, 10, hard).item(), abs=0.015)


def test_sets_have_the_probabilities_of_the_task():
    assert set_probabilities(1)[SETS.sum(1) > 1].sum() == 0
    for hard in (False, True):
        probabilities = set_probabilities(5, hard)
        assert probabilities.sum().item() == pytest.approx(1)
        assert probabilities[set_labels() == 1].sum().item() == pytest.approx(0.5)


def test_what_filters_explore_and_cluster_around():
    filters = 3 * PATTERNS
    assert explored(filters).item() and clustered_share(filters).item() == 1
    assert not explored(filters[[0, 0, 2, 3]]).item()
    assert not explored(filters[[2, 3, 0, 1]]).item()  # those that should count for count against
    both = torch.stack([filters, filters[[0, 0, 2, 3]]])
    assert explored(both).tolist() == [True, False]
    random = gaussian(4000, 2)
    assert clustered_share(random).item() == pytest.approx(1 / 3, abs=0.03)
