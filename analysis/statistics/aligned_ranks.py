"""Aligned ranks: deviations from the configuration's mean in units of its spread, ranked over all runs.

Simulated with 48 configurations of 5 runs and a correlation of 0.2 inside them, p <= 0.01 was reached in this share of
tables by (a) ranks inside each configuration, (b) aligned ranks, (c) aligned ranks in units of the moderated spread:
33%, 55%, 55% where all configurations scatter alike; 31%, 24%, 39% where their spreads differ by factors of e; and
33%, 21%, 36% where predictor and outcome are exponentials of such numbers. `benchmarks/calibration.py --scores` repeats
it.
"""

from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, zeta
from scipy.stats import rankdata

from benevolent.analysis.statistics.axis_values import RELATIVE_TIE

ROUNDED_DECIMALS = 12  # of deviations, in units of the largest
LARGEST_LOG = 600.0  # of a ratio of variances
LARGEST_PRIOR = 1e6  # degrees of freedom of the prior if all cells scatter alike


def aligned_ranks(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return aligned ranks (Hodges and Lehmann 1962, "Rank methods for combination of independent experiments").

    The mean of its cell is taken off every value, the rest is divided by the cell's spread (see `moderated_spread`)
    and ranked over all values, and the mean rank of its cell is taken off, so that the scores of every cell sum to 0.
    An infinite value counts as one that lies as far beyond the largest finite one as that lies from the smallest.

    Args:
        values: (n,) numbers, those of one cell adjacent.
        sizes: (cells,) number of values of each cell.

    Returns:
        (n,) scores; 0 in cells whose values all agree up to rounding.

    >>> aligned_ranks(np.array([1.0, 2.0, 3.0, 7.0, 8.0, 9.0]), np.array([3, 3])).tolist()
    [-2.0, 0.0, 2.0, -2.0, 0.0, 2.0]
    """
    if not len(values):
        return np.zeros(0)
    starts = np.cumsum(sizes) - sizes
    finite = _finite(values)
    deviations = finite - _repeated_means(finite, starts, sizes)
    low = np.minimum.reduceat(finite, starts)
    high = np.maximum.reduceat(finite, starts)
    magnitude = np.maximum(np.abs(low), np.abs(high))
    varies = high - low > RELATIVE_TIE * magnitude
    spread = np.ones(len(sizes))
    spread[varies] = moderated_spread(_log_variances(deviations, starts, sizes)[varies], sizes[varies] - 1)
    scaled = deviations / np.repeat(spread, sizes)
    constant = np.repeat(~varies, sizes)
    scaled[constant] = 0
    ranks = rankdata(_without_rounding(scaled))
    scores = ranks - _repeated_means(ranks, starts, sizes)
    scores[constant] = 0
    return scores


def moderated_spread(log_variances: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Estimate the standard deviation of every cell, with what the other cells tell about it.

    Source: Smyth 2004, "Linear models and empirical Bayes methods". Variances of cells are drawn around s0^2 with d0
    degrees of freedom, both fitted to the mean and variance of their logarithms; the estimate for a cell of d degrees
    is ``(d0 s0^2 + d s^2) / (d0 + d)``. If all cells scatter alike it is s0, if not it is closer to the cell's own.

    Args:
        log_variances: (cells,) logarithms of the cells' own variances s^2.
        freedom: (cells,) their degrees of freedom d.

    Returns:
        (cells,) standard deviations.

    >>> moderated_spread(np.log([4.0, 4.0]), np.array([4, 4])).round(6).tolist()
    [2.0, 2.0]
    """
    if not len(log_variances):
        return np.zeros(0)
    unbiased = log_variances + _log_bias(freedom)
    excess = 0.0
    if len(unbiased) > 1:
        excess = float(np.var(unbiased, ddof=1) - _trigamma(freedom / 2).mean())
    prior_freedom = _inverse_trigamma(excess)
    log_prior = unbiased.mean() - _log_bias(prior_freedom)
    if prior_freedom >= LARGEST_PRIOR:
        largest = log_variances.max()
        pooled = (freedom * np.exp(log_variances - largest)).sum() / freedom.sum()
        log_prior = largest + np.log(pooled)
    ratio = np.exp(np.clip(log_prior - log_variances, -LARGEST_LOG, LARGEST_LOG))
    moderation = (prior_freedom * ratio + freedom) / (prior_freedom + freedom)
    return np.exp(log_variances / 2) * np.sqrt(moderation)


def _log_variances(deviations: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(n,) deviations from their cell's mean -> (cells,) logarithms of variances; no square overflows."""
    largest = np.maximum.reduceat(np.abs(deviations), starts)
    largest = np.where(largest > 0, largest, 1)
    squares = np.add.reduceat((deviations / np.repeat(largest, sizes)) ** 2, starts)
    with np.errstate(divide="ignore"):
        return 2 * np.log(largest) + np.log(squares / np.maximum(sizes - 1, 1))


def _log_bias(freedom: Any) -> Any:
    """Return how far the mean logarithm of a variance with these degrees of freedom lies below that of the truth."""
    return np.log(freedom / 2) - digamma(freedom / 2)


def _trigamma(x: Any) -> Any:
    """Return the second derivative of the logarithm of the gamma function, Hurwitz's zeta function at 2.

    `scipy.special.polygamma` returns the same numbers, and takes ten times as long for a single one.
    """
    return zeta(2.0, x)


def _inverse_trigamma(excess: float) -> float:
    """Return the degrees of freedom d0 with trigamma(d0 / 2) equal to an excess variance; very many if it is 0."""
    if excess <= _trigamma(LARGEST_PRIOR / 2):
        return LARGEST_PRIOR
    smallest = 1e-3
    if excess >= _trigamma(smallest / 2):
        return smallest
    return float(brentq(lambda d0: _trigamma(d0 / 2) - excess, smallest, LARGEST_PRIOR))


def _finite(values: np.ndarray) -> np.ndarray:
    """Return the values with infinities replaced by numbers beyond all others."""
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    finite = values[~infinite]
    low = finite.min(initial=0)
    high = finite.max(initial=0)
    margin = max(high - low, 1.0)
    return np.clip(values, low - margin, high + margin)


def _without_rounding(deviations: np.ndarray) -> np.ndarray:
    """Return deviations in units of the largest, rounded, so that equal ones are tied whatever their mean was."""
    largest = np.abs(deviations).max()
    return np.round(deviations / (largest or 1), ROUNDED_DECIMALS)


def _repeated_means(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(n,) mean of each value's cell."""
    means = np.add.reduceat(values, starts) / sizes
    return np.repeat(means, sizes)
