"""Granulated Kendall tau: rank correlation of predictor and target when a single axis varies."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.group_taus import taus_of_groups
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.trainables.rng import generator


class AxisGroups:
    """Groups of runs that differ in one axis only: all other axes and the seed are equal.

    If configurations do not have the same seeds, as with independent replicates, their runs are numbered in the order
    of the seeds, and runs of one number are compared.

    Args:
        runs: the configurations of n runs.
        axis: the axis that varies.

    Attributes:
        blocks: arrays (groups, k) of run positions, one array per group size k >= 2.
        settings: for every group, in the order of `blocks`, the code of the values of the other axes.
    """

    def __init__(self, runs: GroupedRuns, axis: str):
        other_axes = [name for name in runs.axes if name != axis]
        setting = runs.codes(other_axes)[runs.configuration]
        value = runs.codes([axis])[runs.configuration]
        seed = _compared_seeds(runs)
        order = np.lexsort((seed, setting))
        is_first = np.ones(len(order), dtype=bool)
        is_first[1:] = (np.diff(setting[order]) != 0) | (np.diff(seed[order]) != 0)
        starts = np.flatnonzero(is_first)
        sizes = np.diff(starts, append=len(order))
        values = value[order]
        varied = np.maximum.reduceat(values, starts) > np.minimum.reduceat(values, starts)
        self._draws: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.blocks: list[np.ndarray] = []
        settings = [np.zeros(0, dtype=int)]
        for k in np.unique(sizes[varied]):
            members = starts[varied & (sizes == k)][:, None] + np.arange(k)
            self.blocks.append(order[members])
            settings.append(setting[order[members[:, 0]]])
        group_settings = np.concatenate(settings)
        _, self.settings = np.unique(group_settings, return_inverse=True)

    def taus(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(groups,) tau-b of each group; 0 if predictor or target is constant in it, since that orders nothing."""
        taus = [np.zeros(0)]
        for block in self.blocks:
            taus.append(taus_of_groups(x[block], y[block]))
        return np.concatenate(taus)

    def resampled_means(self, taus: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
        """(resamples,) mean tau when settings of the other axes are resampled, each with all its seeds.

        The resamples are drawn once, so that all predictors have the same.
        """
        if taus.size == 0:
            return np.full(resamples, np.nan)
        if resamples not in self._draws:
            number = np.bincount(self.settings)
            drawn = bootstrap_counts(len(number), resamples, rng)
            self._draws[resamples] = (drawn, drawn @ number)
        counts, resampled_number = self._draws[resamples]
        total = np.bincount(self.settings, taus)
        return np.asarray(counts @ total / resampled_number)


def _compared_seeds(runs: GroupedRuns) -> np.ndarray:
    """(n,) code that runs to be compared share: their seed, or its place among those of their configuration."""
    if len(np.unique(runs.seeds)) <= runs.sizes.max(initial=0):
        return runs.seeds
    return np.arange(len(runs.seeds)) - runs.per_run(runs.starts)


def granulated_kendall(
    table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str], seed_column: str | None = "seed"
) -> pd.Series:
    """Granulated Kendall tau of each axis, and their mean Psi.

    Source: Jiang et al. 2020, "Fantastic generalization measures and where to find them". For axis i it
    is the mean, over all settings of the other axes (and seeds), of tau-b within the group of runs in which only axis
    i varies. Psi is the mean over the axes. A group in which predictor or target is constant counts 0.

    Args:
        table: one row per run.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: column of the seed; if it is absent, the runs of a configuration are numbered.

    Returns:
        Index: the axes and "Psi". An axis without a group of two runs is NaN and is left out of Psi.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": [1, 1, 2, 2], "width": [4, 8, 4, 8]})
    >>> table["c"], table["g"] = [1, 2, 3, 4], [1, 2, 5, 3]
    >>> granulated_kendall(table, "c", "g", ["lr", "width"]).to_dict()
    {'lr': 1.0, 'width': 0.0, 'Psi': 0.5}
    """
    frame = granulated_interval(table, predictor, target, axes, seed_column, resamples=0)
    return frame["estimate"]


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

    Args:
        table: one row per run.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: column of the seed; if it is absent, the runs of a configuration are numbered.
        resamples: bootstrap resamples; 0 leaves the interval at NaN.
        confidence: coverage of the interval.
        random_seed: of the resamples.

    Returns:
        Rows: the axes and "Psi". Columns: estimate, low, high, groups, resamples.

    Raises:
        BadInput: a column is absent or not numeric.
    """
    kept = drop_missing(table, predictor, target, axes)
    runs = GroupedRuns.from_table(kept, axes, seed_column)
    x = rankdata(numeric_column(kept, predictor, "column"))[runs.order]
    y = rankdata(numeric_column(kept, target, "column"))[runs.order]
    groups = {axis: AxisGroups(runs, axis) for axis in axes}
    rng = generator(random_seed, "bootstrap/granulated")
    granulated = granulated_from_groups(groups, x, y, resamples, rng)
    numbers = {axis: len(group.settings) for axis, group in groups.items()}
    numbers["Psi"] = sum(numbers.values())
    rows = {}
    for name, estimate in granulated.estimates.items():
        low, high = percentile_interval(granulated.resampled[name], estimate, confidence)
        rows[name] = (estimate, low, high, numbers[name], resamples)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "low", "high", "groups", "resamples"])


class Granulated(NamedTuple):
    """Granulated Kendall tau of each axis and their mean "Psi"; NaN without a group of two runs.

    Attributes:
        estimates: name of the axis -> estimate.
        resampled: name of the axis -> (resamples,) values of resampled groups.
    """

    estimates: dict[str, float]
    resampled: dict[str, np.ndarray]


def granulated_from_groups(
    groups: Mapping[str, AxisGroups], x: np.ndarray, y: np.ndarray, resamples: int, rng: np.random.Generator
) -> Granulated:
    """Compute `granulated_interval` for (n,) ranks x and y whose groups are already known."""
    estimates = {}
    resampled = {}
    compared = []
    for axis, group in groups.items():
        taus = group.taus(x, y)
        estimates[axis] = float(taus.mean()) if taus.size else np.nan
        resampled[axis] = group.resampled_means(taus, resamples, rng)
        if taus.size:
            compared.append(axis)
    estimates["Psi"] = np.nan
    resampled["Psi"] = np.zeros(0)
    if compared:
        estimates["Psi"] = float(np.mean([estimates[axis] for axis in compared]))
        resampled["Psi"] = np.mean([resampled[axis] for axis in compared], axis=0)
    return Granulated(estimates, resampled)
