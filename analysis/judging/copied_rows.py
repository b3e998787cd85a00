"""Rows that repeat other rows: a run that was logged twice is one piece of evidence, not two."""

from collections.abc import Iterable, Sequence

import pandas as pd

from benevolent.analysis.column_names import numeric_columns
from benevolent.analysis.column_values import row_name

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

    Where equal rows may be a coincidence (see `_are_copies`), nothing is left out.

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
    measured = [name for name in numeric_columns(table[names]) if name not in (*axes, target)]
    copies = int(repeats.sum())
    if not copies or not _are_copies(table[~repeats], copies, axes, measured):
        return table
    copy = int(repeats.argmax())
    original = int((rows == rows[copy]).argmax())
    example = f"{row_name(table.index, copy)} repeats {row_name(table.index, original)} in every column"
    more = f", and {copies - 1:,} more rows do so" if copies > 1 else ""
    notes.append(f"{example}{more}: copies are judged once")
    return table[~repeats]


def _are_copies(distinct: pd.DataFrame, repeats: int, axes: Sequence[str], measured: Sequence[str]) -> bool:
    """Tell if repeated rows are no coincidence.

    Where no configuration has two distinct rows, many repeats are none: replicates would differ in some configurations.
    """
    if not distinct.duplicated(list(axes)).any():
        return repeats >= FEWEST_ROWS
    return tells_runs_apart(distinct, axes, measured)


def tells_runs_apart(rows: pd.DataFrame, axes: Sequence[str], columns: Iterable[str]) -> bool:
    """Tell if some column has a value of its own in nearly every run, so that equal rows are rows of one run.

    This column has to vary inside configurations: what follows from the axes is equal in all runs of a configuration.

    Args:
        rows: distinct rows.
        axes: columns that make a configuration.
        columns: names of columns of numbers.

    >>> rows = pd.DataFrame({"width": [4, 8] * 10, "norm": range(20), "depth": [1, 2] * 10})
    >>> tells_runs_apart(rows, ["width"], ["norm"]), tells_runs_apart(rows, ["width"], ["depth"])
    (True, False)
    """
    if len(rows) < FEWEST_ROWS:
        return False
    fine = [name for name in columns if rows[name].nunique() >= FINE_SHARE * len(rows)]
    if not fine:
        return False
    values = rows.groupby(list(axes), dropna=False, observed=True)[fine].nunique()
    return bool((values > 1).any(axis=None))
