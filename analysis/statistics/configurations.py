"""Runs grouped into configurations: the checked view of a table that every statistic works on.

A configuration is one combination of axis values; the runs that share it differ in their seed. Statistics that keep
configurations whole work on `GroupedRuns`, in which the runs of one configuration are adjacent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.column_values import numbers_of
from benevolent.analysis.statistics.axis_values import RELATIVE_TIE, join_close_values
from benevolent.trainables.config.common_names import meant_field
from benevolent.trainables.errors import BadInput, did_you_mean


@dataclass(frozen=True, eq=False)
class GroupedRuns:
    """The n runs of a table, sorted by configuration and then by seed.

    Attributes:
        order: (n,) positions of the runs in the table they came from.
        starts: (G,) position of each configuration's first run.
        sizes: (G,) number of runs of each configuration.
        levels: G rows, the axis values of each configuration.
        seeds: (n,) code of each run's seed; if no two runs share a seed, the runs of a configuration are numbered.
        named_seeds: True if the seeds come from a column and runs share them: equal codes mean equal random streams.
    """

    order: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    levels: pd.DataFrame
    seeds: np.ndarray
    named_seeds: bool

    @classmethod
    def from_table(cls, table: pd.DataFrame, axes: Sequence[str], seed_column: str | None = "seed") -> "GroupedRuns":
        """Group the runs of a table into configurations.

        Args:
            table: one row per run.
            axes: columns that make a configuration.
            seed_column: column of the seed; it may be absent.

        >>> table = pd.DataFrame({"width": [8, 4, 8], "seed": [1, 0, 0]})
        >>> runs = GroupedRuns.from_table(table, ["width"])
        >>> runs.order.tolist(), runs.sizes.tolist()
        ([1, 2, 0], [1, 2])
        """
        axis_values = table[list(axes)].copy()
        for axis in axes:
            axis_values[axis] = join_close_values(table[axis])
        code = group_codes(axis_values, axes)
        seeds = _seed_codes(table, seed_column)
        named = len(np.unique(seeds)) < len(seeds)  # a seed of its own for every run is shared by none
        if not named:
            seeds = _number_within(code, seeds)
        order = np.lexsort((seeds, code))
        sorted_code = code[order]
        _, starts, sizes = np.unique(sorted_code, return_index=True, return_counts=True)
        first_runs = order[starts]
        levels = axis_values.iloc[first_runs]
        levels = levels.reset_index(drop=True)
        return cls(order, starts, sizes, levels, seeds[order], named)

    @property
    def axes(self) -> list[str]:
        """Names of the axes."""
        return list(self.levels.columns)

    @cached_property
    def _axis_codes(self) -> dict[str, np.ndarray]:
        """Axis -> (G,) codes of its values, in their order."""
        return {axis: group_codes(self.levels, [axis]) for axis in self.axes}

    def codes(self, axes: Sequence[str]) -> np.ndarray:
        """(G,) integers that are equal for configurations with equal values of some axes, in the order of the values.

        >>> table = pd.DataFrame({"width": [4, 4, 8, 8], "lr": [1, 2, 1, 2]})
        >>> GroupedRuns.from_table(table, ["width", "lr"]).codes(["lr"]).tolist()
        [0, 1, 0, 1]
        """
        codes = np.zeros(len(self.sizes), dtype=np.int64)
        for axis in axes:
            of_axis = self._axis_codes[axis]
            both = codes * (of_axis.max(initial=0) + 1) + of_axis
            codes = np.unique(both, return_inverse=True)[1]
        return codes

    @cached_property
    def configuration(self) -> np.ndarray:
        """(n,) index of each run's configuration."""
        numbers = np.arange(len(self.sizes))
        return np.repeat(numbers, self.sizes)

    def configuration_sums(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) values of runs -> (G, ...) sums over the runs of each configuration."""
        return np.add.reduceat(values, self.starts, axis=0)

    def per_run(self, values: np.ndarray) -> np.ndarray:
        """(G, ...) values of configurations -> (n, ...) the value of each run's configuration."""
        return np.repeat(values, self.sizes, axis=0)

    def padded(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (G, largest size); zeros where a configuration has fewer runs."""
        shape = (len(self.sizes), self.sizes.max())
        padded = np.zeros(shape)
        starts = self.per_run(self.starts)
        place = np.arange(len(values)) - starts
        padded[self.configuration, place] = values
        return padded

    def within_ranks(self, values: np.ndarray) -> np.ndarray:
        """Midranks among the runs of the same configuration, minus their mean; (n,) -> (n,).

        Values of a configuration that all agree to a relative 1e-9 are tied, so rounding noise is not variance.
        """
        ranks = np.zeros(len(values))
        for size in np.unique(self.sizes):
            starts = self.starts[self.sizes == size]
            members = starts[:, None] + np.arange(size)
            ranks[members] = rankdata(values[members], axis=1)
        mean_rank = (self.sizes + 1) / 2
        ranks -= self.per_run(mean_rank)
        constant = self.per_run(self.is_constant(values))
        return np.where(constant, 0.0, ranks)

    def is_constant(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (G,) True where all runs of a configuration agree up to rounding."""
        low = np.minimum.reduceat(values, self.starts)
        high = np.maximum.reduceat(values, self.starts)
        magnitude = np.maximum(np.abs(low), np.abs(high))
        finite = np.where(np.isfinite(magnitude), magnitude, 0.0)  # an infinity is tied only with itself
        agree = high <= low + RELATIVE_TIE * finite
        return np.asarray((high == low) | agree)


def _seed_codes(table: pd.DataFrame, seed_column: str | None) -> np.ndarray:
    """(n,) codes of the seeds, in ascending order of the seeds; without a seed column every run has its own."""
    if seed_column is None or seed_column not in table.columns:
        return np.arange(len(table))
    return pd.factorize(table[seed_column], sort=True, use_na_sentinel=False)[0]


def _number_within(code: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """(n,) number of each run within its configuration, in the order of the seeds."""
    rank = pd.Series(seeds).groupby(code).rank(method="first")
    return rank.to_numpy().astype(int) - 1


def group_codes(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(n,) integers that are equal where all the columns are equal; a missing value is a value of its own."""
    if not columns:
        return np.zeros(len(table), dtype=int)
    groups = table.groupby(list(columns), sort=True, dropna=False, observed=True)
    return groups.ngroup().to_numpy()


def require_columns(table: pd.DataFrame, names: Iterable[str | int], role: str) -> None:
    """Check that columns exist.

    Args:
        table: any table.
        names: columns that must be there.
        role: used in the message, such as "axis".

    Raises:
        BadInput: names the first absent column and the most similar one of the table.
    """
    for name in names:
        if name not in table.columns:
            columns = [str(column) for column in table.columns]
            hint = did_you_mean(str(name), columns, meant=meant_field(str(name), columns))
            raise BadInput(f"{role} {name!r} is not a column of the table{hint}")


def numeric_column(table: pd.DataFrame, name: str, role: str) -> np.ndarray:
    """Return a column as floats; missing values are NaN. Numbers that were written as text are read.

    Args:
        table: any table.
        name: the column.
        role: used in the message, such as "predictor".

    Raises:
        BadInput: the column is absent or does not hold real numbers.
    """
    require_columns(table, [name], role)
    column = table[name]
    if pd.api.types.is_bool_dtype(column):
        raise BadInput(f"{role} {name!r} is boolean; expected numbers (use 0 and 1)")
    numbers = numbers_of(column)
    if numbers.problem:
        raise BadInput(f"{role} {name!r} must be numeric; it has {numbers.problem_text(column)}")
    return numbers.values


def drop_missing(table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str]) -> pd.DataFrame:
    """Return the runs that have both a predictor and a target; infinities stay, as extreme values.

    Raises:
        BadInput: an axis is absent, or predictor or target is absent or not numeric.
    """
    require_columns(table, axes, "axis")
    predictor_values = numeric_column(table, predictor, "predictor")
    target_values = numeric_column(table, target, "target")
    missing = np.isnan(predictor_values) | np.isnan(target_values)
    return table[~missing]
