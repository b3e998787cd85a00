"""How well any predictor could do: what of the outcome is noise of the test set, and what is luck of the seed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, numeric_column
from benevolent.analysis.statistics.correlation import kendall_tau
from benevolent.trainables.rng import generator

DRAWS = 100  # of another test set
#: Sources of a ceiling: a predictor that knows nothing but the hyperparameters; noise of a finite test set.
HYPERPARAMETERS = "hyperparameters"
TEST_SET_NOISE = "test-set noise"


@dataclass(frozen=True)
class Ceiling:
    """Largest Kendall tau and R2 of ranks that a predictor can reach; NaN where the data do not tell.

    Attributes:
        source: what limits a predictor: `HYPERPARAMETERS` or `TEST_SET_NOISE`.
        kendall_tau: the largest Kendall rank correlation with the outcome.
        r2: the largest share of the variance of the outcome's ranks.
    """

    source: str
    kendall_tau: float
    r2: float


def seed_ceiling(runs: GroupedRuns, outcome: np.ndarray) -> Ceiling:
    """What the best function of the configuration could reach: no predictor that ignores the seed can do better.

    R2 is the intraclass correlation of the outcome's ranks, ``s2_between / (s2_between + s2_within)`` by the analysis
    of variance (unequal sizes after Searle 1971), at least 0. Tau, over pairs of runs of different configurations, is
    the larger of two that are both a little too small: that of the mean rank of the other runs of a run's
    configuration, which are few; and what a rank correlation of ``sqrt(R2)`` comes to under normality,
    ``tau = 2/pi asin(2 sin(pi sqrt(R2) / 6))`` (Kendall and Gibbons 1990).

    Args:
        runs: the configurations of n runs.
        outcome: (n,) in the order of `runs`.
    """
    y, m = rankdata(outcome), runs.sizes
    groups, n = len(m), len(y)
    again = runs.per_run(m) > 1
    if groups < 2 or not again.any() or np.ptp(y) == 0 or n == groups:
        return Ceiling(HYPERPARAMETERS, np.nan, np.nan)
    means = runs.configuration_sums(y) / m
    within = float(((y - runs.per_run(means)) ** 2).sum()) / (n - groups)
    between = float((m * (means - y.mean()) ** 2).sum()) / (groups - 1)
    typical = (n - (m**2).sum() / n) / (groups - 1)
    component = max(0.0, (between - within) / typical)
    others = (runs.per_run(runs.configuration_sums(y)) - y) / np.maximum(runs.per_run(m) - 1, 1)
    r2 = component / (component + within) if component + within else np.nan
    normal = 2 / np.pi * np.arcsin(2 * np.sin(np.pi * np.sqrt(r2) / 6))
    by_others = _tau_between(others[again], y[again], runs.configuration[again])
    return Ceiling(HYPERPARAMETERS, float(np.fmax(by_others, normal)), r2)


def _tau_between(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> float:
    """Kendall's tau-b over the pairs of different groups: all pairs, without those inside."""
    untied = np.array([_untied(x), _untied(y)])
    concordance = kendall_tau(x, y) * np.sqrt(untied.prod()) if untied.all() else 0.0
    for members in np.split(np.arange(len(group)), np.flatnonzero(np.diff(group)) + 1):
        signs = [np.sign(values[members][:, None] - values[members]) for values in (x, y)]
        concordance -= (signs[0] * signs[1]).sum() / 2
        untied = untied - [np.abs(sign).sum() / 2 for sign in signs]
    return float(concordance / np.sqrt(untied.prod())) if (untied > 0).all() else np.nan


def _untied(values: np.ndarray) -> float:
    """How many pairs differ."""
    counts = np.unique(values, return_counts=True)[1].astype(float)
    return float(len(values) * (len(values) - 1) - (counts * (counts - 1)).sum()) / 2


def measurement_ceiling(outcome: np.ndarray, variance: np.ndarray, random_seed: int = 0) -> Ceiling:
    """What even the outcome itself reaches when it is measured again, on another test set of the same size.

    Normal noise of the given variance is added to the outcome, many times; tau is the mean of those between the two,
    R2 the mean of their squared rank correlations.

    Args:
        outcome: (n,) mean over the test examples; runs where it or the variance is not finite are left out.
        variance: (n,) of that mean, see `measurement_variance`.
        random_seed: of the noise.
    """
    kept = np.isfinite(outcome) & np.isfinite(variance)
    y, spread = outcome[kept], np.sqrt(np.maximum(variance[kept], 0))
    if len(y) < 2 or np.ptp(y) == 0:
        return Ceiling(TEST_SET_NOISE, np.nan, np.nan)
    random, ranks = generator(random_seed, "ceiling/test set"), rankdata(y)
    again = [y + spread * random.standard_normal(len(y)) for _ in range(DRAWS)]
    taus = [kendall_tau(y, values) for values in again]
    correlations = [np.corrcoef(ranks, rankdata(values))[0, 1] for values in again]
    return Ceiling(TEST_SET_NOISE, float(np.mean(taus)), float(np.mean(np.square(correlations))))


def measured_outcome(target: str) -> str:
    """The outcome that is measured on test examples: of a gap its test part, else the target itself.

    >>> measured_outcome("gap"), measured_outcome("loss_gap"), measured_outcome("test_loss")
    ('test_error', 'test_loss', 'test_loss')
    """
    return {"gap": "test_error", "loss_gap": "test_loss"}.get(target, target)


def measurement_variance(
    table: pd.DataFrame, target: str, test_size: int, validation_size: int | None = None
) -> np.ndarray:
    """(n,) variance of a mean over the test set, as far as it can change the order of runs; NaN if unknown.

    The variance of one example (for a loss and its gap the column ``<loss>_variance``; for an error e and its gap
    ``e (1 - e)``) over `test_size`. But runs are tested on the same examples, and what these do to all runs alike moves
    no order. Where a column ``validation_...`` holds the same outcome on `validation_size` other examples, the share of
    the noise that is each run's own is estimated: the squares of validation minus test, its regression on the mean of
    the two taken out, over the squares to be expected of independent noise (at most 1). Without it the share is 1,
    which makes the ceiling too low. The train part of a gap is measured on all there is, without noise.
    """
    measured = measured_outcome(target)
    if measured not in table:
        return np.full(len(table), np.nan)
    values = numeric_column(table, measured, "column")
    if f"{measured}_variance" in table:
        one = numeric_column(table, f"{measured}_variance", "column")
    elif "error" in measured:
        one = np.where((values >= 0) & (values <= 1), values * (1 - values), np.nan)
    else:
        return np.full(len(table), np.nan)
    other = measured.replace("test_", "validation_")
    share = 1.0
    if validation_size and other != measured and other in table:
        second = numeric_column(table, other, "column")
        kept = np.isfinite(values) & np.isfinite(second) & np.isfinite(one)
        both = np.column_stack([np.ones(kept.sum()), (values + second)[kept] / 2])
        difference = (second - values)[kept]
        own = difference - both @ np.linalg.lstsq(both, difference, rcond=None)[0]
        expected = (one[kept] * (1 / test_size + 1 / validation_size)).sum()
        share = min(1.0, float((own**2).sum() / expected)) if expected > 0 else 1.0
    return share * one / test_size
