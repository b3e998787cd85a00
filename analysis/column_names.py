"""Meanings of a table's columns that follow from their names and types."""

import re
from collections.abc import Iterable

import pandas as pd


def is_test_derived(name: str) -> bool:
    """Tell if a column is named as one computed from test data: test_*, *_test_*, gap, *_gap, also testLoss.

    >>> [is_test_derived(name) for name in ("test_loss", "loss_gap", "normalized_test_loss", "path_length")]
    [True, True, True, False]
    >>> [is_test_derived(name) for name in ("testAccuracy", "TestLoss", "lossGap", "latestLoss")]
    [True, True, True, False]
    """
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    words = re.split(r"[^a-z0-9]+", snake_case)
    return "test" in words or bool(re.search(r"(^|_)gap$", snake_case))


#: Sign between the name of a measure and the number of a further draw of it.
DRAW = "#"


def further_draws(predictor: str, columns: Iterable[object]) -> list[str]:
    """Return the columns of further draws of a predictor, in their order.

    >>> further_draws("trace", ["trace", "trace#2", "trace#3", "norm#2"])
    ['trace#2', 'trace#3']
    >>> further_draws("quantiles[1]", ["quantiles#2[1]", "quantiles#2[0]"])
    ['quantiles#2[1]']
    """
    name, bracket, component = predictor.partition("[")
    pattern = re.escape(name + DRAW) + r"\d+" + re.escape(bracket + component)
    draws = [str(column) for column in columns if re.fullmatch(pattern, str(column))]
    return sorted(draws, key=_draw_number)


def _draw_number(column: str) -> int:
    digits = column.rpartition(DRAW)[2].partition("[")[0]
    return int(digits)


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of columns of numbers; truth values are not numbers."""
    names = []
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name]):
            names.append(str(name))
    return names
