"""Refusals of tables and arguments that `judge` cannot work on, each with one clear line."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import Status

#: Values of an axis that is not numeric: each is an effect of its own in the model of the axes.
MOST_TEXTS = 1000
#: Axes that can be judged: every two of them are looked at together.
MOST_AXES = 500


def check_fractions(**values: float) -> None:
    """Refuse a number that is not strictly between 0 and 1."""
    for argument, value in values.items():
        if not 0 < value < 1:
            raise BadInput(f"{argument} = {value!r}: expected a number between 0 and 1")


def check_counts(**values: int | None) -> None:
    """Refuse a negative count; None stands for a default."""
    for argument, value in values.items():
        if value is not None and value < 0:
            raise BadInput(f"{argument} = {value!r}: expected a count")


def check_random_seed(seed: int) -> None:
    """Refuse a seed that numpy's generators do not take."""
    if not 0 <= seed < 2**32:
        raise BadInput(f"random_seed = {seed!r}: expected an integer from 0 to {2**32 - 1}")


def check_sizes(**sizes: int | None) -> None:
    """Refuse a number of examples that is not positive; None is not known."""
    for argument, size in sizes.items():
        if size is not None and size < 1:
            raise BadInput(f"{argument} = {size!r}: expected a positive number of examples")


def check_columns(table: pd.DataFrame, **named: str | int | None) -> None:
    """Refuse a table without rows, with a column twice, or without a column that was named.

    Args:
        table: one row per run, its columns named by text.
        named: columns by their role, such as seed; None was not named.
    """
    if table.empty:
        raise BadInput("the table has no rows")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise BadInput(f"column {twice!r} is in the table twice")
    for role, name in named.items():  # without seeds or statuses the verdicts would be other ones
        if name is not None:
            require_columns(table, [str(name)], f"{role} column")


def check_target(table: pd.DataFrame, target: str, status_column: str) -> None:
    """Refuse a target that is absent, not numeric or without values."""
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
    if len(axes) > MOST_AXES:
        raise BadInput(f"axes: {len(axes):,} columns; at most {MOST_AXES} can be judged")
    require_columns(table, axes, "axis")
    for axis in axes:
        if axis == target:
            raise BadInput(f"axis {axis!r} is the target")
        if list(axes).count(axis) > 1:
            raise BadInput(f"axis {axis!r} is named twice")
        if not table[axis].map(pd.api.types.is_hashable).all():
            raise BadInput(f"axis {axis!r} has values that are lists or mappings: convert them to text")
        values = table[axis].nunique(dropna=False)
        if values < 2:
            raise BadInput(f"axis {axis!r} has fewer than two values in the table: leave it out of axes")
        if values > MOST_TEXTS and not pd.api.types.is_numeric_dtype(table[axis]):
            raise BadInput(f"axis {axis!r} has {values:,} different texts; at most {MOST_TEXTS:,} make an axis")


def refuse_status(status_column: str, status: str) -> NoReturn:
    """Refuse an unknown status, whose runs would silently belong to no scope."""
    allowed = ", ".join(sorted(Status))
    raise BadInput(
        f"status column {status_column!r} has {status!r}; allowed are {allowed}; "
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
