"""Permutations and bootstrap of whole configurations, and the correction for multiple testing.

Runs of one configuration are not independent, so single runs are never resampled across configurations.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from benevolent.analysis.statistics.configurations import GroupedRuns

RELATIVE_TOLERANCE = 1e-10  # rounding must not turn a tie into a difference


def configuration_permutations(runs: GroupedRuns, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw permutations of whole configurations.

    Only configurations with equally many runs are exchanged, so their vectors fit, and the permutation null is exact
    for a predictor that is independent of axes and outcome.

    Returns:
        (count, G) donors: in permutation k, configuration g receives the whole vector of its donor ``result[k, g]``.
    """
    unpermuted = np.arange(len(runs.sizes))
    donors = np.tile(unpermuted, (count, 1))
    for size in np.unique(runs.sizes):
        members = np.flatnonzero(runs.sizes == size)
        exchanged = donors[:, members]
        donors[:, members] = rng.permuted(exchanged, axis=1)
    return donors


def seed_rotations(seeds: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, S, S) random rotations and reflections of the S seeds that leave their mean unchanged.

    Orthogonal matrices on the space of differences between seeds, uniformly distributed (Stewart 1980). Whole seeds
    are exchangeable under them if their effects are normal with equal variance (rotation tests, Langsrud 2005). The
    permutations of the seeds are among them.
    """
    with_mean = np.column_stack([np.ones(seeds), np.eye(seeds)[:, 1:]])
    orthonormal, _ = np.linalg.qr(with_mean)
    differences = orthonormal[:, 1:]
    dimensions = seeds - 1
    normal = rng.standard_normal((count, dimensions, dimensions))
    q, r = np.linalg.qr(normal)
    diagonal = np.diagonal(r, axis1=1, axis2=2)
    signs = np.sign(diagonal)
    rotations = q * signs[:, None, :]
    return differences @ rotations @ differences.T + 1 / seeds


def bootstrap_counts(groups: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, groups) numbers of draws of each group when as many groups are drawn with replacement."""
    equal = np.full(groups, 1 / groups)
    return rng.multinomial(groups, equal, size=count).astype(float)


def percentile_interval(resampled: np.ndarray, estimate: float, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval (Efron 1979) of resampled statistics; undefined resamples (NaN) are left out.

    A configuration that is drawn twice is tied with itself, so resampled rank correlations are closer to 0 than that
    of the table. If all of them lie on one side of the estimate, the interval is widened to contain it.

    Args:
        resampled: (resamples,) values of the statistic.
        estimate: value for the whole table.
        confidence: coverage.

    Returns:
        (low, high); NaN if every resample is undefined.

    >>> percentile_interval(np.arange(101.0), 50.0, 0.5)
    (25.0, 75.0)
    >>> percentile_interval(np.arange(101.0), 80.0, 0.5)
    (25.0, 80.0)
    >>> percentile_interval(np.array([-np.inf, -np.inf, 1.0, 2.0, 3.0]), 1.0, 0.5)
    (-inf, 2.0)
    """
    defined = resampled[~np.isnan(resampled)]
    if defined.size == 0:
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    method = "linear" if np.isfinite(defined).all() else "inverted_cdf"  # no interpolation between infinities
    low, high = np.quantile(defined, [tail, 1 - tail], method=method)  # type: ignore[call-overload]
    low = np.fmin(low, estimate)
    high = np.fmax(high, estimate)
    return float(low), float(high)


def permutation_p(observed: float, null: np.ndarray) -> float:
    """Monte Carlo p-value (1 + exceedances) / (1 + permutations): never 0 (Phipson and Smyth 2010).

    >>> permutation_p(2.0, np.array([0.0, 1.0, 2.0]))
    0.5
    """
    exceedances = count_exceedances(observed, null)
    return (1 + exceedances) / (1 + len(null))


def count_exceedances(observed: float, null: np.ndarray) -> int:
    """Count the values of the null that are at least as large as the observed one, up to rounding.

    >>> count_exceedances(2.0, np.array([1.0, 2.0, 3.0]))
    2
    """
    tolerance = RELATIVE_TOLERANCE * max(1.0, abs(observed))
    as_large = null >= observed - tolerance
    return int(np.count_nonzero(as_large))


def false_discovery(p_values: ArrayLike) -> np.ndarray:
    """Adjust p-values for the false discovery rate (Benjamini and Hochberg 1995).

    Args:
        p_values: (m,) p-values of one family; NaN entries belong to no test and stay NaN.

    >>> false_discovery([0.01, 0.04, 0.03, np.nan]).round(3).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = false_discovery_control(p[tested])
    return adjusted
