"""Comparison of the orders of two variables, which are equal if one is the other in other units."""

import numpy as np

from benevolent.analysis.statistics.axis_values import RELATIVE_TIE

#: Fewest distinct values of two columns that order runs in the same way by more than chance: with fewer, or with ties
#: that only one of them has.
FEWEST_VALUES = 3
FEWEST_TIED_VALUES = 10
#: Elements that are compared before all of them are: most pairs of columns disagree there.
FIRST_LOOK = 100


def orders_alike(x: np.ndarray, y: np.ndarray) -> bool:
    """Tell if two variables order runs in exactly the same way, or in exactly the opposite way.

    Either each is a strictly monotone function of the other; or no two runs are ordered differently though one of them
    has ties that the other has not, as after rounding. Values that agree to a relative 1e-9 are equal.

    Args:
        x: (n,) numbers; where x or y is missing, the run is left out.
        y: (n,) numbers.

    >>> orders_alike(np.array([1.0, 4.0, 9.0, 4.0]), np.array([-1.0, -2.0, -3.0, -2.0]))
    True
    >>> orders_alike(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0]))
    False
    """
    present = ~(np.isnan(x) | np.isnan(y))
    x = x[present]
    y = y[present]
    if not _never_disagree(_codes(x[:FIRST_LOOK]), _codes(y[:FIRST_LOOK])):
        return False
    x_codes = _codes(x)
    y_codes = _codes(y)
    if not len(x) or not _never_disagree(x_codes, y_codes):
        return False
    x_values = x_codes.max() + 1
    y_values = y_codes.max() + 1
    pairs = np.unique(x_codes * y_values + y_codes)
    is_strict = x_values == y_values == len(pairs)
    return bool(min(x_values, y_values) >= (FEWEST_VALUES if is_strict else FEWEST_TIED_VALUES))


def _never_disagree(x: np.ndarray, y: np.ndarray) -> bool:
    """Tell if no two elements are ordered differently by x and y, or if none are ordered alike."""
    rising = y[np.lexsort((y, x))]
    falling = y[np.lexsort((-y, x))]
    return bool((np.diff(rising) >= 0).all() or (np.diff(falling) <= 0).all())


def _codes(values: np.ndarray) -> np.ndarray:
    """(n,) ranks without gaps; values that differ by rounding only are tied."""
    distinct, place = np.unique(values, return_inverse=True)
    with np.errstate(invalid="ignore"):
        rises = np.diff(distinct) > RELATIVE_TIE * np.abs(distinct[1:])
    rises |= np.isinf(distinct[1:]) | np.isinf(distinct[:-1])
    codes = np.concatenate([[0], np.cumsum(rises)])
    return np.asarray(codes[place])
