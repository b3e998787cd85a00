"""Difficulty of examples, and the tables of networks trained on noise, against values worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from benevolent.analysis.multi_run import difficulty_spread, equal_difficulty, misclassification_rates
from benevolent.analysis.statistics.bootstrap import bootstrap, bootstrap_mean
from benevolent.analysis.statistics.gini import gini
from benevolent.analysis.studies.shared.memorization_regularizers import memorized_at_no_cost
from benevolent.analysis.studies.shared.memorization_tables import epoch_of_fit, growth


def test_the_spread_of_difficulties_equals_a_value_worked_out_by_hand():
    """Rates 0, 1/2, 1, 1/2 have the variance 1/8; chance (1/4 + 1/4) / 4 = 1/8 for two runs that err on half."""
    right = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 1]]).bool()
    assert misclassification_rates(right).tolist() == [0, 0.5, 1, 0.5]
    assert difficulty_spread(right) == pytest.approx(1)
    assert difficulty_spread(right[:, [0, 0, 2, 2]]) == pytest.approx(2)
    assert np.isnan(difficulty_spread(torch.ones(3, 4).bool()))


def test_equally_difficult_examples_have_the_spread_one_whatever_the_errors_of_runs():
    errors = torch.linspace(0.05, 0.9, 30)[:, None]
    right = torch.rand(30, 20_000, generator=torch.Generator().manual_seed(0)) >= errors
    assert difficulty_spread(right) == pytest.approx(1, abs=0.05)
    counts = np.bincount((~right[:1]).sum(0).numpy(), minlength=2) / 20_000
    assert counts == pytest.approx(equal_difficulty(1, 0.05), abs=0.01)


def test_gini_equals_its_definition():
    values = np.array([3.0, 0.0, 1.0, 2.0, 7.0])
    double_sum = np.abs(values[:, None] - values[None]).sum() / (2 * len(values) * values.sum())
    assert gini(values) == pytest.approx(double_sum) and gini(np.zeros(3)) == 0


def test_the_bootstrap_of_a_mean_equals_that_of_a_function():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"test": rng.integers(0, 12, 60), "value": rng.normal(size=60)})
    expected = bootstrap(table, lambda rows: rows["value"].mean(), ["test"], resamples=200)
    assert bootstrap_mean(table, "value", "test", resamples=200) == pytest.approx(expected)


def test_times_grow_from_the_smallest_to_the_largest_value_of_an_axis():
    columns = {"kind": "real", "seed": [0, 0, 0, 1, 1, 1], "n": [10, 20, 40] * 2, "epochs": [2, 9, 8, 1, 5, 3]}
    assert growth(pd.DataFrame(columns), "n", "real").tolist() == pytest.approx(np.log([4, 3]))
    history = pd.DataFrame({"epoch": [1, 2, 4], "train_accuracy": [0.5, 0.9, 0.7]})
    assert (epoch_of_fit(history, 0.8), epoch_of_fit(history, 0.95)) == (2, np.inf)


def test_a_regularizer_that_costs_too_much_does_not_count():
    rows = {"strength": [0.0, 0.5, 0.9], "memorized": [1.0, 0.6, 0.1], "validation": [0.9, 0.895, 0.5]}
    table = pd.DataFrame(rows)[::-1]  # in any order
    assert memorized_at_no_cost(table, 0.01) == pytest.approx(0.6 - 0.5 * 0.005 / 0.395)
    assert memorized_at_no_cost(table, 0.001) == pytest.approx(1 - 0.4 * 0.001 / 0.005)
    assert memorized_at_no_cost(table, 1.0) == 0.1
    again = pd.DataFrame({"strength": [0.0, 0.1, 0.2], "memorized": [1.0, 0.8, 0.5], "validation": [0.9, 0.8, 0.95]})
    assert memorized_at_no_cost(again, 0.0) == 0.5
