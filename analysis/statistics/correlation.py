"""Rank statistics: Kendall's tau with its interval, and partial rank correlation.

Ranks see order only, so any monotone transformation of predictor or target changes nothing, and an infinite
value is simply the largest or the smallest. A missing value (NaN) leaves its run out.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.resampling import percentile_interval


def kendall_tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b: concordant minus discordant pairs over the geometric mean of the untied pairs.

    Pairs with a NaN are left out. NaN if fewer than two pairs are left or x or y is constant: no order, no
    tau.

    >>> round(kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]), 4)
    0.6667
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    present = ~(np.isnan(x) | np.isnan(y))
    if present.sum() < 2:
        return np.nan
    return float(kendalltau(x[present], y[present]).statistic)


def kendall_interval(
    runs: GroupedRuns, x: np.ndarray, y: np.ndarray, counts: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of tau-b when whole configurations are resampled.

    The sums K of concordance over pairs of configurations are formed once. Of a configuration g that is drawn w_g
    times, the runs are in pairs with those of the others ``w_g w_h`` times, and among themselves w_g times: copies of
    one configuration are no pair, of which a table of configurations that are all different has none either. So pairs
    inside configurations have in the mean the weight that they have in the table.

    Args:
        runs: the configurations of the n runs.
        x: (n,) predictor in the order of `runs`.
        y: (n,) target in the order of `runs`.
        counts: (resamples, G) from `bootstrap_counts`.
        confidence: coverage.
    """
    concordance, untied_x, untied_y = pair_sums(runs, rankdata(x), rankdata(y))

    def taus(counts: np.ndarray) -> np.ndarray:
        spare = counts * (counts - 1)
        agree, own, other = (
            ((counts @ pairs) * counts).sum(axis=1) - spare @ pairs.diagonal()
            for pairs in (concordance, untied_x, untied_y)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return agree / np.sqrt(own * other)

    return percentile_interval(taus(counts), taus(np.ones((1, counts.shape[1])))[0], confidence)


def pair_sums(runs: GroupedRuns, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(G, G) sums over pairs of runs of sign(dx) sign(dy), |sign(dx)| and |sign(dy)|."""
    sums: tuple[list[np.ndarray], ...] = ([], [], [])
    rows_at_once = max(1, 4_000_000 // len(x))
    first = 0
    while first < len(runs.sizes):  # a few configurations at a time keeps memory flat for long tables
        last = max(first + 1, int(np.searchsorted(runs.starts, runs.starts[first] + rows_at_once)))
        start, stop = runs.starts[first], runs.starts[last] if last < len(runs.sizes) else len(x)
        dx = np.sign(x[start:stop, None] - x).astype(np.float32)
        dy = np.sign(y[start:stop, None] - y).astype(np.float32)
        for kept, pairs in zip(sums, (dx * dy, np.abs(dx), np.abs(dy)), strict=True):
            columns = np.add.reduceat(pairs, runs.starts, axis=1)
            kept.append(np.add.reduceat(columns, runs.starts[first:last] - start, axis=0).astype(float))
        first = last
    concordance, untied_x, untied_y = (np.concatenate(kept) for kept in sums)
    return concordance, untied_x, untied_y


def partial_rank_correlation(table: pd.DataFrame, predictor: str, target: str, given: Sequence[str]) -> float:
    """Partial Spearman correlation: Pearson of the ranks after the given columns are regressed out of both.

    Numeric columns enter as midranks, others as one indicator per value. With one numeric column z it is the
    textbook ``(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))`` of Spearman correlations.
    NaN if nothing is left of predictor or target.

    >>> table = pd.DataFrame({"c": [1, 2, 3, 4], "g": [1, 2, 4, 3], "axis": list("aabb")})
    >>> round(partial_rank_correlation(table, "c", "g", ["axis"]), 6)
    0.0
    """
    kept = drop_missing(table, predictor, target, given)
    x, y = (rankdata(numeric_column(kept, name, "column")) for name in (predictor, target))
    return partial_correlation(rank_design(kept[list(given)]), x, y) if len(kept) else np.nan


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
    """Pearson correlation of x and y after regression of both on the columns of the design."""
    both = np.column_stack([x, y]) - np.mean([x, y], axis=1)
    left = both - design @ np.linalg.lstsq(design, both, rcond=None)[0]
    squares = (left**2).sum(axis=0)
    if (squares <= 1e-12 * np.maximum((both**2).sum(axis=0), 1e-300)).any():
        return np.nan
    return float(left[:, 0] @ left[:, 1] / np.sqrt(squares.prod()))
