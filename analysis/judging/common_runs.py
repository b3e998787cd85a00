"""Refusals of two tables that have runs in common, one of which should test what was chosen on the other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binom

from benevolent.analysis.formatting import quantity
from benevolent.analysis.judging.copied_rows import tells_runs_apart
from benevolent.analysis.statistics.configurations import group_codes, numeric_column
from benevolent.trainables.errors import BadInput

FEWEST_PAIRS = 10  # of runs of one configuration, from which on it is counted how often their targets are equal
RARE = 1e-3  # probability below which equal rows are no coincidence
_WHY = "what is chosen on a run cannot be tested on it"


def refuse_common_runs(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Refuse tables with common ids of runs."""
    if "run_id" not in first or "run_id" not in second:
        return
    shared = int(second["run_id"].isin(first["run_id"]).sum())
    if shared:
        raise BadInput(f"{shared} runs are in both tables: {_WHY}")


def refuse_common_rows(
    first: pd.DataFrame,
    second: pd.DataFrame,
    target: str,
    axes: Sequence[str],
    predictors: Sequence[str],
    seed_column: str,
) -> None:
    """Refuse tables with common rows, which are the same runs also where no run has an id.

    Rows that may be equal by chance are no common rows, see `_are_the_same`.

    Args:
        first: one row per run.
        second: one row per run.
        target: the outcome's column.
        axes: columns that make a configuration; those that are in both tables are compared.
        predictors: further columns that are compared.
        seed_column: column of the seed; compared if it is in both tables.
    """
    common_axes = [name for name in axes if name in first and name in second]
    known = [name for name in dict.fromkeys((*axes, seed_column)) if name in first and name in second]
    if not common_axes:
        return
    tables = [_compared(table, [target, *predictors], known) for table in (first, second)]
    distinct = pd.concat([table.drop_duplicates() for table in tables], ignore_index=True)
    repeats = distinct.duplicated()
    shared = int(repeats.sum())
    varying = tells_runs_apart(distinct[~repeats], known, predictors)
    if shared and (varying or _are_the_same(tables, target, common_axes, known)):
        raise BadInput(
            f"the tables have {quantity(shared, 'row')} in common, equal in {', '.join(known)}, {target} and all "
            f"predictors: {_WHY}"
        )


def _compared(table: pd.DataFrame, measured: Sequence[str], known: Sequence[str]) -> pd.DataFrame:
    """Return the columns that are compared, numbers as numbers, in the runs with a finite target (measured first)."""
    columns = table[list(known)].copy()
    for name in measured:
        columns[name] = numeric_column(table, name, "column")
    return columns[np.isfinite(columns[measured[0]])]


def _are_the_same(tables: Sequence[pd.DataFrame], target: str, axes: Sequence[str], known: Sequence[str]) -> bool:
    """Tell if more rows of two tables are equal than by chance, if predictors follow from axes and seed.

    Such predictors, of the initial weights for example, are equal on another data set, and an error has few values.
    Chance makes two targets of one configuration equal as often in a table as between two tables.

    Args:
        tables: both tables, only the columns that are compared.
        target: the outcome's column.
        axes: columns that make a configuration.
        known: axes, and the seed if there is one.
    """
    pairs = sum(_pairs_within(table, axes) for table in tables)
    ties = sum(_pairs_within(table, [*axes, target]) for table in tables)
    chance = 0.5  # of tables without replicates, more than it will be
    if pairs >= FEWEST_PAIRS:
        chance = min(1.0, (ties + 3) / pairs)  # without a tie, 3 / pairs is the end of a 95% interval
    compared = _pairs_between(tables, known)
    equal = _pairs_between(tables, list(tables[0]))
    return bool(binom.sf(equal - 1, compared, chance) < RARE)


def _pairs_within(table: pd.DataFrame, names: Sequence[str]) -> int:
    """Return how many pairs of rows are equal in some columns."""
    sizes = np.bincount(group_codes(table, names))
    return int((sizes * (sizes - 1) // 2).sum())


def _pairs_between(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> int:
    """Return how many pairs of a row of one table and a row of the other are equal in some columns."""
    first, second = tables
    codes = group_codes(pd.concat([first, second], ignore_index=True), names)
    groups = codes.max(initial=-1) + 1
    of_first = np.bincount(codes[: len(first)], minlength=groups)
    of_second = np.bincount(codes[len(first) :], minlength=groups)
    return int(of_first @ of_second)
