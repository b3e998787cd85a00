"""Intrinsic dimension: the number of random directions in which a task can be learned (Li et al. 2018)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.grouping import groups_with_reference, paired_by_replicate
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.rng import generator

#: Accuracies that differ by less are equal: rounding must not decide whether the threshold is reached.
ROUNDING = 1e-9
DIMENSION = "subspace.dimension"


class Crossing(NamedTuple):
    """The dimension at which accuracy first reaches a threshold.

    Attributes:
        dimension: interpolated; NaN if the threshold is reached by the smallest dimension tried or by none.
        above: largest dimension tried below it; 0 if the smallest one tried reaches the threshold.
        up_to: smallest dimension tried that reaches the threshold; infinite if none does.
    """

    dimension: float
    above: float
    up_to: float


@checked_arguments
def intrinsic_dimension(
    table: pd.DataFrame,
    axes: Sequence[str] = (),
    *,
    error: str = "validation_error",
    share: float = 0.9,
    resamples: int = 1000,
    confidence: float = 0.95,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Estimate d_int90: the smallest dimension whose accuracy is 90 % of that of direct training.

    Source: Li et al. 2018, "Measuring the intrinsic dimension of objective landscapes", section 2. Accuracies are means
    over seeds. Between the smallest dimension that reaches the threshold and the one tried before it, accuracy is taken
    to be linear in the logarithm of the dimension. If the grid does not contain the answer, `dimension` is NaN, and
    `above` and `up_to` say what is known.

    The interval resamples whole seeds, each with its direct run. It is too narrow with few seeds: with three it is the
    smallest and the largest value that any of them gives alone.

    Args:
        table: one row per run: `seed` or `replicate` (see `paired_by_replicate`), `subspace.dimension` (missing for
            direct training), and the error.
        axes: columns that tell groups of runs apart.
        error: column with the fraction of wrong examples; runs without it are left out.
        share: fraction of the direct accuracy to reach.
        resamples: number of resamples.
        confidence: coverage of the interval.
        random_seed: of the resampling.

    Returns:
        A row per group: its axes; `dimension`; `low` and `high`, its interval (0: at or below the smallest dimension
        tried, infinite: not reached; NaN with one seed); `above` < d <= `up_to`, the dimensions tried around it (0 and
        infinity at the ends of the grid); `direct` and `threshold` accuracies; `seeds`, their number.

    Raises:
        BadInput: a column is absent or not numeric, a group has no direct run or no run with `subspace.dimension`, or
            two runs differ in something that `axes` does not name.

    >>> table = pd.DataFrame({"subspace.dimension": [None, 100, 400], "seed": 0, "validation_error": [0.0, 0.2, 0.0]})
    >>> intrinsic_dimension(table)[["dimension", "above", "up_to"]].round(3).to_numpy().tolist()
    [[200.0, 100.0, 400.0]]
    """
    measured = paired_by_replicate(table[~np.isnan(numeric_column(table, error, "error"))])
    require_columns(measured, [DIMENSION], "column")
    measured = measured.assign(**{DIMENSION: pd.to_numeric(measured[DIMENSION])})
    is_direct = measured[DIMENSION].isna()
    rows = []
    for levels, direct, projected in groups_with_reference(measured, axes, [DIMENSION, "seed"], is_direct, "subspace"):
        runs = pd.concat([direct.assign(**{DIMENSION: 0}), projected])
        accuracy = 1 - runs.pivot(index="seed", columns=DIMENSION, values=error)
        values = accuracy.to_numpy()  # seeds x (direct, dimensions)
        dimensions = accuracy.columns.to_numpy()[1:]
        means = np.nanmean(values, axis=0)
        threshold = share * means[0]
        crossing = _find_crossing(dimensions, means[1:], threshold)
        low = high = np.nan
        if len(values) > 1:
            rng = generator(random_seed, "across/intrinsic dimension")
            counts = bootstrap_counts(len(values), resamples, rng)
            resampled = [_resampled_dimension(dimensions, values, count, share) for count in counts]
            low, high = percentile_interval(np.array(resampled), crossing.dimension, confidence)
        row: dict[str, Any] = {"dimension": crossing.dimension}
        row["low"] = max(low, 0.0)
        row["high"] = max(high, 0.0)
        row["above"] = crossing.above
        row["up_to"] = crossing.up_to
        row["direct"] = means[0]
        row["threshold"] = threshold
        row["seeds"] = len(values)
        rows.append(levels | row)
    return pd.DataFrame(rows)


def _find_crossing(dimensions: np.ndarray, accuracy: np.ndarray, threshold: float) -> Crossing:
    """Find the dimension at which accuracies `(m,)` first reach a threshold."""
    enough = np.flatnonzero(accuracy >= threshold - ROUNDING)
    if not len(enough):
        return Crossing(np.nan, float(dimensions[-1]), np.inf)
    first = enough[0]
    if first == 0:
        return Crossing(np.nan, 0.0, float(dimensions[0]))
    below, reached = dimensions[first - 1 : first + 1]
    accuracy_below, accuracy_reached = accuracy[first - 1 : first + 1]
    part = min(1.0, (threshold - accuracy_below) / (accuracy_reached - accuracy_below))
    dimension = below * (reached / below) ** part
    return Crossing(float(dimension), float(below), float(reached))


def _resampled_dimension(dimensions: np.ndarray, values: np.ndarray, count: np.ndarray, share: float) -> float:
    """Return the dimension of one resample: infinite if none reaches the threshold, -infinite if the smallest does.

    Args:
        dimensions: (m,) dimensions tried.
        values: (seeds, 1 + m) accuracies, direct training first; NaN where there is no run.
        count: (seeds,) numbers of draws.
        share: fraction of the direct accuracy to reach.
    """
    weights = count[:, None] * ~np.isnan(values)
    present = weights.sum(0) > 0
    if not present[0] or not present[1:].any():
        return np.nan
    sums = (weights * np.nan_to_num(values)).sum(0)
    means = sums[present] / weights.sum(0)[present]
    measured_dimensions = dimensions[present[1:]]
    threshold = share * means[0]
    crossing = _find_crossing(measured_dimensions, means[1:], threshold)
    if not np.isnan(crossing.dimension):
        return crossing.dimension
    return np.inf if crossing.up_to == np.inf else -np.inf
