"""Correlations: Kendall's tau, Pearson and Spearman.

Ranks depend on order only, so any monotone transformation of predictor or target changes nothing, and an infinite
value is simply the largest or the smallest. A missing value (NaN) leaves its run out.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata


def kendall_tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b: (concordant - discordant pairs) / sqrt(pairs untied in x * pairs untied in y).

    Args:
        x: (n,) numbers; elements with a NaN in x or y are left out.
        y: (n,) numbers.

    Returns:
        The correlation; NaN if fewer than two elements are left or x or y is constant.

    >>> round(kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]), 4)
    0.6667
    """
    x = np.asarray(x, dtype=float)
    y = np.asarray(y, dtype=float)
    present = ~(np.isnan(x) | np.isnan(y))
    if present.sum() < 2:
        return np.nan
    result = kendalltau(x[present], y[present])
    return float(result.statistic)


def finite_pairs(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """(m, 2) pairs of (n,) x and y in which both numbers are finite."""
    x = np.asarray(x, dtype=float)
    y = np.asarray(y, dtype=float)
    pairs = np.column_stack([x, y])
    finite = np.isfinite(pairs).all(axis=1)
    return pairs[finite]


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's correlation of the pairs in which both numbers are finite; NaN if either is constant.

    Args:
        x: (n,) numbers.
        y: (n,) numbers.

    >>> round(pearson([1, 2, 3], [2, 4, 7]), 4)
    0.9934
    """
    pairs = finite_pairs(x, y)
    if len(pairs) < 2:
        return np.nan
    ranges = np.ptp(pairs, axis=0)
    if (ranges == 0).any():
        return np.nan
    return float(np.corrcoef(pairs.T)[0, 1])


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of midranks.

    Args:
        x: (n,) numbers; an infinity is the largest or smallest, elements with a NaN in x or y are left out.
        y: (n,) numbers.

    >>> round(spearman([1, 2, 3, 4], [1, 3, 2, float("inf")]), 4)
    0.8
    """
    x = np.asarray(x, dtype=float)
    y = np.asarray(y, dtype=float)
    present = ~(np.isnan(x) | np.isnan(y))
    if not present.any():
        return np.nan
    return pearson(rankdata(x[present]), rankdata(y[present]))
