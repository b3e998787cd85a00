"""Straight-line fits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import linregress, t

from benevolent.analysis.statistics.correlation import finite_pairs
from benevolent.trainables.errors import BadInput


class LinearFit(NamedTuple):
    """A least-squares line ``y = intercept + slope * x`` and its goodness of fit.

    Attributes:
        slope: in units of y per unit of x.
        intercept: in units of y.
        r2: coefficient of determination.
        adjusted_r2: ``1 - (1 - R2) (n - 1) / (n - 2)``.
        rmse: root mean squared residual, in units of y.
        slope_interval: confidence interval of the slope.
        intercept_interval: confidence interval of the intercept.
        n: number of points.
    """

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

    The intervals are Student's t with n - 2 degrees of freedom; they assume independent noise of equal variance.

    Args:
        x: (n,) numbers; points where x or y is not finite are left out.
        y: (n,) numbers, paired with x.
        confidence: coverage of the two intervals.

    Raises:
        BadInput: fewer than three points are left, or all x are equal.

    >>> fit = linear_fit([0, 1, 2, 3], [1, 3, 5, 7])
    >>> round(fit.slope, 6), round(fit.intercept, 6), round(fit.r2, 6)
    (2.0, 1.0, 1.0)
    """
    points = finite_pairs(x, y)
    n = len(points)
    distinct = len(np.unique(points[:, 0]))
    if n < 3 or distinct < 2:
        raise BadInput(f"a line needs at least 3 finite points with 2 distinct x, got {n} points with {distinct}")
    xs, ys = points.T
    fit = linregress(xs, ys)
    r2 = float(fit.rvalue**2)
    residuals = ys - fit.intercept - fit.slope * xs
    rmse = float(np.sqrt(np.mean(residuals**2)))
    slope = float(fit.slope)
    intercept = float(fit.intercept)
    adjusted_r2 = 1 - (1 - r2) * (n - 1) / (n - 2)
    quantile = t.ppf((1 + confidence) / 2, n - 2)
    slope_interval = _interval(slope, quantile * fit.stderr)
    intercept_interval = _interval(intercept, quantile * fit.intercept_stderr)
    return LinearFit(
        slope=slope,
        intercept=intercept,
        r2=r2,
        adjusted_r2=adjusted_r2,
        rmse=rmse,
        slope_interval=slope_interval,
        intercept_interval=intercept_interval,
        n=n,
    )


def _interval(center: float, half_width: float) -> tuple[float, float]:
    return float(center - half_width), float(center + half_width)
