"""Correlations: Kendall's tau with its interval, Pearson and Spearman.

Ranks depend on order only, so any monotone transformation of predictor or target changes nothing, and an infinite
value is simply the largest or the smallest. A missing value (NaN) leaves its run out.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.resampling import percentile_interval

CHUNK_ELEMENTS = 4_000_000  # pairs of runs held in memory at a time
PAIRED_LINEAGES = 1_000  # most lineages of which all pairs are held for an interval
PAIRED_RUNS = 5_000  # most runs of which all pairs are compared for an interval


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


def kendall_interval(
    runs: GroupedRuns,
    lineages: Lineages,
    x: np.ndarray,
    y: np.ndarray,
    counts: np.ndarray,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of tau-b when whole lineages are resampled.

    The sums of concordance over pairs of configurations are computed once. If configuration g is drawn w_g times, its
    runs form pairs with those of configuration h with weight ``w_g w_h``, and among themselves with weight w_g: two
    copies of one configuration are no pair, since a table of distinct configurations has no such pair either. So pairs
    inside configurations have, on average, the weight that they have in the table.

    With more than `PAIRED_RUNS` runs or `PAIRED_LINEAGES` lineages the weight of a pair is linearized,
    ``w_g w_h = w_g + w_h - 1``, which needs only each run's sum over its pairs.

    Args:
        runs: the configurations of the n runs.
        lineages: their lineages.
        x: (n,) predictor in the order of `runs`.
        y: (n,) target in the order of `runs`.
        counts: (resamples, L) draws of the lineages, from `bootstrap_counts`.
        confidence: coverage.

    Returns:
        (low, high); NaN without resamples.
    """
    x = rankdata(x)
    y = rankdata(y)
    is_large = len(x) > PAIRED_RUNS or len(lineages) > PAIRED_LINEAGES
    resampled = _linearized_taus if is_large else _pair_taus
    undrawn = np.ones((1, counts.shape[1]))
    taus = resampled(runs, lineages, x, y, np.concatenate([undrawn, counts]))
    return percentile_interval(taus[1:], taus[0], confidence)


def _pair_taus(runs: GroupedRuns, lineages: Lineages, x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(resamples,) tau-b of the pairs of resampled configurations."""
    concordance, untied_x, untied_y = pair_sums(runs, x, y)
    drawn = counts[:, lineages.lineage]
    copies = drawn * (drawn - 1)

    def weighted_sum(pairs: np.ndarray) -> np.ndarray:
        all_pairs = ((drawn @ pairs) * drawn).sum(axis=1)
        return np.asarray(all_pairs - copies @ pairs.diagonal())

    squares = weighted_sum(untied_x) * weighted_sum(untied_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weighted_sum(concordance) / np.sqrt(squares))


def _linearized_taus(
    runs: GroupedRuns, lineages: Lineages, x: np.ndarray, y: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """(resamples,) tau-b with the weights of pairs linearized."""
    sums = np.column_stack(run_sums(x, y))
    of_lineages = lineages.sums_over_runs(runs, sums)
    concordance, untied_x, untied_y = (2 * counts @ of_lineages - of_lineages.sum(axis=0)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(concordance / np.sqrt(untied_x * untied_y))


def run_sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over each run's pairs of sign(dx) sign(dy), |sign(dx)| and |sign(dy)|, each (n,).

    >>> concordance, _, _ = run_sums(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    >>> concordance.tolist()
    [2.0, 0.0, 0.0]
    """
    concordant = _dominated(x, y) + _dominated(-x, -y)
    discordant = _dominated(x, -y) + _dominated(-x, y)
    return concordant - discordant, _untied(x), _untied(y)


def _untied(values: np.ndarray) -> np.ndarray:
    """(n,) number of different values for each value."""
    _, codes, repetitions = np.unique(values, return_inverse=True, return_counts=True)
    return (len(values) - repetitions[codes]).astype(float)


def _dominated(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) number of elements with both a smaller x and a smaller y: merge sort, all blocks of a size at once."""
    n = len(x)
    order = np.lexsort((-y, x))
    rank = np.unique(y, return_inverse=True)[1][order]
    counts = np.zeros(n)
    position = np.arange(n)
    width = 1
    while width < n:
        block = position // (2 * width)
        in_left = position // width % 2 == 0
        key = block * n + rank
        sorted_left = np.sort(key[in_left])
        right = np.flatnonzero(~in_left)
        smaller = np.searchsorted(sorted_left, key[right], side="left")
        before_block = np.searchsorted(sorted_left, block[right] * n, side="left")
        counts[right] += smaller - before_block
        width *= 2
    result = np.empty(n)
    result[order] = counts
    return result


def pair_sums(runs: GroupedRuns, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over pairs of runs of sign(dx) sign(dy), |sign(dx)| and |sign(dy)|, each (G, G)."""
    concordance = []
    untied_x = []
    untied_y = []
    groups = len(runs.sizes)
    rows_at_once = max(1, CHUNK_ELEMENTS // len(x))
    first = 0
    while first < groups:  # a few configurations at a time keeps memory flat for long tables
        start = runs.starts[first]
        fitting = int(np.searchsorted(runs.starts, start + rows_at_once))
        last = max(first + 1, fitting)
        stop = runs.starts[last] if last < groups else len(x)
        dx = _pairwise_signs(x[start:stop], x)
        dy = _pairwise_signs(y[start:stop], y)
        row_starts = runs.starts[first:last] - start
        concordance.append(_block_sums(dx * dy, row_starts, runs.starts))
        untied_x.append(_block_sums(np.abs(dx), row_starts, runs.starts))
        untied_y.append(_block_sums(np.abs(dy), row_starts, runs.starts))
        first = last
    return np.concatenate(concordance), np.concatenate(untied_x), np.concatenate(untied_y)


def _pairwise_signs(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(m,) and (n,) values -> (m, n) signs of every row value minus every column value."""
    differences = rows[:, None] - columns
    return np.sign(differences).astype(np.float32)


def _block_sums(pairs: np.ndarray, row_starts: np.ndarray, column_starts: np.ndarray) -> np.ndarray:
    """Sum a matrix over blocks that begin at the given rows and columns."""
    columns = np.add.reduceat(pairs, column_starts, axis=1)
    return np.add.reduceat(columns, row_starts, axis=0).astype(float)
