"""Random effects: the mean over studies of an effect that differs between them, and a test of its sign."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import binomtest
from scipy.stats import t as student


class PooledEffect(NamedTuple):
    """Mean of an effect over a population of studies.

    Attributes:
        mean: the mean.
        low: lower end of its interval; NaN with fewer than two studies, as the p-value.
        high: upper end of its interval.
        p: two-sided p-value of a mean of 0.
        deviation: standard deviation of the effect between studies, beyond what chance within them explains.
        studies: number of studies.
    """

    mean: float
    low: float
    high: float
    p: float
    deviation: float
    studies: int


def random_effects(effects: ArrayLike, variances: ArrayLike, confidence: float = 0.95) -> PooledEffect:
    """Estimate the mean of an effect over studies, of which those at hand are a sample.

    Study i has the effect y_i, with variance v_i by chance within it; effects scatter between studies with variance
    tau^2, which solves ``sum w_i (y_i - mean)^2 = k - 1`` for ``w_i = 1 / (v_i + tau^2)`` (Paule and Mandel 1982), and
    is 0 if there is no solution. The mean is weighted by w_i, and its interval is Student's with k - 1 degrees of
    freedom and the variance ``sum w_i (y_i - mean)^2 / (k - 1) / sum w_i`` (Hartung and Knapp 2001). This variance is
    that of the effects as they scatter, so that it holds too if the v_i are known only up to a factor.

    Args:
        effects: (k,) effects of the studies.
        variances: (k,) their variances, above 0.
        confidence: coverage of the interval.

    >>> pooled = random_effects([1.0, 2.0, 3.0], [0.1, 0.1, 0.1])
    >>> round(pooled.mean, 6), round(pooled.low, 3), round(pooled.deviation**2, 6)
    (2.0, -0.484, 0.9)
    """
    y = np.asarray(effects, dtype=float)
    v = np.asarray(variances, dtype=float)
    studies = len(y)
    if studies == 0:
        return PooledEffect(np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    if studies == 1:
        return PooledEffect(float(y[0]), np.nan, np.nan, np.nan, np.nan, 1)
    between = _variance_between(y, v)
    weights = 1 / (v + between)
    mean = float(weights @ y / weights.sum())
    excess = _squares(y, v, between) / (studies - 1)
    error = np.sqrt(excess / weights.sum())
    margin = float(student.ppf((1 + confidence) / 2, studies - 1) * error)
    p = 2 * student.sf(abs(mean) / error, studies - 1) if error > 0 else float(mean == 0)
    return PooledEffect(mean, mean - margin, mean + margin, float(p), float(np.sqrt(between)), studies)


def _squares(effects: np.ndarray, variances: np.ndarray, between: float) -> float:
    """Return the weighted sum of squares around the weighted mean, for a variance between studies."""
    weights = 1 / (variances + between)
    mean = weights @ effects / weights.sum()
    return float(weights @ (effects - mean) ** 2)


def _variance_between(effects: np.ndarray, variances: np.ndarray) -> float:
    """Return the variance between studies for which the weighted squares have their expectation."""
    freedom = len(effects) - 1
    if _squares(effects, variances, 0.0) <= freedom:
        return 0.0
    most = float(np.sum((effects - effects.mean()) ** 2))  # there the weighted squares are below 1
    return float(brentq(lambda between: _squares(effects, variances, between) - freedom, 0.0, most))


def sign_test(effects: ArrayLike) -> float:
    """Return the two-sided p-value of as many positive as negative effects; effects of 0 count for neither.

    >>> sign_test([0.5, 0.1, 0.2, 0.4, 0.9, -0.3])
    0.21875
    """
    values = np.asarray(effects, dtype=float)
    positive = int(np.count_nonzero(values > 0))
    negative = int(np.count_nonzero(values < 0))
    if positive + negative == 0:
        return 1.0
    return float(binomtest(positive, positive + negative).pvalue)
