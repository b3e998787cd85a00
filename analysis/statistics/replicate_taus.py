"""Kendall's tau across the configurations of a sweep, for many predictors at once, one value for each replicate."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from benevolent.analysis.statistics.configurations import numeric_column

#: With fewer configurations, tau can only be 1 or -1.
FEWEST_CONFIGURATIONS = 3


def replicate_taus(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    *,
    configuration: str = "configuration",
    replicate: str = "replicate",
) -> pd.DataFrame:
    """Return Kendall's tau-b between predictors and target across configurations, in each replicate of a sweep.

    Replicates differ by chance alone, configurations are set: so the spread over replicates shows how certain it is
    that a predictor orders these configurations so. It does not show that it would order others so.

    Args:
        table: one row per run; several runs of a configuration in a replicate count as one, by their mean.
        predictors: numeric columns. A missing value leaves the run out.
        target: a numeric column.
        configuration: column of the configuration.
        replicate: column of the replicate's number.

    Returns:
        A row for each replicate and a column for each predictor: tau, NaN where fewer than `FEWEST_CONFIGURATIONS`
        configurations can be compared or a column is constant.

    Raises:
        BadInput: a column is not numeric.

    >>> table = pd.DataFrame({"replicate": [0] * 3 + [1] * 3, "configuration": [1, 2, 3] * 2})
    >>> table = table.assign(norm=[1, 2, 3, 2, 1, 3], loss=[1, 2, 3, 1, 2, 3])
    >>> replicate_taus(table, ["norm"], "loss")["norm"].round(3).tolist()
    [1.0, 0.333]
    """
    names = [target, *predictors]
    numbers = pd.DataFrame({name: numeric_column(table, name, "column") for name in dict.fromkeys(names)})
    keys = [table[replicate].to_numpy(), table[configuration].to_numpy()]
    means = numbers.groupby(keys).mean()
    taus = {}
    for number, rows in means.groupby(level=0):
        taus[number] = _taus(rows[list(predictors)].to_numpy(), rows[target].to_numpy())
    return pd.DataFrame.from_dict(taus, orient="index", columns=list(predictors))


def _taus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return tau-b (p,) of (n, p) predictors and an (n,) target."""
    first, second = np.triu_indices(len(y), 1)
    x_signs = pair_signs(x[first], x[second])
    y_signs = pair_signs(y[first], y[second])[:, None]
    present = ~np.isnan(x_signs) & ~np.isnan(y_signs)
    x_signs = np.where(present, x_signs, 0)
    y_signs = np.where(present, y_signs, 0)
    untied = (x_signs**2).sum(axis=0) * (y_signs**2).sum(axis=0)
    compared = (~np.isnan(x) & ~np.isnan(y)[:, None]).sum(axis=0)
    defined = (untied > 0) & (compared >= FEWEST_CONFIGURATIONS)
    concordance = (x_signs * y_signs).sum(axis=0)
    return np.where(defined, concordance / np.sqrt(np.where(defined, untied, 1)), np.nan)


def pair_signs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the signs of differences of paired numbers, also of infinite numbers; NaN where one is missing."""
    signs = (first > second).astype(float) - (first < second)
    return np.where(np.isnan(first) | np.isnan(second), np.nan, signs)


def variance_of_tau(configurations: int) -> float:
    """Return the variance of Kendall's tau of n independent pairs without association: 2 (2n + 5) / (9 n (n - 1)).

    >>> round(variance_of_tau(4), 4)
    0.2407
    """
    n = configurations
    return 2 * (2 * n + 5) / (9 * n * (n - 1))


class ColumnMeans(NamedTuple):
    """Means of the columns of an array, with Student's intervals.

    Attributes:
        mean: (p,) the means.
        low: lower ends of their intervals; NaN where fewer than two values are there.
        high: upper ends.
        error: standard errors.
        number: number of values.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: np.ndarray
    number: np.ndarray


def column_means(values: np.ndarray, confidence: float = 0.95) -> ColumnMeans:
    """Return the means of the columns of a (k, p) array; missing values are left out.

    >>> means = column_means(np.array([[0.0, 1.0], [1.0, np.nan]]))
    >>> means.mean.tolist(), means.low.round(2).tolist(), means.number.tolist()
    ([0.5, 1.0], [-5.85, nan], [2, 1])
    """
    present = ~np.isnan(values)
    number = present.sum(axis=0)
    filled = np.where(present, values, 0.0)
    mean = np.where(number > 0, filled.sum(axis=0) / np.maximum(number, 1), np.nan)
    freedom = np.where(number > 1, number - 1, np.nan)
    squares = np.where(present, (values - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(squares / freedom / np.maximum(number, 1))
    margin = student.ppf((1 + confidence) / 2, freedom) * error
    return ColumnMeans(mean, mean - margin, mean + margin, error, number)
