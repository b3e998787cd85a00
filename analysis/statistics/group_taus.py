"""Kendall's tau of many groups of equal size at once."""

import numpy as np

from benevolent.analysis.statistics.correlation import kendall_tau

LARGE_GROUP = 256  # elements of a group whose pairs are no longer compared one by one
CHUNK_ELEMENTS = 4_000_000  # pairs held in memory at a time


def taus_of_groups(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(groups, k) values -> (groups,) tau-b of each group; 0 if x or y is constant in it, since that orders nothing.

    All pairs of small groups are compared at once. Large groups take k log k steps each.

    >>> taus_of_groups(np.array([[1, 2, 3], [1, 1, 1]]), np.array([[1, 3, 2], [1, 2, 3]])).round(3).tolist()
    [0.333, 0.0]
    """
    size = x.shape[1]
    taus = [np.zeros(0)]
    if size > LARGE_GROUP:
        each = np.array([kendall_tau(*group) for group in zip(x, y, strict=True)])
        return np.nan_to_num(each)
    groups_at_once = max(1, CHUNK_ELEMENTS // size**2)
    for start in range(0, len(x), groups_at_once):
        some_groups = slice(start, start + groups_at_once)
        taus.append(_taus_of_all_pairs(x[some_groups], y[some_groups]))
    return np.concatenate(taus)


def _taus_of_all_pairs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(groups,) tau-b of each group."""
    dx = _pairwise_signs(x)
    dy = _pairwise_signs(y)
    concordance = (dx * dy).sum((1, 2))
    untied_x = np.abs(dx).sum((1, 2))
    untied_y = np.abs(dy).sum((1, 2))
    scale = np.sqrt(untied_x * untied_y)
    return np.asarray(concordance / np.where(scale == 0, 1, scale))


def _pairwise_signs(values: np.ndarray) -> np.ndarray:
    """(groups, k) values -> (groups, k, k) signs of the differences inside each group."""
    differences = values[:, :, None] - values[:, None, :]
    return np.sign(differences)
