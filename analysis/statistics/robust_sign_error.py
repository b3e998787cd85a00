"""Robust sign error: how often a predictor orders two configurations wrongly, environment by environment."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from benevolent.analysis.statistics.configurations import GroupedRuns, group_codes, numeric_column, require_columns
from benevolent.trainables.errors import BadInput

EFFECTIVE_PAIRS = 12  # an environment with less weight than this many even pairs is noise (Dziugaite et al. 2020)


def robust_sign_error(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    test_size: int,
    *,
    loss_variance: str | None = None,
    seed_column: str | None = "seed",
) -> pd.DataFrame:
    """Robust sign error (Dziugaite et al. 2020, "In search of robust measures of generalization").

    An environment is an ordered pair of configurations that differ in exactly one axis. Within it, over all
    pairs of runs of the two, the error is the weighted mean of ``(1 - sign(dc) sign(dg)) / 2``: 0 always
    ordered rightly, 1/2 chance, 1 always wrongly. The weight ``max(0, v - 1/2)`` leaves out differences that
    the finite test set could explain; for errors ``v = max(0, 1 - 2 exp(-2 n (|dg| / 2)^2))^2`` (Hoeffding).
    Environments with effective size ``(sum w)^2 / sum w^2`` under 12 are left out.

    Args:
        table: one row per run; runs whose target is not finite are left out.
        predictors: numeric columns; a pair of runs with a NaN in the predictor has no weight.
        target: an error or a gap in error, in [-1, 1]; or a loss together with `loss_variance`.
        axes: columns that make a configuration.
        test_size: n, the number of test examples.
        loss_variance: for a loss, the column with the variance of the per-example test loss; then v is the
            product over both runs of ``P(|noise| < |dg| / 2)`` for normal noise of variance ``loss_variance
            / n``.
        seed_column: the seed, if any.

    Returns:
        Rows (predictor, axis or "all"); columns environments, mean, p90, max. Without an environment: 0 and
        NaN.

    Raises:
        BadInput: a column is absent, or the target is no error and has no `loss_variance`.
    """
    require_columns(table, axes, "axis")
    table = table[np.isfinite(numeric_column(table, target, "target"))]
    values = numeric_column(table, target, "target")
    if loss_variance is None and values.size and np.abs(values).max() > 1:
        raise BadInput(
            f"target {target!r} leaves [-1, 1], so it is no error or gap in error; for a loss name the "
            "column with the variance of the per-example loss as loss_variance"
        )
    runs = GroupedRuns.from_table(table, axes, seed_column)
    if loss_variance is None:
        noise = np.full(len(values), np.nan)
    else:
        noise = np.sqrt(numeric_column(table, loss_variance, "loss_variance") / test_size)
    outcome, noise = _by_configuration(runs, values), _by_configuration(runs, noise)
    first, second, axis = _environments(runs)
    dg = outcome[first][:, :, None] - outcome[second][:, None, :]
    if loss_variance is None:
        certainty = np.maximum(0, 1 - 2 * np.exp(-2 * test_size * (dg / 2) ** 2)) ** 2
    else:
        certainty = _within(dg, noise[first][:, :, None]) * _within(dg, noise[second][:, None, :])
    weight = np.nan_to_num(np.maximum(0, certainty - 0.5))

    rows = {}
    for predictor in predictors:
        c = _by_configuration(runs, numeric_column(table, predictor, "predictor"))
        # comparing, unlike subtracting, keeps infinities in order
        left, right = c[first][:, :, None], c[second][:, None, :]
        w = np.where(np.isnan(left) | np.isnan(right), 0, weight)
        wrong = (1 - ((left > right) * 1.0 - (left < right)) * np.sign(dg)) / 2
        total, squares = w.sum((1, 2)), (w**2).sum((1, 2))
        kept = (total > 0) & (total**2 >= EFFECTIVE_PAIRS * squares * (1 - 1e-9))  # but for rounding
        error = np.nansum(w * wrong, axis=(1, 2))[kept] / total[kept]
        for name in [*axes, "all"]:
            rows[predictor, name] = _summary(error if name == "all" else error[axis[kept] == name])
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["environments", "mean", "p90", "max"])
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["predictor", "axis"])
    return frame


def _environments(runs: GroupedRuns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ordered pairs of configurations that differ in exactly one axis, and the axis of each pair."""
    first, second, axis = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0, object)]
    for name in runs.axes:
        others = group_codes(runs.levels, [other for other in runs.axes if other != name])
        side = pd.DataFrame({"setting": others, "configuration": np.arange(len(others))})
        pairs = side.merge(side, on="setting")
        pairs = pairs[pairs["configuration_x"] != pairs["configuration_y"]]
        first.append(pairs["configuration_x"].to_numpy())
        second.append(pairs["configuration_y"].to_numpy())
        axis.append(np.full(len(pairs), name, dtype=object))
    return np.concatenate(first), np.concatenate(second), np.concatenate(axis)


def _by_configuration(runs: GroupedRuns, values: np.ndarray) -> np.ndarray:
    """(n,) values of the table -> (G, largest size), NaN where a configuration has fewer runs."""
    present = runs.padded(np.ones(len(values))) > 0
    return np.where(present, runs.padded(values[runs.order]), np.nan)


def _within(dg: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Probability that normal noise of this standard deviation stays within half the difference."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * norm.cdf(np.abs(dg) / 2 / noise) - 1


def _summary(errors: np.ndarray) -> tuple[int, float, float, float]:
    if errors.size == 0:
        return 0, np.nan, np.nan, np.nan
    return errors.size, float(errors.mean()), float(np.quantile(errors, 0.9)), float(errors.max())
