"""Configurations of a table of runs: mean and standard deviation of every outcome over the replicates of each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import is_test_derived, numeric_columns
from benevolent.analysis.statistics.configurations import group_codes
from benevolent.trainables.store.statuses import ENDED, Status

#: Statuses of runs whose outcomes are averaged: the losses of a diverged run are not finite.
AVERAGED = (Status.CONVERGED, Status.LIMIT)
#: Outcomes of the training and validation splits that stand beside those of the test split.
BESIDE_TEST = ("train_loss", "train_error", "validation_loss", "validation_error")
#: Ending of the column with the standard deviation of an outcome.
DEVIATION = "_sd"


def configuration_table(
    runs: pd.DataFrame,
    by: Sequence[str],
    outcomes: Sequence[str],
    *,
    fields: Sequence[str] = (),
    status_column: str = "status",
) -> pd.DataFrame:
    """Return one row per configuration, the one with the smallest mean of the first outcome first.

    Args:
        runs: one row per run.
        by: columns that are equal for the runs of a configuration, and for no others.
        outcomes: numeric columns to average.
        fields: further columns that are equal within configurations.
        status_column: status of each run; if there is one, only runs that converged or reached their limit are
            averaged. Without it all runs are.

    Returns:
        The columns of `by` and `fields`; `replicates`, the number of runs that have ended; with a status column, the
        number of runs of each status; and for every outcome its mean and, in `<outcome>_sd`, its standard deviation
        (divided by n - 1, missing for one run).

    >>> runs = pd.DataFrame({"width": [8, 8, 4, 4], "test_error": [0.5, 0.5, 0.1, 0.3]})
    >>> configuration_table(runs, ["width"], ["test_error"]).round(3).to_dict("list")
    {'width': [4, 8], 'replicates': [2, 2], 'test_error': [0.2, 0.5], 'test_error_sd': [0.141, 0.0]}
    """
    code = pd.Series(group_codes(runs, by), index=runs.index)
    _, first_runs = np.unique(code, return_index=True)
    table = runs[[*by, *fields]].iloc[first_runs].reset_index(drop=True)
    table["replicates"] = _count(code, len(table))
    averaged = pd.Series(True, index=runs.index)
    if status_column in runs:
        status = runs[status_column]
        averaged = status.isin(AVERAGED)
        table["replicates"] = _count(code[status.isin(ENDED)], len(table))
        for name in Status:
            table[str(name)] = _count(code[status == name], len(table))
    replicates = runs[averaged].groupby(code[averaged])
    for outcome in outcomes:
        table[outcome] = replicates[outcome].mean()
        table[outcome + DEVIATION] = replicates[outcome].std()
    if outcomes:
        table = table.sort_values(outcomes[0], kind="stable", ignore_index=True)
    return table


def _count(code: "pd.Series[int]", configurations: int) -> np.ndarray:
    """Return the number of runs of each configuration."""
    return np.bincount(code, minlength=configurations)


def outcome_columns(runs: pd.DataFrame) -> list[str]:
    """Return the outcomes of a table of runs: test loss and test error first, then the others, then other splits.

    >>> outcome_columns(pd.DataFrame({"test_error": [0.1], "gap": [0.1], "test_loss_variance": [1.0], "width": [8]}))
    ['test_error', 'gap']
    """
    numeric = [name for name in numeric_columns(runs) if not name.endswith("_variance") and "." not in name]
    first = [name for name in ("test_loss", "test_error") if name in numeric]
    derived = [name for name in numeric if is_test_derived(name) and name not in first]
    beside = [name for name in BESIDE_TEST if name in numeric]
    return first + derived + beside


def has_several_values(column: "pd.Series") -> bool:
    """Tell if a column has at least two different values; a missing value is one, and lists are compared as text.

    >>> has_several_values(pd.Series([[1, 2], [1, 2]])), has_several_values(pd.Series([1.0, None]))
    (False, True)
    """
    try:
        return bool(column.nunique(dropna=False) > 1)
    except TypeError:
        return bool(column.map(str).nunique() > 1)
