"""Rank statistics: Kendall's tau, granulated by axis, and partial rank correlation.

Ranks see order only, so any monotone transformation of predictor or target changes nothing, and an infinite
value is simply the largest or the smallest. A missing value (NaN) leaves its run out.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata

from analysis.statistics.resampling import bootstrap_counts, percentile_interval
from analysis.statistics.runs import Runs, complete, configuration_codes, numeric_column
from trainables.streams import generator


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
    runs: Runs, x: np.ndarray, y: np.ndarray, counts: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of tau-b when whole configurations are resampled.

    The sums of concordance over pairs of configurations are formed once; a resample in which configuration g
    is drawn w_g times has concordance ``w' K w`` (pairs of copies of one run are ties, as in the resampled
    table).

    Args:
        runs: the configurations of the n runs.
        x: (n,) predictor in the order of `runs`.
        y: (n,) target in the order of `runs`.
        counts: (resamples, G) from `bootstrap_counts`.
        confidence: coverage.
    """
    concordance, untied_x, untied_y = pair_sums(runs, rankdata(x), rankdata(y))

    def total(pairs: np.ndarray) -> np.ndarray:
        return ((counts @ pairs) * counts).sum(axis=1)

    with np.errstate(invalid="ignore", divide="ignore"):
        taus = total(concordance) / np.sqrt(total(untied_x) * total(untied_y))
    return percentile_interval(taus, confidence)


def pair_sums(runs: Runs, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


class AxisGroups:
    """For one axis: the groups of runs in which everything else, the seed included, is equal.

    Attributes:
        blocks: arrays (groups, k) of run positions, one array per group size k >= 2.
        settings: for every group, in the order of `blocks`, the code of the values of the other axes.
    """

    def __init__(self, runs: Runs, axis: str):
        others = [name for name in runs.axes if name != axis]
        setting = configuration_codes(runs.levels, others)[runs.configuration]
        value = configuration_codes(runs.levels, [axis])[runs.configuration]
        frame = pd.DataFrame({"setting": setting, "seed": runs.seeds, "value": value})
        groups = frame.groupby(["setting", "seed"], sort=True)
        varied = groups["value"].transform("nunique") > 1
        size = groups["value"].transform("size")
        self.blocks: list[np.ndarray] = []
        settings = []
        for k in np.unique(size[varied]):
            members = frame[varied & (size == k)].sort_values(["setting", "seed"], kind="stable")
            self.blocks.append(members.index.to_numpy().reshape(-1, k))
            settings.append(members["setting"].to_numpy()[::k])
        self.settings = (
            np.unique(np.concatenate(settings), return_inverse=True)[1] if settings else np.zeros(0, int)
        )

    def taus(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(groups,) tau-b of each group; 0 where predictor or target does not vary, for it orders nothing."""
        out = [np.zeros(0)]
        for block in self.blocks:
            dx, dy = (np.sign(v[block][:, :, None] - v[block][:, None, :]) for v in (x, y))
            untied = np.sqrt(np.abs(dx).sum((1, 2)) * np.abs(dy).sum((1, 2)))
            out.append((dx * dy).sum((1, 2)) / np.where(untied == 0, 1, untied))
        return np.concatenate(out)

    def resampled_means(self, taus: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
        """(resamples,) mean tau when settings of the other axes are resampled, each with all its seeds."""
        if taus.size == 0:
            return np.full(resamples, np.nan)
        total, number = np.bincount(self.settings, taus), np.bincount(self.settings)
        counts = bootstrap_counts(len(number), resamples, random)
        return (counts @ total) / (counts @ number)


def granulated_kendall(
    table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str], seed_column: str | None = "seed"
) -> pd.Series:
    """Granulated Kendall tau (Jiang et al. 2020, "Fantastic generalization measures", section 3).

    For axis i, the mean over all settings of the other axes (and seeds) of tau-b within the group of runs
    where only axis i varies; "Psi" is the mean over the axes. A group in which predictor or target is
    constant counts 0. An axis without a group of two runs is NaN and is left out of Psi.

    Args:
        table: one row per run.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: the seed; without that column the duplicates of a configuration are numbered as its
        seeds.

    >>> table = pd.DataFrame({"lr": [1, 1, 2, 2], "width": [4, 8, 4, 8]})
    >>> table["c"], table["g"] = [1, 2, 3, 4], [1, 2, 5, 3]
    >>> granulated_kendall(table, "c", "g", ["lr", "width"]).to_dict()
    {'lr': 1.0, 'width': 0.0, 'Psi': 0.5}
    """
    return granulated_interval(table, predictor, target, axes, seed_column, resamples=0)["estimate"]


def granulated_interval(
    table: pd.DataFrame,
    predictor: str,
    target: str,
    axes: Sequence[str],
    seed_column: str | None = "seed",
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Granulated Kendall tau with a percentile interval from resampling its groups.

    Groups that differ only in the seed are resampled together; the axes are resampled independently.

    Returns:
        Rows: the axes and "Psi". Columns: estimate, low, high, groups.
    """
    kept = complete(table, predictor, target, axes)
    runs = Runs.of(kept, axes, seed_column)
    x, y = (rankdata(numeric_column(kept, name, "column"))[runs.order] for name in (predictor, target))
    groups = {axis: AxisGroups(runs, axis) for axis in axes}
    return granulated_from(
        groups, x, y, resamples, confidence, generator(random_seed, "bootstrap/granulated")
    )


def granulated_from(
    groups: dict[str, AxisGroups],
    x: np.ndarray,
    y: np.ndarray,
    resamples: int,
    confidence: float,
    random: np.random.Generator,
) -> pd.DataFrame:
    """`granulated_interval` for ranks x and y whose groups are already known."""
    rows, means = {}, []
    for axis, group in groups.items():
        taus = group.taus(x, y)
        resampled = group.resampled_means(taus, resamples, random)
        estimate = float(taus.mean()) if taus.size else np.nan
        rows[axis] = (estimate, *percentile_interval(resampled, confidence), taus.size)
        if taus.size:
            means.append((estimate, resampled))
    psi = float(np.mean([estimate for estimate, _ in means])) if means else np.nan
    resampled_psi = np.mean([resampled for _, resampled in means], axis=0) if means else np.zeros(0)
    rows["Psi"] = (psi, *percentile_interval(resampled_psi, confidence), sum(row[3] for row in rows.values()))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "low", "high", "groups"])


def partial_rank_correlation(table: pd.DataFrame, predictor: str, target: str, given: Sequence[str]) -> float:
    """Partial Spearman correlation: Pearson of the ranks after the given columns are regressed out of both.

    Numeric columns enter as midranks, others as one indicator per value. With one numeric column z it is the
    textbook ``(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))`` of Spearman correlations.
    NaN if nothing is left of predictor or target.

    >>> table = pd.DataFrame({"c": [1, 2, 3, 4], "g": [1, 2, 4, 3], "axis": list("aabb")})
    >>> round(partial_rank_correlation(table, "c", "g", ["axis"]), 6)
    0.0
    """
    kept = complete(table, predictor, target, given)
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
