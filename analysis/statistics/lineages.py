"""Lineages: configurations that share their luck, and the replicates that can be exchanged.

Runs of one seed draw the same random numbers in every configuration, so they may go together without any relation
between predictor and outcome. What is independent of everything else is a lineage: the configurations that are linked
by common seeds. Inside a lineage its replicates are alike, and can be exchanged.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benevolent.analysis.statistics.configurations import GroupedRuns, group_codes

#: Column of the configurations that share a root: a dense network and what is pruned from it.
LINEAGE_COLUMN = "lineage"
#: Column of the number of a run among those of its configuration; runs of one lineage and replicate share their luck.
REPLICATE_COLUMN = "replicate"
LISTED = 6  # up to this many replicates, permutations are drawn from the list of all of them, which is faster


@dataclass(frozen=True, eq=False)
class Lineages:
    """The lineages of the G configurations of a table.

    Attributes:
        lineage: (G,) code of each configuration's lineage, 0 to L - 1.
        luck: (G,) code of the configurations that are linked by common seeds.
    """

    lineage: np.ndarray
    luck: np.ndarray

    @classmethod
    def from_runs(cls, runs: GroupedRuns, table: pd.DataFrame | None = None) -> "Lineages":
        """Find the lineages of a table.

        Its column `lineage` says which configurations belong together. Without it, configurations that are linked by
        common seeds do; if all are, each is a lineage of its own that shares its seeds with the others.

        Args:
            runs: the runs of the table.
            table: the table.
        """
        luck = _linked_by_seeds(runs)
        lineage = luck
        if table is not None and LINEAGE_COLUMN in table:
            first_runs = runs.order[runs.starts]
            labels = table[LINEAGE_COLUMN].map(str).to_numpy()[first_runs]
            lineage = np.unique(labels, return_inverse=True)[1]
        elif runs.named_seeds and luck.max(initial=0) == 0:
            lineage = np.arange(len(luck))
        return cls(lineage, luck)

    def __len__(self) -> int:
        """Return the number of lineages."""
        return int(self.lineage.max(initial=-1)) + 1

    @property
    def shared_seeds(self) -> bool:
        """True if lineages share their seeds, so that they are not independent of each other."""
        return int(self.luck.max(initial=-1)) + 1 < len(self)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(G, ...) values of configurations -> (L, ...) sums over the configurations of each lineage."""
        ordered = values[self._order].astype(float)
        return np.add.reduceat(ordered, self._starts, axis=0) if len(ordered) else ordered

    def sums_over_runs(self, runs: GroupedRuns, values: np.ndarray) -> np.ndarray:
        """(n, ...) values of runs -> (L, ...) sums over the runs of each lineage."""
        return self.sums(runs.configuration_sums(values))

    @cached_property
    def blocks(self) -> list[np.ndarray]:
        """Arrays (lineages, c) of configurations, one array for each number c of configurations in a lineage."""
        sizes = np.bincount(self.lineage)
        blocks = []
        for size in np.unique(sizes):
            members = self._starts[sizes == size][:, None] + np.arange(size)
            blocks.append(self._order[members])
        return blocks

    @cached_property
    def _order(self) -> np.ndarray:
        """(G,) configurations, those of each lineage side by side."""
        return np.argsort(self.lineage, kind="stable")

    @cached_property
    def _starts(self) -> np.ndarray:
        """(L,) place of each lineage's first configuration in that order."""
        sizes = np.bincount(self.lineage)
        return np.cumsum(sizes) - sizes


def _linked_by_seeds(runs: GroupedRuns) -> np.ndarray:
    """(G,) codes that are equal for configurations linked by common seeds, directly or through others."""
    groups = len(runs.sizes)
    if not runs.named_seeds:
        return np.arange(groups)
    seeds = int(runs.seeds.max(initial=0)) + 1
    links = (np.ones(len(runs.seeds)), (runs.configuration, groups + runs.seeds))
    graph = coo_array(links, shape=(groups + seeds, groups + seeds))
    _, component = connected_components(graph, directed=False)
    return np.unique(component[:groups], return_inverse=True)[1]


def lineage_codes(table: pd.DataFrame, axes: Sequence[str], seed_column: str | None = "seed") -> np.ndarray:
    """(n,) code of the lineage of each run, 0 to L - 1, in the order of the table.

    >>> lineage_codes(pd.DataFrame({"width": [4, 8, 4], "lineage": ["a", "a", "b"]}), ["width"])
    array([0, 0, 1])
    >>> lineage_codes(pd.DataFrame({"width": [4, 8, 4, 8], "seed": [1, 2, 3, 4]}), ["width"])
    array([0, 1, 0, 1])
    """
    if LINEAGE_COLUMN in table:
        return group_codes(table, [LINEAGE_COLUMN])
    runs = GroupedRuns.from_table(table, axes, seed_column)
    codes = np.empty(len(table), dtype=int)
    codes[runs.order] = Lineages.from_runs(runs).lineage[runs.configuration]
    return codes


class ExchangeableReplicates:
    """The replicates of every lineage, those that can be exchanged side by side.

    A replicate is the runs of one lineage and one seed. Replicates of a lineage that have runs of the same
    configurations are alike. One that is like no other cannot be exchanged, and its runs are left out.

    Args:
        runs: the n runs.
        lineages: their lineages.

    Attributes:
        kept: (m,) positions of the runs that can be exchanged. Runs of one configuration that can be exchanged with
            each other are adjacent: they are a cell.
        cell_sizes: number of runs of every cell.
        left_out: number of runs that cannot be exchanged though their configuration has several.
        blocks: places of the kept runs, an array (lineages, configurations, replicates) for each shape; the replicates
            of a configuration are adjacent.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages):
        unit = _units(runs, lineages)
        group = _exchangeable(runs, lineages, unit)
        units_of_group = _distinct_per_group(group, unit)
        several = units_of_group[group] > 1
        order = np.lexsort((unit, runs.configuration, group))
        self.kept = order[several[order]]
        self.left_out = int((~several & (runs.per_run(runs.sizes) > 1)).sum())
        groups = group[self.kept]
        cell = groups * len(runs.sizes) + runs.configuration[self.kept]
        self.cell_sizes = np.unique(cell, return_counts=True)[1]
        self.blocks = list(_blocks(groups, units_of_group))

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom within the cells."""
        return int((self.cell_sizes - 1).sum())

    @property
    def arrangements(self) -> float:
        """Natural logarithm of the number of ways to exchange the replicates."""
        total = 0.0
        for block in self.blocks:
            lineages, _, replicates = block.shape
            total += lineages * math.lgamma(replicates + 1)
        return total

    def permutations(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, m) positions among the kept runs, the replicates of each lineage permuted jointly."""
        permuted = np.empty((count, len(self.kept)), dtype=np.int32)
        for block in self.blocks:
            lineages, configurations, replicates = block.shape
            orders = random_orders((count, lineages), replicates, rng).reshape(count, -1)
            for number in range(configurations):
                places = block[:, number]
                columns = _as_slice(places.ravel())
                permuted[:, columns] = orders
                permuted[:, columns] += np.repeat(places[:, 0], replicates).astype(np.int32)
        return permuted


def _as_slice(places: np.ndarray) -> np.ndarray | slice:
    """Return ascending places as a slice if they are adjacent: numpy writes to a slice much faster."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first == len(places) - 1 else places


def random_orders(shape: tuple[int, ...], size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw random permutations of `size` elements: integers of shape (*shape, size).

    >>> np.sort(random_orders((2, 3), 4, np.random.default_rng(0)))[0, 0].tolist()
    [0, 1, 2, 3]
    """
    if size <= LISTED:
        listed = np.array(list(itertools.permutations(range(size))), dtype=np.int32)
        return listed[rng.integers(len(listed), size=shape)]
    smallest_type = np.min_scalar_type(size)  # many orders are held in memory at once
    ascending = np.broadcast_to(np.arange(size, dtype=smallest_type), (*shape, size))
    return rng.permuted(ascending, axis=-1)


def _units(runs: GroupedRuns, lineages: Lineages) -> np.ndarray:
    """(n,) code of each run's replicate: its seed in its lineage."""
    if not runs.named_seeds:
        return np.arange(len(runs.seeds))
    luck = lineages.luck[runs.configuration]
    seeds = int(runs.seeds.max(initial=0)) + 1
    return np.unique(luck * seeds + runs.seeds, return_inverse=True)[1]


def _exchangeable(runs: GroupedRuns, lineages: Lineages, unit: np.ndarray) -> np.ndarray:
    """(n,) code of the alike replicates that each run's replicate can be exchanged with."""
    if not runs.named_seeds:
        return runs.configuration
    rng = np.random.default_rng(0)
    label = rng.integers(2**63, size=len(runs.sizes), dtype=np.uint64)
    pattern = np.zeros(unit.max(initial=-1) + 1, dtype=np.uint64)
    np.add.at(pattern, unit, label[runs.configuration])
    luck = np.zeros(len(pattern), dtype=np.uint64)
    luck[unit] = lineages.luck[runs.configuration]
    keys = np.column_stack([luck, pattern])
    group_of_unit = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    return group_of_unit[unit]


def _distinct_per_group(group: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the number of distinct units of every group."""
    groups = np.zeros(unit.max(initial=-1) + 1, dtype=int)
    groups[unit] = group
    return np.bincount(groups)


def _blocks(groups: np.ndarray, units_of_group: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the places of the groups of each shape; `groups` are the sorted groups of the kept runs."""
    codes, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    units = units_of_group[codes]
    configurations = sizes // np.maximum(units, 1)
    shapes = np.column_stack([configurations, units])
    for shape in np.unique(shapes, axis=0):
        chosen = starts[(shapes == shape).all(axis=1)]
        within = np.arange(shape.prod()).reshape(shape)
        yield chosen[:, None, None] + within
