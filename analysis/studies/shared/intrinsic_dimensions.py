"""Intrinsic dimensions seed by seed, and ratios between groups of networks, for the study of Li et al. 2018."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from benevolent.analysis.multi_run.intrinsic_dimension import DIMENSION, intrinsic_dimension
from benevolent.analysis.studies.shared.seed_means import SeedMean, exponential_of, mean_of, mean_over_seeds
from benevolent.analysis.studies.shared.tables import Tables


class Dimensions(NamedTuple):
    """Intrinsic dimensions of all networks, a row per seed.

    Attributes:
        pixels: by name of the network and kind of pixels.
        sizes: of fully connected networks, with `parameters`.
        projections: by kind of projection.
        labels: by number of examples and fraction of shuffled labels.
    """

    pixels: Mapping[tuple[str, str], pd.DataFrame]
    sizes: pd.DataFrame
    projections: Tables
    labels: Mapping[tuple[int, float], pd.DataFrame]


def dimensions_by_seed(table: pd.DataFrame, axes: Sequence[str], error: str) -> pd.DataFrame:
    """Return d_int90 of every seed's networks: those in subspaces, and the one that trains all of its parameters.

    Args:
        table: one row per run, with `replicate`; see `intrinsic_dimension`.
        axes: columns that tell groups of networks apart.
        error: column with the fraction of wrong examples.

    Returns:
        A row per group and seed: the axes, `seed` (the number of the replicate), and the columns of
        `intrinsic_dimension`; `dimension` is missing where the dimensions tried do not contain it.
    """
    found = intrinsic_dimension(table, [*axes, "replicate"], error=error)
    return found.drop(columns="seeds").rename(columns={"replicate": "seed"})


def geometric_mean(found: pd.DataFrame) -> SeedMean:
    """Return the geometric mean over seeds of d_int90 with Student's 95% interval of its logarithm.

    >>> round(geometric_mean(pd.DataFrame({"seed": [0, 1], "dimension": [100.0, 400.0]})).value, 6)
    200.0
    """
    return exponential_of(mean_of(_log_by_seed(found).tolist()))


def ratio_of_dimensions(numerator: pd.DataFrame, denominator: pd.DataFrame) -> SeedMean:
    """Return the geometric mean over seeds of the ratio of two groups' d_int90, with its interval.

    Args:
        numerator: rows of one group, from `dimensions_by_seed`.
        denominator: rows of the other one. Seeds that lack either are left out.

    >>> ten = pd.DataFrame({"seed": [0, 1], "dimension": [10.0, 10.0]})
    >>> round(ratio_of_dimensions(ten, ten.assign(dimension=5.0)).value, 6)
    2.0
    """
    differences = _log_by_seed(numerator) - _log_by_seed(denominator)
    return exponential_of(mean_of(differences.tolist()))


def growth_by_seed(few: pd.DataFrame, many: pd.DataFrame, examples: float) -> "pd.Series[float]":
    """Return the exponent with which d_int90 grows with the number of examples, by seed.

    Args:
        few: rows of a group, from `dimensions_by_seed`.
        many: rows of the same networks on more examples.
        examples: how many times as many.

    >>> ten = pd.DataFrame({"seed": [0, 1], "dimension": [10.0, 10.0]})
    >>> growth_by_seed(ten, ten.assign(dimension=40.0), 4).round(6).tolist()
    [1.0, 1.0]
    """
    return (_log_by_seed(many) - _log_by_seed(few)) / np.log(examples)


def _log_by_seed(found: pd.DataFrame) -> "pd.Series[float]":
    return np.log(found.set_index("seed")["dimension"])


class Bounds(NamedTuple):
    """Bounds of the geometric mean over seeds of d_int90 where the dimensions tried may not contain it.

    Attributes:
        low: the mean if every seed had the largest dimension tried that does not suffice; 0 if the smallest one does.
        high: the mean if every seed had the smallest dimension tried that suffices; infinite if none does.
    """

    low: float
    high: float


def bounds_of_mean(found: pd.DataFrame) -> Bounds:
    """Return bounds of the geometric mean over seeds of d_int90, which are equal if it is known in every seed.

    Args:
        found: rows of one group, from `dimensions_by_seed`.

    >>> seeds = pd.DataFrame({"dimension": [100.0, float("nan")], "above": [90.0, 400.0], "up_to": [110.0, np.inf]})
    >>> bounds = bounds_of_mean(seeds)
    >>> round(bounds.low, 6), bounds.high
    (200.0, inf)
    """
    low = found["dimension"].fillna(found["above"])
    high = found["dimension"].fillna(found["up_to"])
    return Bounds(float(stats.gmean(low)), float(stats.gmean(high)))


def slope_in_parameters(found: pd.DataFrame) -> SeedMean:
    """Return the slope of log d_int90 in log D among each seed's networks, over seeds.

    Args:
        found: from `dimensions_by_seed`, with the number of parameters as the column `parameters`.
    """

    def slope(rows: pd.DataFrame) -> float:
        known = rows.dropna(subset="dimension")
        if known["parameters"].nunique() < 2:
            return float("nan")
        return float(np.polyfit(np.log(known["parameters"]), np.log(known["dimension"]), 1)[0])

    return mean_over_seeds(found, slope)


def accuracy_at(runs: pd.DataFrame, dimension: float) -> "pd.Series[float]":
    """Return each seed's test accuracy in a subspace of so many dimensions.

    Between the dimensions tried it is taken to be linear in their logarithm; beyond them it is not known (NaN).

    Args:
        runs: of one network in subspaces: `seed`, `subspace.dimension` and `test_error`.
        dimension: of the subspace.

    >>> runs = pd.DataFrame({"seed": 0, "subspace.dimension": [100, 400], "test_error": [0.4, 0.2]})
    >>> accuracy_at(runs, 200).round(3).to_dict()
    {0: 0.7}
    >>> accuracy_at(runs, 500).to_dict()
    {0: nan}
    """
    inside = runs.dropna(subset=DIMENSION).sort_values(DIMENSION)
    accuracies = {}
    for seed, rows in inside.groupby("seed"):
        tried = np.log(rows[DIMENSION].to_numpy(dtype=float))
        at = np.interp(np.log(dimension), tried, 1 - rows["test_error"], left=np.nan, right=np.nan)
        accuracies[seed] = float(at)
    return pd.Series(accuracies, name="accuracy", dtype=float).rename_axis("seed")
