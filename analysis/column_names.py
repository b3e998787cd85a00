"""Meanings of a table's columns that follow from their names and types, and what else a table says of itself."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def is_test_derived(name: str) -> bool:
    """Tell if a column is named as one computed from test data: test_*, *_test_*, gap, *_gap, also testLoss.

    >>> [is_test_derived(name) for name in ("test_loss", "loss_gap", "normalized_test_loss", "path_length")]
    [True, True, True, False]
    >>> [is_test_derived(name) for name in ("testAccuracy", "TestLoss", "lossGap", "metrics.gap", "latestLoss")]
    [True, True, True, True, False]
    """
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    words = re.findall(r"[a-z0-9]+", snake_case)
    return "test" in words or words[-1:] == ["gap"]


#: Key of the `attrs` of a table of results: the folders that it was read from.
FOLDERS = "folders"
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
    names = [str(column) for column in columns]
    pattern = re.escape(name + DRAW) + r"\d+" + re.escape(bracket + component)
    draws = [column for column in names if column.startswith(name + DRAW) and re.fullmatch(pattern, column)]
    return sorted(draws, key=_draw_number)


def first_draw(column: str) -> str:
    """Return the column of the first draw of a predictor, given that of any draw.

    >>> first_draw("trace#2"), first_draw("quantiles#3[1]"), first_draw("norm")
    ('trace', 'quantiles[1]', 'norm')
    """
    return re.sub(DRAW + r"\d+(?=\[|$)", "", column)


def _draw_number(column: str) -> int:
    digits = column.rpartition(DRAW)[2].partition("[")[0]
    return int(digits)


def numeric_columns(table: "pd.DataFrame") -> list[str]:
    """Return the names of columns of numbers; truth values are not numbers."""
    return [name for name in table.columns if is_numeric_column(table[name])]


def is_numeric_column(column: "pd.Series[Any]") -> bool:
    """Tell if a column holds numbers; truth values are not numbers."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)
