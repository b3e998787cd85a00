"""Notes on the judged rows of anybody's table: what a reader should know before believing the verdicts on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import is_test_derived
from benevolent.analysis.column_values import numbers_of
from benevolent.analysis.judging.foreign_table import ForeignTable
from benevolent.analysis.judging.left_out import shortened_list
from benevolent.analysis.judging.luck_notes import common_seeds, lineages_apart, seeds_of_their_own
from benevolent.analysis.judging.predictors import NOT_PREDICTORS
from benevolent.analysis.judging.repeated_rows import (
    CONFIGURATION,
    first_repeated,
    refuse_mixed_configurations,
    refuse_repeated_rows,
    rows_text,
)
from benevolent.analysis.judging.scopes import ScopeRuns
from benevolent.analysis.statistics.axis_values import RELATIVE_TIE
from benevolent.analysis.statistics.configurations import group_codes, numeric_column
from benevolent.analysis.statistics.same_order import orders_alike


def notes_on_scopes(given: ForeignTable, scopes: Sequence[ScopeRuns]) -> tuple[str, ...]:
    """Check the rows that are judged, and return sentences on how the table was read and on its oddities.

    Args:
        given: the table.
        scopes: its rows that are judged; the notes are on the first scope, which decides.

    Raises:
        BadInput: two of the rows pass for replicates of one configuration, and are not; see `refuse_repeated_rows` and
            `refuse_mixed_configurations`.
    """
    for scope in scopes:
        refuse_repeated_rows(given, scope.runs)
        refuse_mixed_configurations(given, scope.runs)
    runs = scopes[0].runs
    if runs.empty:
        return given.notes
    kinds = (
        seeds_of_their_own,
        common_seeds,
        _infinite_values,
        _same_order,
        _copies,
        lineages_apart,
        _forgotten_axes,
    )
    notes = [kind(given, runs) for kind in kinds]
    return given.notes + tuple(note for note in notes if note)


def _infinite_values(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Name the predictors with infinite values, which are ranked as the largest or smallest."""
    counts = []
    columns = runs[list(given.predictors)].copy()
    columns[given.target] = given.runs[given.target]  # in the scope "all" that of diverged runs is infinite
    for name in (given.target, *given.predictors):
        values = numeric_column(columns, name, "column")
        infinite = int(np.isinf(values).sum())
        if infinite:
            counts.append(f"{name} ({infinite:,} of {len(runs):,} runs)")
    if not counts:
        return ""
    return f"infinite values are ranked as the largest or smallest: {shortened_list(counts)}"


def _same_order(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Name the predictors that are the target in other units."""
    target = numeric_column(runs, given.target, "target")
    same = [name for name in given.predictors if orders_alike(numeric_column(runs, name, "predictor"), target)]
    if not same:
        return ""
    return (
        f"{shortened_list(same)} and {given.target} determine each other: is it the target in other units? "
        "Then its verdict says nothing, and it should be left out"
    )


def _copies(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Name two rows that may be copies, in a table without seeds."""
    if given.seed_column in runs:
        return ""
    compared = runs[[given.target, *given.axes, *given.predictors]]
    copies = first_repeated(compared)
    if copies is None:
        return ""
    return f"{rows_text(given, copies)} are equal in axes, target and all predictors: drop them if they are copies"


def _forgotten_axes(given: ForeignTable, runs: pd.DataFrame) -> str:
    """Name the columns that differ inside a few configurations only, as a setting does that is not among the axes."""
    if CONFIGURATION in runs:  # a forgotten axis is refused there
        return ""
    suspects = columns_constant_in_most_groups(runs[_possible_axes(given)], group_codes(runs, given.axes))
    if not suspects:
        return ""
    return (
        f"constant inside most configurations, not inside all: {shortened_list(suspects)}. "
        "If one of them is a setting, it belongs among the axes"
    )


def _possible_axes(given: ForeignTable) -> list[str]:
    """Return the columns without a role that were not measured on test data."""
    with_a_role = {given.target, given.seed_column, given.status_column, *given.axes, *NOT_PREDICTORS}
    return [name for name in given.runs if name not in with_a_role and not is_test_derived(name)]


def columns_constant_in_most_groups(columns: pd.DataFrame, group: np.ndarray) -> list[str]:
    """Return the columns that are constant inside most groups of rows and differ inside others.

    Groups in which a column has fewer than two values do not count for it. Numbers that differ by rounding only are
    equal.

    Args:
        columns: any columns.
        group: (n,) number of each row's group.

    >>> table = pd.DataFrame({"optimizer": list("aabbab"), "constant": list("aabbcc"), "loss": range(6)})
    >>> columns_constant_in_most_groups(table, np.array([0, 0, 1, 1, 2, 2]))
    ['optimizer']
    """
    codes = pd.DataFrame({name: _as_numbers(columns[name]) for name in columns})
    groups = codes.groupby(group)
    low = groups.min().to_numpy()
    high = groups.max().to_numpy()
    largest = np.maximum(np.abs(low), np.abs(high))
    finite = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(invalid="ignore"):
        differs = high - low > RELATIVE_TIE * finite
    is_repeated = groups.count().to_numpy() > 1
    constant = (is_repeated & ~differs).sum(axis=0)
    varied = (is_repeated & differs).sum(axis=0)
    suspects = (varied > 0) & (constant > varied)
    return [str(name) for name in columns.columns[suspects]]


def _as_numbers(column: "pd.Series[Any]") -> np.ndarray:
    """(n,) numbers of a column, or codes of its values if these are no numbers; a missing value is NaN."""
    numbers = numbers_of(column)
    if not numbers.problem:
        return numbers.values
    texts = column.astype(object).where(column.isna(), column.map(str))
    codes = pd.factorize(texts)[0]
    return np.where(codes < 0, np.nan, codes)
