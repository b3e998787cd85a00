"""Permutations and bootstrap over whole configurations, and the correction for many tests.

Runs of one configuration are not independent, so nothing here ever resamples single runs across
configurations.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import false_discovery_control

from benevolent.analysis.statistics.configurations import GroupedRuns


def configuration_permutations(runs: GroupedRuns, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, G) donors: configuration g receives the whole vector of configuration ``result[k, g]``.

    Only configurations with equally many runs are exchanged, so vectors fit and the permutation null is exact
    for a predictor that is independent of axes and outcome.
    """
    donors = np.tile(np.arange(len(runs.sizes)), (count, 1))
    for size in np.unique(runs.sizes):
        members = np.flatnonzero(runs.sizes == size)
        donors[:, members] = random.permuted(donors[:, members], axis=1)
    return donors


def within_permutations(runs: GroupedRuns, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, n) indices that shuffle the runs inside each configuration, each configuration on its own."""
    keys = random.random((count, len(runs.configuration)), dtype=np.float32)
    return np.argsort(keys + runs.configuration.astype(np.float64), axis=1).astype(np.int32)


def seed_rotations(seeds: int, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, S, S) random rotations and reflections of the S seeds that leave their mean where it is.

    Orthogonal matrices of the space of differences between seeds, uniformly distributed (Stewart 1980): what whole
    seeds can be exchanged for if all that is known of their effects is that they are normal and alike
    (rotation tests, Langsrud 2005). The permutations of the seeds are among them.
    """
    differences = np.linalg.qr(np.column_stack([np.ones(seeds), np.eye(seeds)[:, 1:]]))[0][:, 1:]
    q, r = np.linalg.qr(random.standard_normal((count, seeds - 1, seeds - 1)))
    turns = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return differences @ turns @ differences.T + 1 / seeds


def bootstrap_counts(groups: int, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, groups) how often each group is drawn when as many are drawn with replacement."""
    return random.multinomial(groups, np.full(groups, 1 / groups), size=count).astype(float)


def percentile_interval(resampled: np.ndarray, estimate: float, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile interval (Efron 1979) of resampled statistics; undefined resamples (NaN) are left out.

    A configuration that is drawn twice is tied with itself, so that resampled rank correlations lie nearer to 0 than
    that of the table. An interval is widened to contain its estimate where they all do.

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
    method = "linear" if np.isfinite(defined).all() else "inverted_cdf"  # nothing lies between infinities
    low, high = np.quantile(defined, [tail, 1 - tail], method=method)  # type: ignore[call-overload]
    return float(np.fmin(low, estimate)), float(np.fmax(high, estimate))


def permutation_p(observed: float, null: np.ndarray) -> float:
    """(1 + number of null values >= observed) / (1 + permutations): never 0 (Phipson & Smyth 2010).

    >>> permutation_p(2.0, np.array([0.0, 1.0, 2.0]))
    0.5
    """
    return (1 + count_exceedances(observed, null)) / (1 + len(null))


def count_exceedances(observed: float, null: np.ndarray) -> int:
    """How many values of the null are at least as large as what was observed."""
    slack = 1e-10 * max(1.0, abs(observed))  # rounding must not turn a tie into a win
    return int(np.count_nonzero(null >= observed - slack))


def false_discovery(p_values: ArrayLike) -> np.ndarray:
    """Benjamini-Hochberg (1995) adjusted p-values; NaN entries belong to no test and stay NaN.

    >>> false_discovery([0.01, 0.04, 0.03, np.nan]).round(3).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = false_discovery_control(p[tested])
    return adjusted
