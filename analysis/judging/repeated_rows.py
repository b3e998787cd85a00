"""Refusals of rows that would pass for replicates of one configuration, though they are copies or differ in more."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.column_values import row_name
from benevolent.analysis.configuration_fields import is_configuration_field, is_in_configuration
from benevolent.analysis.judging.foreign_table import ForeignTable
from benevolent.analysis.judging.left_out import shortened_list
from benevolent.analysis.judging.predictors import NOT_PREDICTORS
from benevolent.trainables.errors import BadInput

#: Rows in which the values of a column are counted.
COUNTED_ROWS = 1000
#: Column of results that is equal for the replicates of a configuration.
CONFIGURATION = "configuration"


class RepeatedRows(NamedTuple):
    """Two rows with equal keys.

    Attributes:
        first: place of the first of them.
        second: place of the second.
        rows: number of rows that have the keys of another row.
    """

    first: int
    second: int
    rows: int


def refuse_repeated_rows(given: ForeignTable, runs: pd.DataFrame) -> None:
    """Refuse runs with the same axes and the same seed.

    Args:
        given: the table.
        runs: its rows that are judged; those that a scope leaves out may repeat others.

    Raises:
        BadInput: names two of the rows and the columns in which they differ.
    """
    if given.seed_column not in runs:
        return
    names = dict.fromkeys([*given.axes, given.seed_column])  # the seed may be an axis
    keys = runs[list(names)]
    repeated = first_repeated(keys)
    if repeated is None:
        return
    differing = _differing_columns(given, repeated, runs.columns)
    difference = f"differ in {shortened_list(differing)}" if differing else "are equal in every column"
    raise BadInput(
        f"{rows_text(given, repeated)} have the same axes and {given.seed_column} "
        f"({_values_text(keys, repeated.first)}) and {difference}: drop duplicates or add an axis"
    )


def refuse_mixed_configurations(given: ForeignTable, runs: pd.DataFrame) -> None:
    """Refuse runs with the same axes and different configurations, if the table tells configurations apart.

    Args:
        given: the table.
        runs: its rows that are judged.

    Raises:
        BadInput: names two of the rows and the fields in which they differ.
    """
    axes = list(given.axes)
    if CONFIGURATION not in runs or CONFIGURATION in axes:
        return
    one_of_each = runs[[*axes, CONFIGURATION]].drop_duplicates()
    repeated = first_repeated(one_of_each[axes])
    if repeated is None:
        return
    measured = {given.target, *given.predictors, *NOT_PREDICTORS}
    settings = [name for name in runs if name not in measured and not is_test_derived(name)]
    constant = _constant_in_configurations(runs, given.predictors)
    differing = _differing_columns(given, repeated, settings) + _differing_columns(given, repeated, constant)
    difference = shortened_list(differing) if differing else "no column that could be a setting"
    remedy = "name what was varied as an axis"
    if differing and set(differing) <= set(constant):
        remedy += " (--axes; a column of numbers is a predictor otherwise)"
    raise BadInput(
        f"{rows_text(given, repeated)} have the same axes ({_values_text(runs[axes], repeated.first)}) and "
        f"different configurations; they differ in {difference}: {remedy}"
    )


def first_repeated(keys: pd.DataFrame) -> RepeatedRows | None:
    """Return the first two rows with equal keys."""
    repeated = keys[keys.duplicated(keep=False)]
    if repeated.empty:
        return None
    groups = repeated.groupby(list(keys.columns), dropna=False, observed=True, sort=False).ngroup()
    places = groups.index[groups == groups.iloc[0]]
    return RepeatedRows(int(places[0]), int(places[1]), len(repeated))


def _constant_in_configurations(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the columns that are equal in all runs of each configuration, as a setting is."""
    values = runs[list(names)].groupby(runs[CONFIGURATION]).nunique()
    is_constant = (values <= 1).all()
    return [name for name in names if is_constant[name]]


def _differing_columns(given: ForeignTable, repeated: RepeatedRows, names: Iterable[str]) -> list[str]:
    """Return the columns in which two rows differ, those first that are most like a setting.

    Fields of the configuration come first, columns that say which run it is last; in between and among these, those
    that have few values in the table.
    """
    values: dict[str, int] = {}
    for name in names:
        column = given.runs[name]
        first = str(column[repeated.first])
        second = str(column[repeated.second])
        if first != second and name != given.seed_column:
            values[name] = column.head(COUNTED_ROWS).map(str).nunique()
    fields = {name for name in values if is_in_configuration(name) or is_configuration_field(name)}

    def place(name: str) -> tuple[bool, bool, int, bool]:
        return name in NOT_PREDICTORS, name not in fields, values[name], name == given.target

    return sorted(values, key=place)


def rows_text(given: ForeignTable, repeated: RepeatedRows) -> str:
    """Return two rows in words, with the number of further ones."""
    first = row_name(given.rows, repeated.first)
    second = row_name(given.rows, repeated.second)
    others = repeated.rows - 2
    if not others:
        return f"{first} and {second}"
    return f"{first} and {second} (and {others:,} more like them)"


def _values_text(columns: pd.DataFrame, place: int) -> str:
    return ", ".join(f"{name} = {columns[name][place]}" for name in columns)
