"""Notes on the luck that runs of anybody's table share: what is said of their seeds and lineages."""

import numpy as np
import pandas as pd

from benevolent.analysis.judging.foreign_table import ForeignTable
from benevolent.analysis.judging.repeated_rows import first_repeated, rows_text
from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import LINEAGE_COLUMN, Lineages

_IF_THEY_COUNT = "If equal seeds share no luck, say so: --independent-seeds, or independent_seeds=True"


def seeds_of_their_own(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Say that no two runs share a seed, in a table that does not say which runs share their luck."""
    if given.seed_column not in runs or LINEAGE_COLUMN in runs or len(runs) < 2:
        return ""
    if runs[given.seed_column].duplicated().any():
        return ""
    return f"every row has a {given.seed_column} of its own: runs are taken as independent replicates"


def common_seeds(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Say what the units of evidence are where configurations share their seeds, and how to say that these only count.

    A table with a column of lineages knows which runs share their luck, so there is no advice for it.
    """
    if given.seed_column not in runs or given.independent_seeds:
        return ""
    grouped = GroupedRuns.from_table(runs, given.axes, given.seed_column)
    lineages = Lineages.from_runs(grouped, runs)
    configurations = len(grouped.sizes)
    seeds = len(np.unique(grouped.seeds))
    are_known = LINEAGE_COLUMN in runs
    text = ""
    if lineages.shared_seeds:
        text = (
            f"configurations share their seeds, taken as shared luck: units of evidence are the values of "
            f"{given.seed_column} ({seeds:,}), not the runs ({len(runs):,})"
        )
    elif not are_known and len(lineages) < configurations:
        text = (
            f"configurations with common values of {given.seed_column}, taken as shared luck, are one lineage: "
            f"{len(lineages):,} lineages of {configurations:,} configurations"
        )
    if not text or are_known:
        return text
    return f"{text}. {_IF_THEY_COUNT}"


def lineages_apart(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Name two runs with equal axes and different lineages: the replicates of one configuration have one lineage."""
    if LINEAGE_COLUMN not in runs or LINEAGE_COLUMN in given.axes:
        return ""
    axes = list(given.axes)
    apart = first_repeated(runs[[*axes, LINEAGE_COLUMN]].drop_duplicates()[axes])
    if apart is None:
        return ""
    first = runs[LINEAGE_COLUMN][apart.first]
    second = runs[LINEAGE_COLUMN][apart.second]
    return (
        f"{rows_text(given, apart)} have the same axes and different values of {LINEAGE_COLUMN} ({first} and "
        f"{second}), which the runs of one configuration share: an axis may be missing"
    )
