"""The value on a scale of ratios that is nearest to one that is asked for."""

import numpy as np
from numpy.typing import ArrayLike


def nearest_in_ratio(values: ArrayLike, target: float) -> float:
    """Return the value whose ratio to a target, or its inverse, is smallest.

    Args:
        values: above 0; the first of several that are equally near is returned.
        target: above 0.

    >>> nearest_in_ratio([50, 100, 400], 190)
    100.0
    """
    known = np.asarray(values, dtype=float)
    distances = np.abs(np.log(known / target))
    return float(known[int(distances.argmin())])
