"""Runs and the scores by which they are compared: within configurations where there are replicates, else across."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.aligned_ranks import aligned_ranks
from benevolent.analysis.statistics.configurations import GroupedRuns

WITHIN = "within configurations"
ACROSS = "across configurations"


class ComparedRuns:
    """The runs of a table in groups, among which a score is a centered rank.

    Args:
        table: one row per run.
        groups: columns whose values a group shares.
        seed_column: column of the seed; runs that share a seed are one unit. Without it each run is one.
        aligned: the groups are configurations, and a score is an aligned rank (see `aligned_ranks`), as in the claim
            "beyond" of a verdict. Else it is the rank in the group.

    Attributes:
        runs: the groups.
        shares: (n,) degrees of freedom of each run in its group of m runs, (m - 1) / m.
    """

    def __init__(self, table: pd.DataFrame, groups: Sequence[str], seed_column: str | None, aligned: bool = False):
        self.runs = GroupedRuns.from_table(table, groups, seed_column)
        self.shares = self.runs.per_run((self.runs.sizes - 1) / self.runs.sizes)
        self._aligned = aligned

    @cached_property
    def units(self) -> np.ndarray:
        """(n,) code of the independent unit of each run, in the order of `runs`."""
        if self.runs.named_seeds:
            return self.runs.seeds
        return np.arange(len(self.runs.order))

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) values in the order of the table -> (n,) ranks, centered in their group, in the order of `runs`."""
        ordered = values[self.runs.order]
        if self._aligned:
            return aligned_ranks(ordered, self.runs.sizes)
        return self.runs.within_ranks(ordered)

    def codes(self, code: np.ndarray) -> np.ndarray:
        """(n,) codes in the order of the table -> the same in the order of `runs`."""
        return code[self.runs.order]


def has_replicates(table: pd.DataFrame, axes: Sequence[str]) -> bool:
    """Tell if at least two runs share all axes.

    >>> has_replicates(pd.DataFrame({"width": [4, 4, 8]}), ["width"])
    True
    """
    if not axes:
        return len(table) > 1
    return bool(table.duplicated(list(axes)).any())
