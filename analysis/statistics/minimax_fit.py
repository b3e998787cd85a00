"""One line for many environments: the affine fit whose worst environment is least bad."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from benevolent.trainables.errors import BadInput


class MinimaxFit(NamedTuple):
    """A line ``y = intercept + slope * x``; its root mean squared error in every environment, worst first."""

    slope: float
    intercept: float
    worst: float
    rmse: "pd.Series[float]"


def minimax_fit(x: ArrayLike, y: ArrayLike, environment: ArrayLike) -> MinimaxFit:
    """Affine regression against the worst environment (Dziugaite et al. 2020, the study of single networks).

    It minimizes over slope and intercept the largest, over environments, mean squared error; least squares over all
    points instead lets a measure fail in some environments if it does well in many. The problem is convex.

    Args:
        x: (n,) predictor; points where x or y is not finite are left out.
        y: (n,) outcome.
        environment: (n,) labels.

    Raises:
        BadInput: no point is left, or all x are equal.

    >>> fit = minimax_fit([0, 1, 0, 1], [0, 1, 2, 3], ["a", "a", "b", "b"])
    >>> round(fit.slope, 6), round(fit.intercept, 6), round(fit.worst, 6)
    (1.0, 1.0, 1.0)
    """
    xs, ys, labels = np.asarray(x, dtype=float), np.asarray(y, dtype=float), np.asarray(environment)
    kept = np.isfinite(xs) & np.isfinite(ys)
    xs, ys, labels = xs[kept], ys[kept], labels[kept]
    if len(xs) < 2 or np.ptp(xs) == 0:
        raise BadInput(f"a line needs at least 2 finite points that differ in x, got {len(xs)}")
    names, code = np.unique(labels, return_inverse=True)
    center, width = xs.mean(), xs.std()
    height, level = max(float(ys.std()), 1e-300), ys.mean()
    design, goal = np.column_stack([(xs - center) / width, np.ones_like(xs)]), (ys - level) / height
    sizes = np.bincount(code)
    # The mean squared error of environment e is  w' A_e w - 2 b_e' w + c_e.
    moments = np.stack([np.bincount(code, left * right) / sizes for left in design.T for right in design.T], 1)
    a = moments.reshape(-1, 2, 2)
    b = np.stack([np.bincount(code, column * goal) / sizes for column in design.T], 1)
    c = np.bincount(code, goal**2) / sizes

    def errors(w: np.ndarray) -> np.ndarray:
        return np.asarray(np.einsum("i,eij,j->e", w, a, w) - 2 * b @ w + c)

    start = np.linalg.lstsq(design, goal, rcond=None)[0]
    found = minimize(
        lambda v: v[2],
        np.append(start, errors(start).max()),
        jac=lambda v: np.array([0.0, 0.0, 1.0]),
        constraints={
            "type": "ineq",
            "fun": lambda v: v[2] - errors(v[:2]),
            "jac": lambda v: np.column_stack([-2 * (a @ v[:2] - b), np.ones(len(c))]),
        },
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    w = found.x[:2] if errors(found.x[:2]).max() <= errors(start).max() else start
    rmse = pd.Series(height * np.sqrt(np.maximum(errors(w), 0)), index=names).sort_values(ascending=False)
    slope = float(w[0] * height / width)
    return MinimaxFit(slope, float(level + w[1] * height - slope * center), float(rmse.iloc[0]), rmse)
