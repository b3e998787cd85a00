"""Gini coefficient: how unequally a quantity is divided."""

import numpy as np
from numpy.typing import ArrayLike


def gini(values: ArrayLike) -> float:
    """Return `sum_ij |x_i - x_j| / (2 N sum_i x_i)` of N values >= 0: 0 if all are equal, near 1 if one has all.

    >>> gini([1, 1, 1]), gini([0, 0, 0, 1])
    (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    total = ordered.sum()
    if not total:
        return 0.0
    ranks = np.arange(1, count + 1)
    return float(2 * (ranks @ ordered) / (count * total) - (count + 1) / count)
