"""Intervals for any statistic, and for the difference of two predictors, by resampling whole configurations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.correlation import kendall_tau
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.trainables.rng import generator


class Estimate(NamedTuple):
    """A statistic with its percentile interval.

    Attributes:
        value: the statistic of the whole table.
        low: lower end of the interval.
        high: upper end of the interval.
        configurations: number of configurations that were resampled.
        resamples: number of resamples.
    """

    value: float
    low: float
    high: float
    configurations: int
    resamples: int


class Comparison(NamedTuple):
    """Strength of two predictors on the same runs, and the difference first minus second."""

    first: float
    second: float
    difference: Estimate


def bootstrap(
    table: pd.DataFrame,
    statistic: Callable[[pd.DataFrame], float],
    axes: Sequence[str],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> Estimate:
    """Estimate a statistic of a table with a percentile interval (Efron 1979) from resampling whole configurations.

    Runs of one configuration are not independent, so a configuration is drawn with all its runs. Resamples in which
    the statistic is undefined (NaN) are left out. With few configurations, or heavy tails, percentile intervals cover
    less than they state: `benchmarks/coverage.py` measures it (`benchmarks/results/coverage.txt`).

    Args:
        table: one row per run.
        statistic: function of a table with the same columns and any number of rows.
        axes: columns that make a configuration; without any, every run is a configuration.
        resamples: number of resamples.
        confidence: coverage.
        random_seed: equal seeds give equal intervals.

    >>> table = pd.DataFrame({"lr": [0, 0, 1, 1, 2, 2], "loss": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]})
    >>> estimate = bootstrap(table, lambda rows: rows["loss"].mean(), ["lr"])
    >>> estimate.value, estimate.low, estimate.high, estimate.configurations
    (2.0, 1.0, 3.0, 3)
    """
    if len(axes):
        runs = GroupedRuns.from_table(table, axes, None)
    else:
        numbered = table.assign(_row=range(len(table)))
        runs = GroupedRuns.from_table(numbered, ["_row"], None)
    groups = np.split(runs.order, runs.starts[1:])
    rng = generator(random_seed, "bootstrap/statistic")
    counts = bootstrap_counts(len(groups), resamples, rng)
    resampled = []
    for draws in counts.astype(int):
        positions = []
        for drawn in draws.nonzero()[0]:
            positions.append(np.tile(groups[drawn], draws[drawn]))
        rows = table.iloc[np.concatenate(positions)]
        resampled.append(statistic(rows))
    value = float(statistic(table))
    values = np.array(resampled, dtype=float)
    low, high = percentile_interval(values, value, confidence)
    return Estimate(value, low, high, len(groups), resamples)


def bootstrap_mean(
    table: pd.DataFrame, column: str, cluster: str, *, resamples: int = 1000, random_seed: int = 0
) -> Estimate:
    """Estimate the mean of a column with the interval of `bootstrap`, resampling whole clusters of rows.

    Args:
        table: one row per observation.
        column: a numeric column without missing values.
        cluster: column that tells clusters apart, such as the test example of a pair.
        resamples: number of resamples.
        random_seed: equal seeds give equal intervals.

    >>> table = pd.DataFrame({"lr": [0, 0, 1, 1, 2, 2], "loss": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]})
    >>> bootstrap_mean(table, "loss", "lr") == bootstrap(table, lambda rows: rows["loss"].mean(), ["lr"])
    True
    """
    values = table[column].astype(float)
    groups = values.groupby(table[cluster])
    sums = groups.sum().to_numpy()
    sizes = groups.size().to_numpy()
    counts = bootstrap_counts(len(sums), resamples, generator(random_seed, "bootstrap/statistic"))
    resampled = (counts @ sums) / (counts @ sizes)
    value = float(values.mean())
    low, high = percentile_interval(resampled, value, 0.95)
    return Estimate(value, low, high, len(sums), resamples)


def compare(
    table: pd.DataFrame,
    first: str,
    second: str,
    target: str,
    axes: Sequence[str],
    statistic: Callable[[ArrayLike, ArrayLike], float] = kendall_tau,
    **options: int | float,
) -> Comparison:
    """Compare how strongly two predictors are associated with the target, with an interval for the difference.

    The absolute values of a correlation are compared, on the runs in which both predictors are present; both are
    resampled together, so that what they share cancels. An interval that contains 0 means that these runs cannot tell
    them apart.

    Args:
        table: one row per run.
        first: a numeric column.
        second: another one.
        target: the outcome.
        axes: columns that make a configuration.
        statistic: function of two sequences, such as `kendall_tau`, `pearson` or `spearman`.
        options: of `bootstrap`.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": range(6), "a": range(6), "b": [1, 0, 3, 2, 5, 4], "loss": range(6)})
    >>> comparison = compare(table, "a", "b", "loss", ["lr"])
    >>> round(comparison.first, 2), round(comparison.second, 2), round(comparison.difference.value, 2)
    (1.0, 0.6, 0.4)
    """
    has_first = drop_missing(table, first, target, axes)
    kept = drop_missing(has_first, second, target, axes)

    def strength(rows: pd.DataFrame, predictor: str) -> float:
        x = numeric_column(rows, predictor, "predictor")
        y = numeric_column(rows, target, "target")
        return abs(statistic(x, y))

    def difference(rows: pd.DataFrame) -> float:
        return strength(rows, first) - strength(rows, second)

    estimate = bootstrap(kept, difference, axes, **options)  # type: ignore[arg-type]
    return Comparison(strength(kept, first), strength(kept, second), estimate)
