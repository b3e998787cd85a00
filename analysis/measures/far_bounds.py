"""Bounds on slopes far from the data, from the activation patterns and slopes at some inputs (Loukas et al. 2021).

With all layers but the ReLUs affine, the Jacobian d f / d x is linear in the Kronecker product s(x) of the layers'
activation patterns. So s(x) = sum_i a_i s(x_i) gives ||d f / d x|| <= sum_i |a_i| ||d f / d x_i||, and the least such
sum is a linear program, as in the authors' code. Scalar products of s are products of those of the layers' patterns, so
nothing of the size of s is computed, whatever the depth.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

#: For unit vectors: a squared distance from a span, or an eigenvalue, below it is zero.
ZERO = 1e-9


class PatternSpan:
    """Linear span of the patterns s(x_i) at n inputs, and the bounds that it gives elsewhere.

    Args:
        patterns: for each ReLU layer, which of its units are on, `(n, units)`; different inputs may have the same.
        slopes: ||d f / d x_i|| `(n,)`.

    >>> span = PatternSpan([np.eye(2)], np.array([3.0, 4.0]))
    >>> span.bounds([np.array([[1.0, 0.0], [1.0, 1.0]])]).round(6).tolist()
    [3.0, 7.0]
    """

    def __init__(self, patterns: Sequence[np.ndarray], slopes: np.ndarray) -> None:
        layers = [layer.astype(float) for layer in patterns]
        lengths = _lengths(layers)
        active = lengths > 0  # where a whole layer is off, the Jacobian is zero
        self._layers = [layer[active] for layer in layers]
        self._lengths = lengths[active]
        self._cost = slopes[active] / self._lengths
        products = [layer @ layer.T for layer in self._layers]
        lengths = np.outer(self._lengths, self._lengths)
        gram = np.prod(products, 0) / lengths
        values, vectors = np.linalg.eigh(gram)
        null_size = len(values) - int((values > ZERO).sum())
        self._values = values[null_size:]
        self._span = vectors[:, null_size:]
        self._null = vectors[:, :null_size]

    def covers(self, patterns: Sequence[np.ndarray]) -> np.ndarray:
        """Return True `(m,)` where the pattern s(x) is in the span; for each layer, `patterns` are `(m, units)`."""
        return np.array([coefficients is not None for _, coefficients in self._coefficients(patterns)], dtype=bool)

    def bounds(self, patterns: Sequence[np.ndarray]) -> np.ndarray:
        """Return the bounds `(m,)` of ||d f / d x||; NaN where the pattern s(x) is not in the span."""
        bounds = []
        for length, coefficients in self._coefficients(patterns):
            if coefficients is None:
                bounds.append(np.nan)
            elif not length:
                bounds.append(0.0)
            else:
                bounds.append(length * _least_cost(self._cost, coefficients, self._null))
        return np.array(bounds)

    def _coefficients(self, patterns: Sequence[np.ndarray]) -> list[tuple[float, np.ndarray | None]]:
        """Return, for each pattern, its length, and coefficients of its unit vector; None if it is not in the span."""
        layers = [layer.astype(float) for layer in patterns]
        lengths = _lengths(layers)
        products = [layer @ seen.T for layer, seen in zip(layers, self._layers, strict=True)]
        cross = np.prod(products, 0) / self._lengths
        found: list[tuple[float, np.ndarray | None]] = []
        for length, row in zip(lengths, cross, strict=True):
            if not length:
                found.append((0.0, np.zeros(len(self._lengths))))
                continue
            part = self._span.T @ row / length / self._values
            covered = 1 - self._values @ part**2 <= ZERO
            found.append((length, self._span @ part if covered else None))
        return found


def _lengths(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Return the length `(n,)` of the Kronecker product of the layers' patterns, from zeros and ones `(n, units)`."""
    sums = [layer.sum(1) for layer in layers]
    return np.sqrt(np.prod(sums, 0))


def _least_cost(cost: np.ndarray, solution: np.ndarray, null: np.ndarray) -> float:
    """Return the least sum_i cost_i |a_i| over a = solution + null z.

    By its dual, max solution^T w over |w_i| <= cost_i with null^T w = 0: the patterns are nearly independent as a rule,
    so that this has few rows.
    """
    if not null.shape[1]:
        return float(cost @ np.abs(solution))
    box = np.stack([-cost, cost], 1)
    zeros = np.zeros(null.shape[1])
    solved = linprog(-solution, A_eq=null.T, b_eq=zeros, bounds=box, method="highs")
    return float(-solved.fun) if solved.success else np.nan


def first_of_each(rows: np.ndarray) -> np.ndarray:
    """Return the places of the first of each kind of boolean rows `(n, P)`, in order.

    >>> first_of_each(np.array([[True, False], [True, False], [False, False]])).tolist()
    [0, 2]
    """
    packed = np.packbits(rows, axis=1)
    _, places = np.unique(packed, axis=0, return_index=True)
    return np.sort(places)
