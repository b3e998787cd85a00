"""Values of axes that differ by rounding only, made equal, so that they do not tell configurations apart."""

from typing import Any

import numpy as np
import pandas as pd

RELATIVE_TIE = 1e-9  # values that agree to this fraction of their size differ by rounding only
ZERO = 1e-15  # a value below this fraction of the largest one is 0 up to rounding


def join_close_values(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Make values of an axis equal that differ by rounding only, such as 0.3 and 0.1 + 0.2.

    Floats that agree to a relative 1e-9 become the one among them with the fewest digits; a value below 1e-15 of the
    largest one becomes 0 if the axis has a 0. Other types are returned as they are.

    >>> join_close_values(pd.Series([0.3, 0.1 + 0.2, 0.4])).tolist()
    [0.3, 0.3, 0.4]
    """
    if not pd.api.types.is_float_dtype(column):
        return column
    values = np.sort(column.dropna().unique().astype(float))
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return column
    size = np.abs(finite)
    tolerance = np.maximum(size[1:], size[:-1]) * RELATIVE_TIE
    if 0 in finite:
        tolerance = np.maximum(tolerance, size.max() * ZERO)
    is_close = np.diff(finite) <= tolerance
    if not is_close.any():
        return column
    shortest = {}
    for group in np.split(finite, np.flatnonzero(~is_close) + 1):
        written = min(group.tolist(), key=_digits)
        shortest.update(dict.fromkeys(group.tolist(), written))
    return column.map(lambda value: shortest.get(value, value))


def _digits(value: float) -> tuple[int, float]:
    return len(repr(value)), value
