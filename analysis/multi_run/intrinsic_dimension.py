"""The number of random directions in which a task can be learned (Li et al. 2018)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.grouping import compared
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.resampling import bootstrap_counts, percentile_interval
from benevolent.trainables.rng import generator

#: Accuracies that differ by less are equal: rounding must not decide what reaches the threshold.
SLACK = 1e-9


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
    """d_int90: the smallest dimension whose accuracy is 90 % of the direct one's (Li et al. 2018, section 2).

    Accuracies are means over seeds. Between the smallest dimension that reaches the threshold and the one tried before
    it, the accuracy is taken to be linear in the logarithm of the dimension. Where the grid does not hold the answer,
    `dimension` is NaN, and `above` and `up_to` say what is known.

    The interval resamples whole seeds, each with its direct run. Of few seeds it is too narrow: of three it is what one
    of them alone gives at least and at most.

    Args:
        table: one row per run: `seed`, `subspace.dimension` (missing for direct training), and the error.
        axes: columns that tell studies apart.
        error: column with the fraction of wrong examples; runs without it are left out.
        share: of the direct accuracy.
        resamples: how many.
        confidence: coverage of the interval.
        random_seed: of the resampling.

    Returns:
        A row per study: its axes; `dimension`; `low` and `high`, its interval (0: at or below the smallest dimension
        tried, infinite: not reached; NaN with one seed); `above` < d <= `up_to`, the dimensions tried around it (0 and
        infinity at the ends of the grid); `direct` and `threshold` accuracies; `seeds`, how many.

    Raises:
        BadInput: a column is absent or not numeric, a study has no direct run or no subspace, or two runs differ in
            something that `axes` does not name.

    >>> table = pd.DataFrame({"subspace.dimension": [None, 100, 400], "seed": 0, "validation_error": [0.0, 0.2, 0.0]})
    >>> intrinsic_dimension(table)[["dimension", "above", "up_to"]].round(3).to_numpy().tolist()
    [[200.0, 100.0, 400.0]]
    """
    known = table[~np.isnan(numeric_column(table, error, "error"))]
    require_columns(known, ["subspace.dimension"], "column")
    known = known.assign(**{"subspace.dimension": pd.to_numeric(known["subspace.dimension"])})
    plain, rows = known["subspace.dimension"].isna(), []
    for levels, direct, inside in compared(known, axes, ["subspace.dimension", "seed"], plain, "subspace"):
        both = pd.concat([direct.assign(**{"subspace.dimension": 0}), inside])
        accuracy = 1 - both.pivot(index="seed", columns="subspace.dimension", values=error)
        values, dimensions = accuracy.to_numpy(), accuracy.columns.to_numpy()[1:]
        means = np.nanmean(values, axis=0)
        found, above, up_to = _crossing(dimensions, means[1:], share * means[0])
        low, high = np.nan, np.nan
        if len(values) > 1:
            counts = bootstrap_counts(len(values), resamples, generator(random_seed, "across/intrinsic dimension"))
            drawn = [_drawn(dimensions, values, count, share) for count in counts]
            low, high = percentile_interval(np.array(drawn), found, confidence)
        rows.append(
            levels
            | {"dimension": found, "low": max(low, 0.0), "high": max(high, 0.0), "above": above, "up_to": up_to}
            | {"direct": means[0], "threshold": share * means[0], "seeds": len(values)}
        )
    return pd.DataFrame(rows)


def _crossing(dimensions: np.ndarray, accuracy: np.ndarray, threshold: float) -> tuple[float, float, float]:
    """Where accuracies `(m,)` first reach a threshold, and the dimensions around that; NaN if not inside the grid."""
    enough = np.flatnonzero(accuracy >= threshold - SLACK)
    if not len(enough):
        return np.nan, float(dimensions[-1]), np.inf
    first = enough[0]
    if first == 0:
        return np.nan, 0.0, float(dimensions[0])
    (low, high), (before, after) = dimensions[first - 1 : first + 1], accuracy[first - 1 : first + 1]
    part = min(1.0, (threshold - before) / (after - before))
    return float(low * (high / low) ** part), float(low), float(high)


def _drawn(dimensions: np.ndarray, values: np.ndarray, count: np.ndarray, share: float) -> float:
    """The dimension of one resample; infinite if not reached, minus infinity if reached by the smallest."""
    weights = count[:, None] * ~np.isnan(values)
    present = weights.sum(0) > 0
    if not present[0] or not present[1:].any():
        return np.nan
    means = (weights * np.nan_to_num(values)).sum(0)[present] / weights.sum(0)[present]
    found, above, up_to = _crossing(dimensions[present[1:]], means[1:], share * means[0])
    return found if found == found else np.inf if up_to == np.inf else -np.inf
