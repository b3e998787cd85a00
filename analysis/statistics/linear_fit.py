"""Straight-line fits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import linregress, t

from benevolent.trainables.errors import BadInput


class LinearFit(NamedTuple):
    """A least-squares line ``y = intercept + slope * x`` and how well it fits."""

    slope: float
    intercept: float
    r2: float
    adjusted_r2: float
    rmse: float
    slope_interval: tuple[float, float]
    intercept_interval: tuple[float, float]
    n: int


def linear_fit(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> LinearFit:
    """Ordinary least squares of y on x.

    Adjusted R2 is ``1 - (1 - R2) (n - 1) / (n - 2)``, rmse is ``sqrt(mean(residual^2))`` in units of y, and
    the intervals are Student's t with n - 2 degrees of freedom (they assume independent, even noise).

    Args:
        x: (n,) numbers; points where x or y is not finite are left out.
        y: (n,) numbers.
        confidence: coverage of the two intervals.

    Raises:
        BadInput: fewer than three points are left, or all x are equal.

    >>> fit = linear_fit([0, 1, 2, 3], [1, 3, 5, 7])
    >>> round(fit.slope, 6), round(fit.intercept, 6), round(fit.r2, 6)
    (2.0, 1.0, 1.0)
    """
    points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    points = points[np.isfinite(points).all(axis=1)]
    n, distinct = len(points), len(np.unique(points[:, 0]))
    if n < 3 or distinct < 2:
        raise BadInput(f"a line needs at least 3 finite points that differ in x, got {n} ({distinct} distinct)")
    xs, ys = points.T
    fit = linregress(xs, ys)
    r2 = float(fit.rvalue**2)
    rmse = float(np.sqrt(np.mean((ys - fit.intercept - fit.slope * xs) ** 2)))
    reach = t.ppf((1 + confidence) / 2, n - 2)
    return LinearFit(
        slope=float(fit.slope),
        intercept=float(fit.intercept),
        r2=r2,
        adjusted_r2=1 - (1 - r2) * (n - 1) / (n - 2),
        rmse=rmse,
        slope_interval=_around(fit.slope, reach * fit.stderr),
        intercept_interval=_around(fit.intercept, reach * fit.intercept_stderr),
        n=n,
    )


def _around(center: float, reach: float) -> tuple[float, float]:
    return float(center - reach), float(center + reach)
