"""Intervals for any statistic, and for the difference of two predictors, by resampling whole configurations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.correlation import kendall_tau
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.trainables.rng import generator


class Estimate(NamedTuple):
    """A statistic with its percentile interval, and what that rests on."""

    value: float
    low: float
    high: float
    configurations: int
    resamples: int


class Comparison(NamedTuple):
    """How much better the first of two predictors orders the target, on the same runs."""

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
    """Percentile interval (Efron 1979) of a statistic of a table, whole configurations resampled.

    Runs of one configuration are not independent, so a configuration is drawn with all its runs. Resamples in which
    the statistic is undefined (NaN) are left out. With few configurations, or heavy tails, percentile intervals cover
    less than they state: `benchmarks/coverage.py` measures it (`benchmarks/results/coverage.txt`).

    Args:
        table: one row per run.
        statistic: of a table with the same columns and any number of rows.
        axes: columns that make a configuration; without any, every run is one of its own.
        resamples: how many.
        confidence: coverage.
        random_seed: equal seeds give equal intervals.

    >>> table = pd.DataFrame({"lr": [0, 0, 1, 1, 2, 2], "loss": [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]})
    >>> estimate = bootstrap(table, lambda rows: rows["loss"].mean(), ["lr"])
    >>> estimate.value, estimate.low, estimate.high, estimate.configurations
    (2.0, 1.0, 3.0, 3)
    """
    runs = (
        GroupedRuns.from_table(table, axes, None)
        if len(axes)
        else GroupedRuns.from_table(table.assign(_row=range(len(table))), ["_row"], None)
    )
    groups = np.split(runs.order, runs.starts[1:])
    counts = bootstrap_counts(len(groups), resamples, generator(random_seed, "bootstrap/statistic")).astype(int)
    drawn = [statistic(table.iloc[np.concatenate([np.tile(groups[g], n[g]) for g in n.nonzero()[0]])]) for n in counts]
    value = float(statistic(table))
    low, high = percentile_interval(np.array(drawn, dtype=float), value, confidence)
    return Estimate(value, low, high, len(groups), resamples)


def compare(
    table: pd.DataFrame,
    first: str,
    second: str,
    target: str,
    axes: Sequence[str],
    statistic: Callable[[ArrayLike, ArrayLike], float] = kendall_tau,
    **options: int | float,
) -> Comparison:
    """Which of two predictors goes with the target more closely, with an interval for the difference.

    The absolute values of a correlation are compared, on the runs in which both predictors are present; both are
    resampled together, so that what they share cancels. An interval that holds 0 says that these runs do not tell.

    Args:
        table: one row per run.
        first: a numeric column.
        second: another one.
        target: the outcome.
        axes: columns that make a configuration.
        statistic: of two sequences, such as `kendall_tau`, `pearson` or `spearman`.
        options: of `bootstrap`.

    >>> table = pd.DataFrame({"lr": range(6), "a": range(6), "b": [1, 0, 3, 2, 5, 4], "loss": range(6)})
    >>> found = compare(table, "a", "b", "loss", ["lr"])
    >>> round(found.first, 2), round(found.second, 2), round(found.difference.value, 2)
    (1.0, 0.6, 0.4)
    """
    kept = drop_missing(drop_missing(table, first, target, axes), second, target, axes)

    def strength(rows: pd.DataFrame, predictor: str) -> float:
        return abs(statistic(numeric_column(rows, predictor, "predictor"), numeric_column(rows, target, "target")))

    difference = bootstrap(kept, lambda rows: strength(rows, first) - strength(rows, second), axes, **options)  # type: ignore[arg-type]
    return Comparison(strength(kept, first), strength(kept, second), difference)


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's correlation of the pairs in which both numbers are finite; NaN if either is constant.

    >>> round(pearson([1, 2, 3], [2, 4, 7]), 4)
    0.9934
    """
    pairs = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < 2 or (np.ptp(pairs, axis=0) == 0).any():
        return np.nan
    return float(np.corrcoef(pairs.T)[0, 1])


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's of midranks; an infinity is the largest or smallest, a NaN is left out.

    >>> round(spearman([1, 2, 3, 4], [1, 3, 2, float("inf")]), 4)
    0.8
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    present = ~(np.isnan(x) | np.isnan(y))
    return pearson(rankdata(x[present]), rankdata(y[present])) if present.any() else np.nan
