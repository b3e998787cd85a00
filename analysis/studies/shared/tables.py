"""Tables of networks, and the choice of their rows."""

from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.results import Results

#: Tables by the name of a sweep, or of what else they are about.
Tables = Mapping[str, pd.DataFrame]


def rows_with(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """Return the rows in which a column has a value.

    >>> rows_with(pd.DataFrame({"width": [8, 16], "loss": [0.5, 0.25]}), "width", 16)["loss"].tolist()
    [0.25]
    """
    return table[table[column] == value]


def epochs_of(results: Results, rows: pd.DataFrame) -> "pd.Series[float]":
    """Return the epoch of each row of a table with the columns `run_id` and `step`; part of an epoch is a fraction."""
    steps_per_epoch = {run_id: results.config(run_id).steps_per_epoch for run_id in rows["run_id"].unique()}
    return rows["step"] / rows["run_id"].map(steps_per_epoch)
