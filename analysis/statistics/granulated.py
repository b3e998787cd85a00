"""Kendall's tau axis by axis: whether the predictor follows the target when one axis alone varies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import Runs, complete, configuration_codes, numeric_column
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.trainables.rng import generator


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
        self.settings = np.unique(np.concatenate(settings), return_inverse=True)[1] if settings else np.zeros(0, int)

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
    """Granulated Kendall tau (Jiang et al. 2020, "Fantastic generalization measures").

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
        Rows: the axes and "Psi". Columns: estimate, low, high, groups, resamples.
    """
    kept = complete(table, predictor, target, axes)
    runs = Runs.of(kept, axes, seed_column)
    x, y = (rankdata(numeric_column(kept, name, "column"))[runs.order] for name in (predictor, target))
    groups = {axis: AxisGroups(runs, axis) for axis in axes}
    found = granulated_from(groups, x, y, resamples, confidence, generator(random_seed, "bootstrap/granulated"))
    return found.assign(resamples=resamples)


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
        rows[axis] = (estimate, *percentile_interval(resampled, estimate, confidence), taus.size)
        if taus.size:
            means.append((estimate, resampled))
    psi = float(np.mean([estimate for estimate, _ in means])) if means else np.nan
    resampled_psi = np.mean([resampled for _, resampled in means], axis=0) if means else np.zeros(0)
    rows["Psi"] = (psi, *percentile_interval(resampled_psi, psi, confidence), sum(row[3] for row in rows.values()))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "low", "high", "groups"])
