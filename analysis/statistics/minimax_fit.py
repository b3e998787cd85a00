"""Minimax regression: one line for several environments, fitted to the environment with the largest error."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from benevolent.trainables.errors import BadInput

SMALLEST_SCALE = 1e-300  # avoids a division by zero if all y are equal


class MinimaxFit(NamedTuple):
    """A line ``y = intercept + slope * x`` and its root mean squared error in every environment.

    Attributes:
        slope: in units of y per unit of x.
        intercept: in units of y.
        worst: largest root mean squared error.
        rmse: root mean squared error of each environment, largest first.
    """

    slope: float
    intercept: float
    worst: float
    rmse: "pd.Series[float]"


def minimax_fit(x: ArrayLike, y: ArrayLike, environment: ArrayLike) -> MinimaxFit:
    """Fit a line that minimizes the error of the worst environment.

    Source: Dziugaite et al. 2020, "In search of robust measures of generalization" (the study of single networks).
    ``min over (slope, intercept) of max over environments of the mean squared error``. Least squares over all points
    would let a predictor fail in some environments if it does well in many. The problem is convex.

    Args:
        x: (n,) predictor; points where x or y is not finite are left out.
        y: (n,) outcome.
        environment: (n,) labels.

    Raises:
        BadInput: fewer than two points are left, or all x are equal.

    >>> fit = minimax_fit([0, 1, 0, 1], [0, 1, 2, 3], ["a", "a", "b", "b"])
    >>> round(fit.slope, 6), round(fit.intercept, 6), round(fit.worst, 6)
    (1.0, 1.0, 1.0)
    """
    x = np.asarray(x, dtype=float)
    y = np.asarray(y, dtype=float)
    points = np.column_stack([x, y])
    finite = np.isfinite(points).all(axis=1)
    xs, ys = points[finite].T.copy()
    if len(xs) < 2 or np.ptp(xs) == 0:
        raise BadInput(f"a line needs at least 2 finite points that differ in x, got {len(xs)}")
    environments = np.asarray(environment)[finite]
    names, code = np.unique(environments, return_inverse=True)
    x_mean = xs.mean()
    x_scale = xs.std()
    y_mean = ys.mean()
    y_scale = max(float(ys.std()), SMALLEST_SCALE)
    scaled = (xs - x_mean) / x_scale
    design = np.column_stack([scaled, np.ones_like(xs)])
    goal = (ys - y_mean) / y_scale
    w, errors = _minimize_largest_error(design, goal, code)
    root_errors = y_scale * np.sqrt(np.maximum(errors, 0))
    rmse = pd.Series(root_errors, index=names)
    rmse = rmse.sort_values(ascending=False)
    worst = float(rmse.iloc[0])
    slope = float(w[0] * y_scale / x_scale)
    level = y_mean + w[1] * y_scale
    intercept = float(level - slope * x_mean)
    return MinimaxFit(slope, intercept, worst, rmse)


def _minimize_largest_error(design: np.ndarray, goal: np.ndarray, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimize the largest mean squared error of any environment.

    The mean squared error of environment e is ``w' A_e w - 2 b_e' w + c_e``. The solver minimizes a bound v[2] on all
    of them over v = (w, bound).

    Args:
        design: (n, 2) columns.
        goal: (n,) values to fit.
        code: (n,) environment of each point.

    Returns:
        (2,) coefficients and (E,) mean squared errors.
    """
    sizes = np.bincount(code)
    moments = []
    for left in design.T:
        for right in design.T:
            moments.append(np.bincount(code, left * right) / sizes)
    a = np.stack(moments, 1).reshape(-1, 2, 2)
    products = []
    for column in design.T:
        products.append(np.bincount(code, column * goal) / sizes)
    b = np.stack(products, 1)
    c = np.bincount(code, goal**2) / sizes

    def errors(w: np.ndarray) -> np.ndarray:
        quadratic = np.einsum("i,eij,j->e", w, a, w)
        linear = 2 * b @ w
        return np.asarray(quadratic - linear + c)

    def slack(v: np.ndarray) -> np.ndarray:
        return np.asarray(v[2] - errors(v[:2]))

    def slack_gradient(v: np.ndarray) -> np.ndarray:
        half_gradient = a @ v[:2] - b
        return np.column_stack([-2 * half_gradient, np.ones(len(c))])

    def bound(v: np.ndarray) -> float:
        return float(v[2])

    def bound_gradient(v: np.ndarray) -> np.ndarray:
        return np.array([0.0, 0.0, 1.0])

    least_squares = np.linalg.lstsq(design, goal, rcond=None)[0]
    start = np.append(least_squares, errors(least_squares).max())
    under_bound = {"type": "ineq", "fun": slack, "jac": slack_gradient}
    options = {"ftol": 1e-12, "maxiter": 500}
    solution = minimize(bound, start, jac=bound_gradient, constraints=under_bound, method="SLSQP", options=options)
    w = solution.x[:2]
    if errors(w).max() > errors(least_squares).max():  # the solver stopped early
        w = least_squares
    return w, errors(w)
