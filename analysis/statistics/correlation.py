"""Correlations: Kendall's tau with its interval, Pearson, Spearman, and partial rank correlation.

Ranks depend on order only, so any monotone transformation of predictor or target changes nothing, and an infinite
value is simply the largest or the smallest. A missing value (NaN) leaves its run out.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.resampling import percentile_interval

CHUNK_ELEMENTS = 4_000_000  # pairs of runs held in memory at a time
NOTHING_LEFT = 1e-12  # share of a variable's squares below which a regression explains it exactly


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
    return float(kendalltau(x[present], y[present]).statistic)


def finite_pairs(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """(m, 2) pairs of (n,) x and y in which both numbers are finite."""
    pairs = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
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
    if len(pairs) < 2 or (np.ptp(pairs, axis=0) == 0).any():
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
    runs: GroupedRuns, x: np.ndarray, y: np.ndarray, counts: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of tau-b when whole configurations are resampled.

    The sums of concordance over pairs of configurations are computed once. If configuration g is drawn w_g times, its
    runs form pairs with those of configuration h with weight ``w_g w_h``, and among themselves with weight w_g: two
    copies of one configuration are no pair, since a table of distinct configurations has no such pair either. So pairs
    inside configurations have, on average, the weight that they have in the table.

    Args:
        runs: the configurations of the n runs.
        x: (n,) predictor in the order of `runs`.
        y: (n,) target in the order of `runs`.
        counts: (resamples, G) from `bootstrap_counts`.
        confidence: coverage.

    Returns:
        (low, high); NaN without resamples.
    """
    concordance, untied_x, untied_y = pair_sums(runs, rankdata(x), rankdata(y))

    def weighted_sum(counts: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        copies = counts * (counts - 1)
        all_pairs = ((counts @ pairs) * counts).sum(axis=1)
        return np.asarray(all_pairs - copies @ pairs.diagonal())

    def taus(counts: np.ndarray) -> np.ndarray:
        numerator = weighted_sum(counts, concordance)
        squares = weighted_sum(counts, untied_x) * weighted_sum(counts, untied_y)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(numerator / np.sqrt(squares))

    undrawn = np.ones((1, counts.shape[1]))
    return percentile_interval(taus(counts), taus(undrawn)[0], confidence)


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
        dx = np.sign(x[start:stop, None] - x).astype(np.float32)
        dy = np.sign(y[start:stop, None] - y).astype(np.float32)
        row_starts = runs.starts[first:last] - start
        concordance.append(_block_sums(dx * dy, row_starts, runs.starts))
        untied_x.append(_block_sums(np.abs(dx), row_starts, runs.starts))
        untied_y.append(_block_sums(np.abs(dy), row_starts, runs.starts))
        first = last
    return np.concatenate(concordance), np.concatenate(untied_x), np.concatenate(untied_y)


def _block_sums(pairs: np.ndarray, row_starts: np.ndarray, column_starts: np.ndarray) -> np.ndarray:
    """Sum a matrix over blocks that begin at the given rows and columns."""
    columns = np.add.reduceat(pairs, column_starts, axis=1)
    return np.add.reduceat(columns, row_starts, axis=0).astype(float)


def partial_rank_correlation(table: pd.DataFrame, predictor: str, target: str, given: Sequence[str]) -> float:
    """Partial Spearman correlation: Pearson's correlation of ranks with the given columns regressed out of both.

    Numeric columns enter as midranks, others as one indicator per value. With one numeric column z it is the textbook
    ``(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))`` of Spearman correlations.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        given: columns to regress out, such as the axes.

    Returns:
        The correlation; NaN if nothing is left of predictor or target.

    Raises:
        BadInput: a column is absent, or predictor or target is not numeric.

    >>> table = pd.DataFrame({"c": [1, 2, 3, 4], "g": [1, 2, 4, 3], "axis": list("aabb")})
    >>> round(partial_rank_correlation(table, "c", "g", ["axis"]), 6)
    0.0
    """
    kept = drop_missing(table, predictor, target, given)
    if kept.empty:
        return np.nan
    x = rankdata(numeric_column(kept, predictor, "column"))
    y = rankdata(numeric_column(kept, target, "column"))
    return partial_correlation(rank_design(kept[list(given)]), x, y)


def rank_design(given: pd.DataFrame) -> np.ndarray:
    """(n, 1 + ...) intercept, midranks of numeric columns, indicators of the others."""
    columns = [np.ones((len(given), 1))]
    for name in given.columns:
        column = given[name]
        if pd.api.types.is_numeric_dtype(column) and not column.isna().any():
            columns.append(rankdata(column.to_numpy(dtype=float))[:, None])
        else:
            columns.append(pd.get_dummies(column, dummy_na=True).to_numpy(dtype=float))
    return np.hstack(columns)


def partial_correlation(design: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of (n,) x and y with the (n, k) columns of a design matrix regressed out of both."""
    both = np.column_stack([x, y]) - np.mean([x, y], axis=1)
    coefficients = np.linalg.lstsq(design, both, rcond=None)[0]
    residuals = both - design @ coefficients
    squares = (residuals**2).sum(axis=0)
    total_squares = np.maximum((both**2).sum(axis=0), 1e-300)
    if (squares <= NOTHING_LEFT * total_squares).any():
        return np.nan
    x_residual, y_residual = residuals.T
    return float(x_residual @ y_residual / np.sqrt(squares.prod()))
