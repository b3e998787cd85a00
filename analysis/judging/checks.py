"""Refusals of tables and arguments that `judge` cannot work on, each with one clear line."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import Status


def check_lists(**names: Sequence[str] | None) -> None:
    """Refuse a single text where a list of column names belongs."""
    for argument, value in names.items():
        if isinstance(value, str):
            raise BadInput(f"{argument} must be a list of column names, not the text {value!r}")


def check_fractions(**values: float) -> None:
    """Refuse a number that is not strictly between 0 and 1."""
    for argument, value in values.items():
        if not 0 < value < 1:
            raise BadInput(f"{argument} = {value!r}: expected a number between 0 and 1")


def check_counts(**values: float | None) -> None:
    """Refuse a number that is not a count; None stands for a default."""
    for argument, value in values.items():
        if value is not None and (value < 0 or value != int(value)):
            raise BadInput(f"{argument} = {value!r}: expected a count")


def check_table(table: pd.DataFrame, target: str, status_column: str) -> None:
    """Refuse a table without rows, with a column twice, without values of the target, or with an unknown status."""
    if table.empty:
        raise BadInput("the table has no rows")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise BadInput(f"column {twice!r} is in the table twice")
    if np.isnan(numeric_column(table, target, "target")).all():
        reason = ": all runs diverged" if all_diverged(table, status_column) else ""
        raise BadInput(f"target {target!r} has no values in the table{reason}")


def all_diverged(table: pd.DataFrame, status_column: str) -> bool:
    """Tell if a table has runs and all of them diverged."""
    return len(table) > 0 and status_column in table and bool((table[status_column] == Status.DIVERGED).all())


def check_axes(table: pd.DataFrame, target: str, axes: Sequence[str]) -> None:
    """Refuse axes that do not tell configurations apart."""
    if not axes:
        raise BadInput("axes is empty: name the columns that make a configuration")
    require_columns(table, axes, "axis")
    for axis in axes:
        if axis == target:
            raise BadInput(f"axis {axis!r} is the target")
        if list(axes).count(axis) > 1:
            raise BadInput(f"axis {axis!r} is named twice")
        if not table[axis].map(pd.api.types.is_hashable).all():
            raise BadInput(f"axis {axis!r} has values that are lists or mappings: convert them to text")
        if table[axis].nunique(dropna=False) < 2:
            raise BadInput(f"axis {axis!r} has fewer than two values in the table: leave it out of axes")


def check_status(table: pd.DataFrame, status_column: str) -> None:
    """Refuse an unknown status, whose runs would silently belong to no scope."""
    if status_column not in table:
        return
    unknown = {*table[status_column].map(str)} - set(Status)
    if unknown:
        allowed = ", ".join(sorted(Status))
        raise BadInput(
            f"status column {status_column!r} has {min(unknown)!r}; allowed are {allowed}; "
            "if the column means something else, rename it"
        )


def check_predictors(table: pd.DataFrame, target: str, axes: Sequence[str], predictors: Sequence[str]) -> None:
    """Refuse predictors that are absent, not numeric, or something else already."""
    if not predictors:
        raise BadInput("no predictors: every numeric column of the table is an axis, an outcome or an identifier")
    for predictor in predictors:
        numeric_column(table, predictor, "predictor")
        if predictor == target:
            raise BadInput(f"predictor {predictor!r} is the target")
        if predictor in axes:
            raise BadInput(f"predictor {predictor!r} is an axis")
        if list(predictors).count(predictor) > 1:
            raise BadInput(f"predictor {predictor!r} is named twice")


def check_replicates(table: pd.DataFrame, axes: Sequence[str], seed_column: str) -> None:
    """Refuse runs that differ in more than seed and axes: they would pass for replicates of one configuration."""
    if seed_column not in table:
        return
    repeated = table.duplicated([*axes, seed_column], keep=False)
    if not repeated.any():
        return
    fields = [name for name in table if "." in str(name) and name not in axes]
    varied = [name for name in fields if table[name].map(str).nunique() > 1]
    hint = f" (they differ in: {', '.join(varied)})" if varied else ""
    raise BadInput(
        f"{int(repeated.sum())} rows have the same axes and {seed_column} as another row: "
        f"drop duplicates or add an axis{hint}"
    )
