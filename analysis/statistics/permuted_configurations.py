"""Permutation test of Kendall's tau across the configurations of a sweep, with the seeds of each moved together."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.replicate_taus import pair_signs
from benevolent.trainables.rng import generator

#: Number of orders tried: all of them for up to seven configurations, random ones for more.
PERMUTATIONS = math.factorial(7)
#: Sums of the same signs in another order differ by less.
ROUNDING = 1e-9


def configuration_p_values(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    *,
    configuration: str = "configuration",
    replicate: str = "replicate",
) -> pd.DataFrame:
    """Test whether predictors order the configurations of a sweep by the target, or against it.

    Intervals over seeds say how certain it is that these few configurations are ordered so. Only a permutation of the
    configurations says how often a predictor without any meaning would order them so. The statistic is the mean over
    replicates of Kendall's tau-b; a permutation gives each configuration the targets of another one, in all
    replicates. Configurations without a value of the predictor take no part. Where runs are missing in some replicates,
    the statistic is tau-b of the means over replicates. The table and its columns are given as to `replicate_taus`.

    Returns:
        One row per predictor (the index): the one-sided p-values `p_below`, of a tau this far below 0, and `p_above`,
        and `p_least`, the smallest p-value that so many configurations can have.

    Raises:
        BadInput: a column is not numeric.

    >>> table = pd.DataFrame({"replicate": 0, "configuration": range(4), "norm": [4, 3, 2, 1], "loss": range(4)})
    >>> configuration_p_values(table, ["norm"], "loss").round(3).values.tolist()
    [[0.042, 1.0, 0.042]]
    """
    names = dict.fromkeys([target, *predictors])
    numbers = pd.DataFrame({name: numeric_column(table, name, "column") for name in names})
    means = numbers.groupby([table[replicate].to_numpy(), table[configuration].to_numpy()]).mean()
    known = means.notna().groupby(level=1).any()
    present = known[list(predictors)].to_numpy(dtype=bool).T & known[target].to_numpy(dtype=bool)
    rows: dict[str, tuple[float, float, float]] = {}
    for pattern in np.unique(present, axis=0):
        alike = [name for name, own in zip(predictors, present, strict=True) if np.array_equal(own, pattern)]
        rows |= _p_values(means, known.index[pattern], alike, target)
    columns = ["p_below", "p_above", "p_least"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float).reindex(list(predictors))


def _p_values(
    means: pd.DataFrame, configurations: "pd.Index[str]", predictors: Sequence[str], target: str
) -> dict[str, tuple[float, float, float]]:
    """Return the p-values of predictors that have values in the same configurations."""
    orders = _orders(len(configurations))
    first, second = np.triu_indices(len(configurations), 1)
    statistics = np.zeros((len(orders), len(predictors)))
    for rows in _complete_replicates(means[[*predictors, target]], configurations):
        x = rows[list(predictors)].to_numpy(dtype=float)
        y = rows[target].to_numpy(dtype=float)
        moved = y[orders]
        x_signs = _unit(pair_signs(x[first], x[second]))
        y_signs = _unit(pair_signs(moved[:, first], moved[:, second]).T)
        statistics += y_signs.T @ x_signs
    below = (statistics <= statistics[0] + ROUNDING).mean(axis=0)
    above = (statistics >= statistics[0] - ROUNDING).mean(axis=0)
    least = 1 / len(orders)
    return {name: (float(below[place]), float(above[place]), least) for place, name in enumerate(predictors)}


def _complete_replicates(means: pd.DataFrame, configurations: "pd.Index[str]") -> list[pd.DataFrame]:
    """Return the values of each replicate, by configuration; their mean over replicates if a value is missing.

    A run that is missing lacks both predictor and target. Only in the actual order do these gaps coincide: any other
    would leave fewer pairs to compare, and so give a tau nearer to 0.
    """
    replicates = [rows.droplevel(0).reindex(configurations) for _, rows in means.groupby(level=0)]
    known = [rows for rows in replicates if rows.notna().any(axis=None)]
    if all(rows.notna().all(axis=None) for rows in known):
        return known
    return [means.groupby(level=1).mean().reindex(configurations)]


def _orders(count: int) -> np.ndarray:
    """Return orders of some configurations, one per row, the first of them as they are."""
    if count <= 1 or math.factorial(count) <= PERMUTATIONS:
        return np.array(list(itertools.permutations(range(count))), dtype=int).reshape(-1, count)
    rng = generator(0, "statistics/permuted_configurations")
    drawn = rng.permuted(np.tile(np.arange(count), (PERMUTATIONS - 1, 1)), axis=1)
    return np.vstack([np.arange(count), drawn])


def _unit(signs: np.ndarray) -> np.ndarray:
    """Return columns of signs of pairs, divided by the root of the number of pairs that are not tied or missing."""
    filled = np.where(np.isnan(signs), 0.0, signs)
    untied = (filled**2).sum(axis=0)
    return filled / np.sqrt(np.maximum(untied, 1))


def tarone_tests(least: Sequence[float], level: float) -> int:
    """Return by how many tests a level is divided so that one of them errs with at most that probability (Tarone 1990).

    Tests of few observations cannot reach a small p-value, and do not count: K is the smallest number such that at
    most K tests can reach level / K.

    Args:
        least: smallest p-value that each test can have.
        level: probability of any error.

    >>> tarone_tests([0.2, 0.2, 0.001, 0.001], 0.05), tarone_tests([0.001] * 3, 0.05)
    (2, 3)
    """
    smallest = np.asarray(least, dtype=float)
    number = 1
    while np.count_nonzero(smallest <= level / number) > number:
        number += 1
    return number
