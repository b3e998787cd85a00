"""Joint prediction: the outcome that several predictors explain together in lineages that were not seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from benevolent.analysis.statistics.configurations import GroupedRuns, numeric_column, require_columns
from benevolent.analysis.statistics.design_matrix import axes_design
from benevolent.analysis.statistics.grouped_ridge import FOLDS, held_out_predictions
from benevolent.analysis.statistics.lineages import lineage_codes
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.analysis.thresholds import MINIMUM_UNITS
from benevolent.trainables.rng import generator


class JointPrediction(NamedTuple):
    """Cross-validated R2 of the ranks of an outcome, by ridge regressions that see other lineages only.

    Attributes:
        axes_r2: of the axes: main effects and pairwise interactions.
        predictors_r2: of the predictors' ranks without the axes.
        both_r2: of both.
        gain: `both_r2 - axes_r2`.
        gain_low: lower end of its interval.
        gain_high: upper end of its interval.
        runs: number of runs.
        lineages: number of lineages.
    """

    axes_r2: float
    predictors_r2: float
    both_r2: float
    gain: float
    gain_low: float
    gain_high: float
    runs: int
    lineages: int


UNKNOWN = JointPrediction(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, 0, 0)


@threadpool_limits.wrap(limits=1)  # products of small matrices: more threads only wait for each other
def joint_prediction(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> JointPrediction:
    """Estimate how much of the outcome several predictors explain together, and how much beyond the axes.

    Ranks of the outcome are predicted by ridge regressions. Whole lineages are divided at random into ten folds, and
    each fold is predicted from the nine others; the penalty is chosen inside these nine in the same way, so that
    nothing of a lineage enters its own prediction. A run that lacks a predictor has its mean rank.

    Args:
        table: one row per run; runs without the target are left out.
        predictors: numeric columns, such as the representatives of `redundancy`.
        target: the outcome.
        axes: columns that make a configuration, and a lineage in a table without the column `lineage`.
        resamples: resamples of whole lineages for the interval of the gain; the regressions stay as they are.
        confidence: coverage.
        random_seed: of folds and resamples.

    Returns:
        R2 of axes, predictors and both; NaN with fewer than 8 lineages or a constant outcome.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": np.repeat([1, 2, 3], 20), "norm": list(range(20)) * 3})
    >>> table["loss"] = table["lr"] + 0.01 * table["norm"]
    >>> table["lineage"] = range(60)
    >>> reached = joint_prediction(table, ["norm"], "loss", ["lr"], resamples=0)
    >>> 0.85 < reached.axes_r2 < 0.9, reached.both_r2 > 0.999
    (True, True)
    """
    require_columns(table, axes, "axis")
    table = table[~np.isnan(numeric_column(table, target, "target"))]
    lineage = lineage_codes(table, axes)
    lineages = len(np.unique(lineage))
    y = rankdata(numeric_column(table, target, "target"))
    if lineages < MINIMUM_UNITS or np.ptp(y) == 0:
        return UNKNOWN._replace(runs=len(table), lineages=lineages)
    rng = generator(random_seed, "folds/joint")
    fold = rng.permutation(lineages)[lineage] % FOLDS
    of_axes = _axes_columns(table, axes)
    of_predictors = _rank_columns(table, predictors)
    errors = []
    for columns in (of_axes, of_predictors, np.hstack([of_axes, of_predictors])):
        predicted = held_out_predictions(columns, y, fold)
        errors.append((y - predicted) ** 2)
    total = (y - y.mean()) ** 2
    sums = np.column_stack([np.bincount(lineage, values) for values in (*errors, total)])
    axes_r2, predictors_r2, both_r2 = 1 - sums[:, :3].sum(axis=0) / sums[:, 3].sum()
    counts = bootstrap_counts(lineages, resamples, generator(random_seed, "bootstrap/joint"))
    resampled = counts @ sums
    gains = (resampled[:, 0] - resampled[:, 2]) / resampled[:, 3]
    gain = float(both_r2 - axes_r2)
    low, high = percentile_interval(gains, gain, confidence)
    return JointPrediction(
        axes_r2=float(axes_r2),
        predictors_r2=float(predictors_r2),
        both_r2=float(both_r2),
        gain=gain,
        gain_low=low,
        gain_high=high,
        runs=len(table),
        lineages=lineages,
    )


def _axes_columns(table: pd.DataFrame, axes: Sequence[str]) -> np.ndarray:
    """(n, k) columns of the axes, in the order of the table."""
    runs = GroupedRuns.from_table(table, axes, None)
    design, _ = axes_design(runs.levels)
    columns = np.empty((len(table), design.shape[1]))
    columns[runs.order] = runs.per_run(design)
    return columns


def _rank_columns(table: pd.DataFrame, predictors: Sequence[str]) -> np.ndarray:
    """(n, p) ranks of predictors; the mean where missing."""
    columns = np.empty((len(table), len(predictors)))
    for place, predictor in enumerate(predictors):
        values = numeric_column(table, predictor, "predictor")
        ranks = rankdata(values, nan_policy="omit")
        columns[:, place] = np.where(np.isnan(ranks), np.nanmean(ranks), ranks)
    return columns
