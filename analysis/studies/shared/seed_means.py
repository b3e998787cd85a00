"""Means over seeds with their intervals, and how evidence shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benevolent.analysis.statistics import spearman
from benevolent.analysis.statistics.bootstrap import Estimate

#: Smallest and largest value that a statistic can have.
Limits = tuple[float, float]
UNLIMITED: Limits = (-np.inf, np.inf)


class SeedMean(NamedTuple):
    """Mean over seeds with Student's 95% interval, which is as wide as can be with fewer than two seeds."""

    value: float
    low: float
    high: float
    seeds: int


def mean_over_seeds(
    table: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], bounds: Limits = UNLIMITED
) -> SeedMean:
    """Return the mean over seeds of a statistic of each seed's networks.

    The seed is what varies by chance; everything else is set, so seeds are the unit of the interval.

    Args:
        table: one row per network, with a column `seed`.
        statistic: function of the rows of one seed; seeds where it is not finite are left out.
        bounds: smallest and largest value that the statistic can have; the interval is clipped to them.

    >>> table = pd.DataFrame({"seed": [0, 0, 1, 1], "loss": [1.0, 3.0, 3.0, 5.0]})
    >>> [round(number, 2) for number in mean_over_seeds(table, lambda rows: rows["loss"].mean())]
    [3.0, -9.71, 15.71, 2]
    """
    values = np.array([statistic(rows) for _, rows in table.groupby("seed")], dtype=float)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return SeedMean(np.nan, *bounds, 0)
    mean = float(values.mean())
    if len(values) == 1:
        return SeedMean(mean, *bounds, 1)
    half_width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    low, high = np.clip([mean - half_width, mean + half_width], *bounds)
    return SeedMean(mean, float(low), float(high), len(values))


def seed_mean(table: pd.DataFrame, column: str, bounds: Limits = UNLIMITED) -> SeedMean:
    """Return the mean over seeds of a column, each seed's averaged over its networks; see `mean_over_seeds`.

    >>> seed_mean(pd.DataFrame({"seed": [0, 0, 1], "loss": [1.0, 3.0, 2.0]}), "loss")
    SeedMean(value=2.0, low=2.0, high=2.0, seeds=2)
    """
    return mean_over_seeds(table, lambda rows: float(rows[column].mean()), bounds)


def mean_of(values: Sequence[float], bounds: Limits = UNLIMITED) -> SeedMean:
    """Return the mean of one number of each seed, or of each group of networks; see `mean_over_seeds`.

    >>> [round(number, 2) for number in mean_of([1.0, 2.0, 3.0])]
    [2.0, -0.48, 4.48, 3]
    """
    return seed_mean(pd.DataFrame({"seed": range(len(values)), "value": values}), "value", bounds)


def exponential_of(logarithm: SeedMean) -> SeedMean:
    """Return the geometric mean with its interval, from the mean of logarithms.

    >>> [round(number, 2) for number in exponential_of(SeedMean(0.0, -1.0, 1.0, 5))]
    [1.0, 0.37, 2.72, 5]
    """
    value, low, high = (float(np.exp(number)) for number in logarithm[:3])
    return SeedMean(value, low, high, logarithm.seeds)


def rank_correlation(table: pd.DataFrame, x: str, y: str) -> SeedMean:
    """Return the mean over seeds of Spearman's rank correlation of two columns among each seed's networks."""
    return mean_over_seeds(table, lambda rows: spearman(rows[x], rows[y]), (-1, 1))


def slope_within(table: pd.DataFrame, x: str, y: str, groups: Sequence[str]) -> SeedMean:
    """Return the least-squares slope of y on x within groups of networks, with Student's 95% interval.

    Both columns are taken minus their means over the rows of a group, so that differences between groups do not count.
    Networks of one seed may err alike: the standard error is clustered by seed (Liang and Zeger 1986), s² = G / (G - 1)
    Σ_g (Σ x e)² / (Σ x²)² for G seeds, the inner sum over a seed's rows, with residuals e, and t has G - 1 degrees of
    freedom.

    Args:
        table: one row per network, with a column `seed`.
        x: column of the predictor.
        y: column of the outcome.
        groups: columns whose values name a group.

    Returns:
        the slope, over the seeds with a network in a group in which x varies; nan if there is none.

    >>> table = pd.DataFrame({"seed": [0, 1, 2, 3], "size": [1, 1, 2, 2], "x": [0, 1, 0, 1], "y": [1, 3, 7, 9]})
    >>> slope_within(table, "x", "y", ["size"]).value
    2.0
    """
    keys = list(groups)
    numbers = table[[x, y]].astype(float)
    centered = numbers - numbers.groupby([table[key] for key in keys]).transform("mean")
    varies = centered[x].abs().groupby([table[key] for key in keys]).transform("max") > 0
    centered = centered[varies]
    seeds = table.loc[varies, "seed"]
    count = seeds.nunique()
    if count == 0:
        return SeedMean(np.nan, -np.inf, np.inf, 0)
    squares = float((centered[x] ** 2).sum())
    slope = float((centered[x] * centered[y]).sum() / squares)
    if count == 1:
        return SeedMean(slope, -np.inf, np.inf, 1)
    scores = (centered[x] * (centered[y] - slope * centered[x])).groupby(seeds).sum()
    error = np.sqrt(count / (count - 1) * (scores**2).sum()) / squares
    reach = float(stats.t.ppf(0.975, count - 1) * error)
    return SeedMean(slope, slope - reach, slope + reach, count)


def show_interval(estimate: SeedMean | Estimate, number_format: str = "+.2f", unit: str = "seed") -> str:
    """Return an estimate with its interval and the number of seeds or resamples behind it, as text.

    Args:
        estimate: a mean over seeds, or a bootstrap estimate.
        number_format: of its numbers.
        unit: what the mean is over, if not seeds.

    >>> show_interval(SeedMean(-0.5, -0.75, -0.25, 4))
    '−0.50 [−0.75, −0.25; 4 seeds]'
    """
    if isinstance(estimate, SeedMean):
        count = estimate.seeds
    else:
        count = estimate.resamples
        unit = "resample"
    plural = "" if count == 1 else "s"
    value, low, high = (minus_signs(format(number, number_format)) for number in estimate[:3])
    return f"{value} [{low}, {high}; {count} {unit}{plural}]"


def show_intervals(estimates: Mapping[str, SeedMean], number_format: str = "+.2f", unit: str = "seed") -> str:
    """Return several estimates with their intervals, each after its name; arguments as of `show_interval`.

    >>> show_intervals({"VGG": SeedMean(-0.5, -0.75, -0.25, 4), "ResNet": SeedMean(1.0, 0.0, 2.0, 4)})
    'VGG −0.50 [−0.75, −0.25; 4 seeds], ResNet +1.00 [+0.00, +2.00; 4 seeds]'
    """
    return ", ".join(f"{name} {show_interval(estimate, number_format, unit)}" for name, estimate in estimates.items())


def minus_signs(text: str) -> str:
    """Return a text with typographic minus signs for its hyphens.

    >>> minus_signs("-0.5")
    '−0.5'
    """
    return text.replace("-", "−")
