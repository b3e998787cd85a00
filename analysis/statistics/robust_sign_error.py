"""Robust sign error: how often a predictor orders two configurations wrongly, environment by environment."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from benevolent.analysis.statistics.configurations import GroupedRuns, group_codes, numeric_column, require_columns
from benevolent.trainables.errors import BadInput

EFFECTIVE_PAIRS = 12  # an environment with less weight than this many equal pairs is noise (Dziugaite et al. 2020)
ROUNDING = 1e-9  # an environment of exactly 12 equal pairs stays in


class Environments(NamedTuple):
    """Ordered pairs of configurations that differ in exactly one axis.

    Attributes:
        first: (E,) index of the first configuration.
        second: (E,) index of the second one.
        axis: (E,) name of the axis in which they differ.
    """

    first: np.ndarray
    second: np.ndarray
    axis: np.ndarray


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
    """Robust sign error of each predictor, by axis and over all environments.

    Source: Dziugaite et al. 2020, "In search of robust measures of generalization". An environment is an ordered pair
    of configurations that differ in exactly one axis. Within it, over all pairs of runs of the two, the error is the
    weighted mean of ``(1 - sign(dc) sign(dg)) / 2``: 0 if the order is always right, 1/2 by chance, 1 if it is always
    wrong. The weight ``max(0, v - 1/2)`` leaves out differences that the finite test set could explain; for errors
    ``v = max(0, 1 - 2 exp(-2 n (|dg| / 2)^2))^2`` (Hoeffding). Environments with effective size
    ``(sum w)^2 / sum w^2`` under 12 are left out.

    Args:
        table: one row per run; runs whose target is not finite are left out.
        predictors: numeric columns; a pair of runs with a NaN in the predictor has no weight.
        target: an error or a gap in error, in [-1, 1]; or a loss together with `loss_variance`.
        axes: columns that make a configuration.
        test_size: n, the number of test examples.
        loss_variance: for a loss, the column with the variance of the per-example test loss; then v is the product over
            both runs of ``P(|noise| < |dg| / 2)`` for normal noise of variance ``loss_variance / n``.
        seed_column: column of the seed; it may be absent.

    Returns:
        Rows (predictor, axis or "all"); columns environments, mean, p90, max. Without an environment: 0 and NaN.

    Raises:
        BadInput: a column is absent, or the target is no error and has no `loss_variance`.

    >>> table = pd.DataFrame({"lr": [0] * 4 + [1] * 4, "error": [0.1] * 4 + [0.6] * 4, "norm": [1] * 4 + [2] * 4})
    >>> float(robust_sign_error(table, ["norm"], "error", ["lr"], test_size=1000).loc[("norm", "all"), "mean"])
    0.0
    """
    require_columns(table, axes, "axis")
    finite = np.isfinite(numeric_column(table, target, "target"))
    table = table[finite]
    values = numeric_column(table, target, "target")
    beyond_errors = bool((np.abs(values) > 1).any())
    if loss_variance is None and beyond_errors:
        raise BadInput(
            f"target {target!r} has values outside [-1, 1], so it is not an error or a gap in error; for a loss, set "
            "loss_variance to the column with the variance of the per-example loss"
        )
    runs = GroupedRuns.from_table(table, axes, seed_column)
    environments = find_environments(runs)
    dg = _pair_differences(_by_configuration(runs, values), environments)
    if loss_variance is None:
        half = dg / 2
        failure = 2 * np.exp(-2 * test_size * half**2)
        certainty = np.maximum(0, 1 - failure) ** 2
    else:
        variance = numeric_column(table, loss_variance, "loss_variance")
        noise = _by_configuration(runs, np.sqrt(variance / test_size))
        first_noise = noise[environments.first][:, :, None]
        second_noise = noise[environments.second][:, None, :]
        first_certainty = _probability_within(dg, first_noise)
        second_certainty = _probability_within(dg, second_noise)
        certainty = first_certainty * second_certainty
    weight = np.maximum(0, certainty - 0.5)
    weight = np.nan_to_num(weight)

    rows = {}
    for predictor in predictors:
        c = _by_configuration(runs, numeric_column(table, predictor, "predictor"))
        error, kept = _sign_errors(c, dg, weight, environments)
        axis_of_error = environments.axis[kept]
        for name in axes:
            errors_of_axis = error[axis_of_error == name]
            rows[predictor, name] = _summary(errors_of_axis)
        rows[predictor, "all"] = _summary(error)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["environments", "mean", "p90", "max"])
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["predictor", "axis"])
    return frame


def find_environments(runs: GroupedRuns) -> Environments:
    """Return the ordered pairs of configurations that differ in exactly one axis."""
    firsts = [np.zeros(0, int)]
    seconds = [np.zeros(0, int)]
    varied_axes = [np.zeros(0, object)]
    for name in runs.axes:
        other_axes = [other for other in runs.axes if other != name]
        setting = group_codes(runs.levels, other_axes)
        side = pd.DataFrame({"setting": setting, "configuration": np.arange(len(setting))})
        pairs = side.merge(side, on="setting")
        different = pairs["configuration_x"] != pairs["configuration_y"]
        pairs = pairs[different]
        firsts.append(pairs["configuration_x"].to_numpy())
        seconds.append(pairs["configuration_y"].to_numpy())
        varied_axes.append(np.full(len(pairs), name, dtype=object))
    first = np.concatenate(firsts)
    second = np.concatenate(seconds)
    axis = np.concatenate(varied_axes)
    return Environments(first, second, axis)


def _by_configuration(runs: GroupedRuns, values: np.ndarray) -> np.ndarray:
    """(n,) values of the table -> (G, largest size), NaN where a configuration has fewer runs."""
    ones = np.ones(len(values))
    present = runs.padded(ones) > 0
    padded = runs.padded(values[runs.order])
    return np.where(present, padded, np.nan)


def _pair_differences(values: np.ndarray, environments: Environments) -> np.ndarray:
    """(G, m) values -> (E, m, m) differences between the runs of the first and of the second configuration."""
    first = values[environments.first][:, :, None]
    second = values[environments.second][:, None, :]
    return first - second


def _sign_errors(
    predictor: np.ndarray, dg: np.ndarray, weight: np.ndarray, environments: Environments
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the weighted sign error of the environments with enough weight.

    Args:
        predictor: (G, m) values of the runs of each configuration.
        dg: (E, m, m) differences in the target.
        weight: (E, m, m) weights.
        environments: the E pairs.

    Returns:
        Sign errors of the environments that are kept, and the (E,) mask of those.
    """
    first = predictor[environments.first][:, :, None]
    second = predictor[environments.second][:, None, :]
    missing = np.isnan(first) | np.isnan(second)
    w = np.where(missing, 0, weight)
    sign_dc = (first > second) * 1.0 - (first < second)  # comparing, unlike subtracting, keeps infinities in order
    wrong = (1 - sign_dc * np.sign(dg)) / 2
    total = w.sum((1, 2))
    squares = (w**2).sum((1, 2))
    enough = total**2 >= EFFECTIVE_PAIRS * squares * (1 - ROUNDING)
    kept = (total > 0) & enough
    errors = np.nansum(w * wrong, axis=(1, 2))
    return errors[kept] / total[kept], kept


def _probability_within(dg: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Probability that normal noise of this standard deviation is smaller than half the difference."""
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.abs(dg) / 2 / noise
        return 2 * norm.cdf(deviations) - 1


def _summary(errors: np.ndarray) -> tuple[int, float, float, float]:
    """Return number, mean, 90th percentile and maximum of sign errors."""
    if errors.size == 0:
        return 0, np.nan, np.nan, np.nan
    mean = float(errors.mean())
    p90 = float(np.quantile(errors, 0.9))
    largest = float(errors.max())
    return errors.size, mean, p90, largest
