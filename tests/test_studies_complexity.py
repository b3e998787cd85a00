"""What the studies of functions of increasing complexity compute, against plain computations."""

import numpy as np
import pytest

from analysis.studies import overfit_harmless
from trainables.data.synthetic import population_accuracy


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
