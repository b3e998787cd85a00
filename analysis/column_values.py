"""Numbers in the columns of anybody's table: also those that were written as text."""

import re
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

#: Words that stand for a missing value, in lower case.
MISSING_WORDS = frozenset(
    {"", "na", "n/a", "#n/a", "nan", "<na>", "none", "null", "nil", "missing", "-", "--", "–", "?"}
)
#: Characters of a value that a message shows.
LONGEST_VALUE = 30
#: A number as text: "1e-3", "-.5", "1,014.45", "inf"; a sign may be the typographic minus. What stands before a comma
#: between thousands does not begin with 0: "0,123" is no 123.
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?|inf|infinity)")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:e[+-]?\d+)?%?")
_PERCENT = "%"


class ColumnNumbers(NamedTuple):
    """The numbers of a column, or the reason why it has none.

    Attributes:
        values: (n,) floats; a missing value is NaN. All of them are NaN if there is a problem.
        problem: the kind of values that are no numbers, such as "text"; empty if all values are numbers or missing.
        position: place of the first value that is no number, from 0; -1 if the problem is not about one value.
    """

    values: np.ndarray
    problem: str = ""
    position: int = -1

    def problem_text(self, column: "pd.Series[Any]") -> str:
        """Return the problem with the first value that has it.

        Args:
            column: the column that was read.

        >>> column = pd.Series(["0.5", "adam"])
        >>> numbers_of(column).problem_text(column)
        "text: 'adam' in row 1"
        """
        if self.position < 0:
            return self.problem
        value = column.iloc[self.position]
        return f"{self.problem}: {_shortened(repr(value))} in {row_name(column.index, self.position)}"


def row_name(index: pd.Index, position: int) -> str:
    """Return the name of a row for a message: its label, after the name of the index if that has one.

    >>> row_name(pd.Index([10, 20]), 1), row_name(pd.Index(["a", "b"], name="run"), 1)
    ('row 20', 'run b')
    """
    return f"{index.name or 'row'} {index[position]}"


def numbers_of(column: "pd.Series[Any]") -> ColumnNumbers:
    """Read a column as numbers.

    Text is read if every value is a number or a word for a missing value: digits with a point, an exponent or commas
    between thousands, an infinity, or a percentage if all values are percentages (95% is 95). Decimal commas are not
    read: "1,456" would be two numbers.

    Args:
        column: of any type.

    >>> numbers_of(pd.Series(["1,014.45", "na", "1e-3"])).values.tolist()
    [1014.45, nan, 0.001]
    >>> numbers_of(pd.Series(["0.5", "adam"]))[1:]
    ('text', 1)
    >>> numbers_of(pd.Series(["1,456", "0,123"]))[1:]
    ('text with what may be a decimal comma', 1)
    """
    if pd.api.types.is_bool_dtype(column):
        return _no_numbers(column, "truth values")
    if pd.api.types.is_complex_dtype(column):
        return _no_numbers(column, "complex numbers")
    if pd.api.types.is_numeric_dtype(column):
        return ColumnNumbers(column.to_numpy(dtype=float, na_value=np.nan))
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return _no_numbers(column, "dates or times")
    if column.isna().all():
        return ColumnNumbers(np.full(len(column), np.nan))
    return _read_objects(column.astype(object))


def _read_objects(column: "pd.Series[Any]") -> ColumnNumbers:
    """Read a column of Python objects, each distinct value once."""
    known: dict[Hashable, float | None] = {}
    values = np.full(len(column), np.nan)
    percentages = set()
    for position, value in enumerate(column):
        if not isinstance(value, Hashable):
            return _no_numbers(column, "lists or mappings", position)
        key = (type(value), value)  # 1 and True are one key otherwise
        if key not in known:
            known[key] = _number(value)
        number = known[key]
        if number is None:
            return _no_numbers(column, _kind(value), position)
        values[position] = number
        if not np.isnan(number):
            percentages.add(isinstance(value, str) and value.rstrip().endswith(_PERCENT))
        if len(percentages) > 1:
            return _no_numbers(column, "percentages beside other numbers", position)
    return ColumnNumbers(values)


def _number(value: Any) -> float | None:
    """Return a value as a float, NaN if it is missing; None if it is no number."""
    if isinstance(value, str):
        return _number_from_text(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return np.nan
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _number_from_text(text: str) -> float | None:
    """Return text as a float, NaN if it stands for a missing value; None if it is no number.

    >>> _number_from_text(" 95 %"), _number_from_text("0,5"), _number_from_text("N/A")
    (95.0, None, nan)
    """
    word = text.strip().lower()
    if word in MISSING_WORDS:
        return np.nan
    digits = word.removesuffix(_PERCENT).rstrip().replace("\N{MINUS SIGN}", "-")
    if not _NUMBER.fullmatch(digits):
        return None
    return float(digits.replace(",", ""))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _kind(value: Any) -> str:
    """Return the kind of a value that is no number."""
    if isinstance(value, str):
        is_decimal = _DECIMAL_COMMA.fullmatch(value.strip().lower().replace("\N{MINUS SIGN}", "-"))
        return "text with what may be a decimal comma" if is_decimal else "text"
    if isinstance(value, bool | np.bool_):
        return "truth values"
    return type(value).__name__


def _no_numbers(column: "pd.Series[Any]", problem: str, position: int = -1) -> ColumnNumbers:
    return ColumnNumbers(np.full(len(column), np.nan), problem, position)
