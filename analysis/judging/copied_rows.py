"""Rows that repeat other rows: a run that was logged twice is one piece of evidence, not two."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import numeric_columns
from benevolent.analysis.column_values import row_name
from benevolent.analysis.statistics.configurations import numeric_column

#: Columns in which the copies of a row may differ: names of runs, and times.
NAMES_AND_TIMES = {
    "run_id",
    "cohort_id",
    "experiment_id",
    "start_time",
    "end_time",
    "seconds",
    "_runtime",
    "_timestamp",
}
FEWEST_ROWS = 10  # of fewer rows nobody can say how many values a column may have
#: Share of different values among n distinct rows from which on equal rows are no coincidence: the column then has some
#: 10 n possible values or more, so that chance makes at most a few rows equal.
FINE_SHARE = 0.95


def without_copies(table: pd.DataFrame, target: str, axes: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """Return a table without the rows that repeat an earlier one in every column but its name and times.

    Where equal rows may be a coincidence (see `tells_runs_apart`), nothing is left out.

    Args:
        table: one row per run, without a column of seeds.
        target: the outcome's column; rows without it are kept.
        axes: columns that make a configuration.
        notes: sentences on the table, to which one is added.
    """
    alike = table.duplicated([*axes, target], keep=False) & table[target].notna()
    if not alike.any():
        return table
    names = [name for name in table if name not in NAMES_AND_TIMES and not name.startswith("Unnamed:")]
    compared = table.loc[:, names].copy()
    for name in names:
        if not pd.api.types.is_numeric_dtype(compared[name]):
            compared[name] = compared[name].map(str)  # lists have no hash
    rows = pd.util.hash_pandas_object(compared, index=False).to_numpy()
    repeats = pd.Series(rows).duplicated().to_numpy() & alike.to_numpy()
    measured = [name for name in numeric_columns(table[names]) if name not in axes]
    if not repeats.any() or not tells_runs_apart(table[~repeats], target, axes, measured):
        return table
    copy = int(repeats.argmax())
    original = int((rows == rows[copy]).argmax())
    copies = int(repeats.sum())
    example = f"{row_name(table.index, copy)} repeats {row_name(table.index, original)} in every column"
    more = f", and {copies - 1:,} more rows do so" if copies > 1 else ""
    notes.append(f"{example}{more}: copies are judged once")
    return table[~repeats]


def rows_in_common(
    first: pd.DataFrame, second: pd.DataFrame, target: str, known: Sequence[str], predictors: Sequence[str]
) -> int:
    """Return how many rows of a second table are in a first one; 0 where equal rows may be a coincidence.

    They may be if they are few and the target has few values. Predictors may follow from axes and seed, as that of the
    initial weights does, which are the same on another data set.

    Args:
        first: one row per run.
        second: one row per run.
        target: the outcome's column.
        known: axes, and the seed if there is one.
        predictors: further columns that are compared.
    """
    rows = [_distinct_rows(table, target, known, predictors) for table in (first, second)]
    both = pd.concat(rows, ignore_index=True)
    repeats = both.duplicated()
    shared = int(repeats.sum())
    is_large = 2 * shared >= min(map(len, rows))
    if is_large or tells_runs_apart(both[~repeats], target, known, predictors):
        return shared
    return 0


def _distinct_rows(table: pd.DataFrame, target: str, known: Sequence[str], predictors: Sequence[str]) -> pd.DataFrame:
    """Return the distinct rows with a finite target, numbers as numbers."""
    rows = table[list(known)].copy()
    for name in (target, *predictors):
        rows[name] = numeric_column(table, name, "column")
    return rows[np.isfinite(rows[target])].drop_duplicates()


def tells_runs_apart(rows: pd.DataFrame, target: str, axes: Sequence[str], others: Iterable[str]) -> bool:
    """Tell if equal rows are rows of one run: some column has a value of its own in nearly every run.

    This column is the target, or one that varies inside configurations; what follows from the axes is equal in all runs
    of a configuration.

    Args:
        rows: distinct rows.
        target: the outcome's column.
        axes: columns that make a configuration.
        others: further columns.

    >>> rows = pd.DataFrame({"width": [4, 8] * 10, "error": [0.1, 0.2] * 10, "norm": range(20)})
    >>> tells_runs_apart(rows, "error", ["width"], ["norm"]), tells_runs_apart(rows, "error", ["width"], [])
    (True, False)
    """
    if len(rows) < FEWEST_ROWS:
        return False
    fine = [name for name in others if rows[name].nunique() >= FINE_SHARE * len(rows)]
    if rows[target].nunique() >= FINE_SHARE * len(rows):
        return True
    values = rows.groupby(list(axes), dropna=False, observed=True)[fine].nunique()
    return bool((values > 1).any(axis=None))
