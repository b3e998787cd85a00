"""Difficulty of examples: how often networks that differ in their seeds alone are wrong on each.

Source: Arpit et al. 2017, "A closer look at memorization in deep networks", section 3.1: after one epoch, on real data
some examples are wrong in nearly every run and many in none; on noise all are wrong about equally often.
"""

import numpy as np
from scipy import stats
from torch import Tensor


def misclassification_rates(right: Tensor) -> np.ndarray:
    """Return the fraction `(N,)` of runs that are wrong on each example.

    Args:
        right: `(R, N)` booleans, as `Answers.right`.
    """
    return 1 - right.double().mean(0).numpy()


def difficulty_spread(right: Tensor) -> float:
    """Compare the variance of the misclassification rates with that of equally difficult examples.

    If the mistakes of each run fell on its examples at random, the rate of an example would be the mean of R
    independent coins, run r's with the error p_r of that run, so the variance over examples
    `sum_r p_r (1 - p_r) / R^2`; with one error for all runs this is the binomial of the source.

    Args:
        right: `(R, N)` booleans.

    Returns:
        the variance of the rates over that: 1 if examples are equally difficult; NaN if runs are always right.

    >>> import torch
    >>> hard_and_easy = torch.tensor([[True, True, False, False]] * 10)
    >>> difficulty_spread(hard_and_easy)
    10.0
    """
    rates = misclassification_rates(right)
    errors = 1 - right.double().mean(1).numpy()
    chance = float((errors * (1 - errors)).sum()) / len(errors) ** 2
    return float(np.var(rates)) / chance if chance > 0 else np.nan


def equal_difficulty(runs: int, error: float) -> np.ndarray:
    """Return the probabilities `(runs + 1,)` that 0, 1, ..., `runs` runs of this error are wrong on an example."""
    return np.asarray(stats.binom.pmf(np.arange(runs + 1), runs, error))
