"""Noise ceilings: the best any predictor could do, given seed effects and the noise of a finite test set."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, numeric_column
from benevolent.analysis.statistics.correlation import kendall_tau, pearson
from benevolent.analysis.statistics.resampled_kendall import run_sums
from benevolent.trainables.rng import generator

SIMULATED_TEST_SETS = 100
#: Sources of a ceiling: a predictor that knows nothing but the hyperparameters; noise of a finite test set.
HYPERPARAMETERS = "hyperparameters"
TEST_SET_NOISE = "test-set noise"


@dataclass(frozen=True)
class Ceiling:
    """Largest Kendall tau and R2 of ranks that a predictor can reach; NaN if the data cannot tell.

    Attributes:
        source: what limits a predictor: `HYPERPARAMETERS` or `TEST_SET_NOISE`.
        kendall_tau: largest Kendall rank correlation with the outcome.
        r2: largest share of the variance of the outcome's ranks.
    """

    source: str
    kendall_tau: float
    r2: float


def seed_ceiling(runs: GroupedRuns, outcome: np.ndarray) -> Ceiling:
    """Estimate how well the best function of the configuration predicts the outcome of single runs.

    No predictor that ignores the seed can do better. R2 is the intraclass correlation of the outcome's ranks,
    ``s2_between / (s2_between + s2_within)`` by analysis of variance (unequal sizes after Searle 1971), at least 0.
    Tau, over pairs of runs of different configurations, is the larger of two estimates that are both slightly too
    small: tau of the mean rank of the other runs of a run's configuration, which are few; and the tau that corresponds
    to a rank correlation of ``sqrt(R2)`` under normality, ``2/pi asin(2 sin(pi sqrt(R2) / 6))`` (Kendall and Gibbons
    1990).

    Args:
        runs: the configurations of n runs.
        outcome: (n,) in the order of `runs`.

    Returns:
        The ceiling; NaN without configurations of several runs, or if the outcome is constant.
    """
    y = rankdata(outcome)
    m = runs.sizes
    groups = len(m)
    n = len(y)
    replicated = runs.per_run(m) > 1
    undefined = Ceiling(HYPERPARAMETERS, np.nan, np.nan)
    if groups < 2 or not replicated.any():
        return undefined
    if np.ptp(y) == 0:
        return undefined
    sums = runs.configuration_sums(y)
    means = sums / m
    deviations = y - runs.per_run(means)
    squares_within = (deviations**2).sum()
    mean_deviations = means - y.mean()
    squares_between = (m * mean_deviations**2).sum()
    s2_within = float(squares_within) / (n - groups)
    mean_square_between = float(squares_between) / (groups - 1)
    squared_sizes = (m**2).sum()
    typical_size = (n - squared_sizes / n) / (groups - 1)
    s2_between = max(0.0, (mean_square_between - s2_within) / typical_size)
    s2_total = s2_between + s2_within
    r2 = s2_between / s2_total if s2_total else np.nan
    angle = np.pi * np.sqrt(r2) / 6
    tau_if_normal = 2 / np.pi * np.arcsin(2 * np.sin(angle))
    number_of_others = np.maximum(runs.per_run(m) - 1, 1)
    sums_of_others = runs.per_run(sums) - y
    others = sums_of_others / number_of_others
    group = runs.configuration[replicated]
    tau_of_others = _tau_between(others[replicated], y[replicated], group)
    tau = float(np.fmax(tau_of_others, tau_if_normal))
    return Ceiling(HYPERPARAMETERS, tau, r2)


def _tau_between(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> float:
    """Kendall's tau-b over the pairs of different groups: all pairs, minus those inside groups."""
    untied = np.array([_untied_pairs(x), _untied_pairs(y)])
    concordance = 0.0
    if untied.all():
        concordance = kendall_tau(x, y) * np.sqrt(untied.prod())
    # With the groups one after the other, every pair of different groups is concordant.
    apart = group * (len(x) + 1)
    sums = np.sum(run_sums(rankdata(x) + apart, rankdata(y) + apart), axis=1) / 2
    of_different_groups = _untied_pairs(group)
    concordance -= sums[0] - of_different_groups
    untied -= sums[1:] - of_different_groups
    if not (untied > 0).all():
        return np.nan
    return float(concordance / np.sqrt(untied.prod()))


def _untied_pairs(values: np.ndarray) -> float:
    """Count the pairs of different values."""
    _, repetitions = np.unique(values, return_counts=True)
    counts = repetitions.astype(float)
    n = len(values)
    tied = (counts * (counts - 1)).sum()
    return float(n * (n - 1) - tied) / 2


def measurement_ceiling(outcome: np.ndarray, variance: np.ndarray, random_seed: int = 0) -> Ceiling:
    """Estimate how well the outcome predicts itself when it is measured again on another test set of the same size.

    Normal noise of the given variance is added to the outcome 100 times; tau is the mean Kendall tau between the
    outcome and the noisy ones, R2 the mean of their squared rank correlations. Noisy outcomes that rounding makes equal
    predict nothing: their tau and correlation are 0.

    Args:
        outcome: (n,) mean over the test examples; runs where it or the variance is not finite are left out.
        variance: (n,) of that mean, see `measurement_variance`.
        random_seed: of the noise.

    Returns:
        The ceiling; NaN with fewer than two runs or a constant outcome.
    """
    kept = np.isfinite(outcome) & np.isfinite(variance)
    y = outcome[kept]
    deviation = np.sqrt(np.maximum(variance[kept], 0))
    if len(y) < 2 or np.ptp(y) == 0:
        return Ceiling(TEST_SET_NOISE, np.nan, np.nan)
    rng = generator(random_seed, "ceiling/test set")
    ranks = rankdata(y)
    taus = np.zeros(SIMULATED_TEST_SETS)
    correlations = np.zeros(SIMULATED_TEST_SETS)
    for number in range(SIMULATED_TEST_SETS):
        remeasured = y + deviation * rng.standard_normal(len(y))
        if np.ptp(remeasured) == 0:
            continue
        taus[number] = kendall_tau(y, remeasured)
        correlations[number] = pearson(ranks, rankdata(remeasured))
    r2 = float((correlations**2).mean())
    return Ceiling(TEST_SET_NOISE, float(taus.mean()), r2)


def measured_outcome(target: str) -> str:
    """Return the outcome that is measured on test examples: the test part of a gap, otherwise the target itself.

    >>> measured_outcome("gap"), measured_outcome("loss_gap"), measured_outcome("test_loss")
    ('test_error', 'test_loss', 'test_loss')
    """
    test_parts = {"gap": "test_error", "loss_gap": "test_loss"}
    return test_parts.get(target, target)


def measurement_variance(
    table: pd.DataFrame, target: str, test_size: int, validation_size: int | None = None
) -> np.ndarray:
    """Estimate the variance of a mean over the test set, as far as it can change the order of runs.

    It is the variance of one example over `test_size`: for a loss and its gap the column ``<loss>_variance``, for an
    error e and its gap ``e (1 - e)``. But runs are tested on the same examples, and noise that these add to all runs
    alike changes no order. If a column ``validation_...`` holds the same outcome on `validation_size` other examples,
    the share of the noise that differs between runs is estimated: the squares of validation minus test, with their
    regression on the mean of the two removed, over the squares to be expected of independent noise (at most 1).
    Without it the share is 1, which makes the ceiling too low. The train part of a gap is measured on all train
    examples, without noise.

    Args:
        table: one row per run.
        target: outcome column.
        test_size: number of test examples.
        validation_size: number of validation examples, if the share is to be estimated.

    Returns:
        (n,) variances; NaN if unknown.
    """
    measured = measured_outcome(target)
    unknown = np.full(len(table), np.nan)
    if measured not in table:
        return unknown
    values = numeric_column(table, measured, "column")
    if f"{measured}_variance" in table:
        example_variance = numeric_column(table, f"{measured}_variance", "column")
    elif "error" in measured:
        is_error = (values >= 0) & (values <= 1)
        example_variance = np.where(is_error, values * (1 - values), np.nan)
    else:
        return unknown
    share = 1.0
    on_validation = measured.replace("test_", "validation_")
    if validation_size and on_validation != measured and on_validation in table:
        others = numeric_column(table, on_validation, "column")
        inverse_sizes = 1 / test_size + 1 / validation_size
        share = _unshared_noise(values, others, example_variance, inverse_sizes)
    return share * example_variance / test_size


def _unshared_noise(
    values: np.ndarray, others: np.ndarray, example_variance: np.ndarray, inverse_sizes: float
) -> float:
    """Estimate the share of the measurement noise that differs between runs, at most 1.

    Args:
        values: (n,) outcome on the test set.
        others: (n,) outcome on the validation set.
        example_variance: (n,) variance of one example.
        inverse_sizes: 1 / test size + 1 / validation size.
    """
    kept = np.isfinite(values) & np.isfinite(others) & np.isfinite(example_variance)
    values = values[kept]
    others = others[kept]
    level = (values + others) / 2
    intercept = np.ones(len(level))
    design = np.column_stack([intercept, level])
    difference = others - values
    coefficients = np.linalg.lstsq(design, difference, rcond=None)[0]
    residual = difference - design @ coefficients
    expected = (example_variance[kept] * inverse_sizes).sum()
    if expected <= 0:
        return 1.0
    squares = (residual**2).sum()
    return min(1.0, float(squares / expected))
