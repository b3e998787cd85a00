"""Runs in configuration order: the checked view of a table that every statistic works on.

A configuration is one combination of axis values; the runs that share it are its seeds. Statistics that keep
configurations whole work on `GroupedRuns`, whose rows of one configuration are neighbors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput

TIE = 1e-9  # values of one configuration that agree to this share of their size are rounding noise: a tie


@dataclass(frozen=True, eq=False)
class GroupedRuns:
    """The runs of a table, sorted by configuration and then by seed.

    Attributes:
        order: (n,) positions of the runs in the table they came from.
        starts: (G,) position of each configuration's first run.
        sizes: (G,) number of runs of each configuration.
        levels: G rows, the axis values of each configuration.
        seeds: (n,) code of each run's seed; where no two runs share one, the runs of a configuration are numbered.
        named_seeds: whether the seeds come from a column and runs share them: equal codes mean equal random streams.
    """

    order: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    levels: pd.DataFrame
    seeds: np.ndarray
    named_seeds: bool

    @classmethod
    def from_table(cls, table: pd.DataFrame, axes: Sequence[str], seed_column: str | None = "seed") -> "GroupedRuns":
        """Sort the runs of a table into configurations.

        >>> table = pd.DataFrame({"width": [8, 4, 8], "seed": [1, 0, 0]})
        >>> runs = GroupedRuns.from_table(table, ["width"])
        >>> runs.order.tolist(), runs.sizes.tolist()
        ([1, 2, 0], [1, 2])
        """
        code = group_codes(table, axes)
        named = seed_column is not None and seed_column in table.columns
        seeds = np.arange(len(table))
        if named:
            seeds = pd.factorize(table[seed_column], sort=True, use_na_sentinel=False)[0]
        named = named and len(np.unique(seeds)) < len(seeds)  # a seed of its own for every run is nothing shared
        if not named:
            seeds = pd.Series(seeds).groupby(code).rank(method="first").to_numpy().astype(int) - 1
        order = np.lexsort((seeds, code))
        _, starts, sizes = np.unique(code[order], return_index=True, return_counts=True)
        levels = table[list(axes)].iloc[order[starts]].reset_index(drop=True)
        return cls(order, starts, sizes, levels, seeds[order], named)

    @property
    def axes(self) -> list[str]:
        """Names of the axes."""
        return [str(name) for name in self.levels.columns]

    @cached_property
    def configuration(self) -> np.ndarray:
        """(n,) index of each run's configuration."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def configuration_sums(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) values of runs -> (G, ...) sums over configurations."""
        return np.add.reduceat(values, self.starts, axis=0)

    def per_run(self, values: np.ndarray) -> np.ndarray:
        """(G, ...) values of configurations -> (n, ...) the same for each run."""
        return np.repeat(values, self.sizes, axis=0)

    def padded(self, values: np.ndarray) -> np.ndarray:
        """(n,) -> (G, largest size), zeros where a configuration has fewer runs."""
        out = np.zeros((len(self.sizes), self.sizes.max()))
        out[self.configuration, np.arange(len(values)) - self.per_run(self.starts)] = values
        return out

    def within_ranks(self, values: np.ndarray) -> np.ndarray:
        """Midranks among the runs of the same configuration, minus their mean; (n,) -> (n,).

        Values that agree to `TIE` of their size are tied, so rounding noise is not variance.
        """
        low = np.minimum.reduceat(values, self.starts)
        high = np.maximum.reduceat(values, self.starts)
        size = np.maximum(np.abs(low), np.abs(high))
        ranks = np.zeros(len(values))
        for size_of, members in _by_size(self.sizes):
            block = values[self.starts[members][:, None] + np.arange(size_of)]
            ranks[self.starts[members][:, None] + np.arange(size_of)] = rankdata(block, axis=1)
        ranks -= self.per_run((self.sizes + 1) / 2)
        finite = np.where(np.isfinite(size), size, 0.0)  # an infinity is tied only with itself
        tied = (high == low) | (high <= low + TIE * finite)
        return np.where(self.per_run(tied), 0.0, ranks)


def _by_size(sizes: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """Pairs (size, indices of the groups of that size)."""
    for size in np.unique(sizes):
        yield int(size), np.flatnonzero(sizes == size)


def group_codes(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(n,) integers, equal where all the columns are equal; a missing value is a value of its own."""
    if not columns:
        return np.zeros(len(table), dtype=int)
    return table.groupby(list(columns), sort=True, dropna=False, observed=True).ngroup().to_numpy()


def require_columns(table: pd.DataFrame, names: Iterable[str], what: str) -> None:
    """Raise `BadInput` for the first name that is no column, with the nearest one that is."""
    known = [str(column) for column in table.columns]
    for name in names:
        if name not in known:
            raise BadInput(f"{what} {name!r} is not a column of the table" + did_you_mean(name, known))


def numeric_column(table: pd.DataFrame, name: str, what: str) -> np.ndarray:
    """The column as floats (missing values are NaN); `BadInput` if it is absent or not made of numbers."""
    require_columns(table, [name], what)
    column = table[name]
    if pd.api.types.is_bool_dtype(column):
        raise BadInput(f"{what} {name!r} is true or false; make it 0 and 1 if that is an order")
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_complex_dtype(column):
        raise BadInput(f"{what} {name!r} must be numeric, not {column.dtype}")
    return column.to_numpy(dtype=float, na_value=np.nan)


def drop_missing(table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str]) -> pd.DataFrame:
    """The runs with a predictor and a target (NaN is missing, infinities count as extreme values)."""
    require_columns(table, axes, "axis")
    present = ~np.isnan(numeric_column(table, predictor, "predictor"))
    return table[present & ~np.isnan(numeric_column(table, target, "target"))]
