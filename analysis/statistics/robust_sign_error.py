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
    table = table[np.isfinite(numeric_column(table, target, "target"))]
    values = numeric_column(table, target, "target")
    if loss_variance is None and values.size and np.abs(values).max() > 1:
        raise BadInput(
            f"target {target!r} has values outside [-1, 1], so it is not an error or a gap in error; for a loss, set "
            "loss_variance to the column with the variance of the per-example loss"
        )
    runs = GroupedRuns.from_table(table, axes, seed_column)
    environments = find_environments(runs)
    dg = _pair_differences(_by_configuration(runs, values), environments)
    if loss_variance is None:
        failure = 2 * np.exp(-2 * test_size * (dg / 2) ** 2)
        certainty = np.maximum(0, 1 - failure) ** 2
    else:
        variance = numeric_column(table, loss_variance, "loss_variance")
        noise = _by_configuration(runs, np.sqrt(variance / test_size))
        first_noise = noise[environments.first][:, :, None]
        second_noise = noise[environments.second][:, None, :]
        certainty = _probability_within(dg, first_noise) * _probability_within(dg, second_noise)
    weight = np.nan_to_num(np.maximum(0, certainty - 0.5))

    rows = {}
    for predictor in predictors:
        c = _by_configuration(runs, numeric_column(table, predictor, "predictor"))
        error, kept = _sign_errors(c, dg, weight, environments)
        axis_of_error = environments.axis[kept]
        for name in axes:
            rows[predictor, name] = _summary(error[axis_of_error == name])
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
        pairs = pairs[pairs["configuration_x"] != pairs["configuration_y"]]
        firsts.append(pairs["configuration_x"].to_numpy())
        seconds.append(pairs["configuration_y"].to_numpy())
        varied_axes.append(np.full(len(pairs), name, dtype=object))
    return Environments(np.concatenate(firsts), np.concatenate(seconds), np.concatenate(varied_axes))


def _by_configuration(runs: GroupedRuns, values: np.ndarray) -> np.ndarray:
    """(n,) values of the table -> (G, largest size), NaN where a configuration has fewer runs."""
    present = runs.padded(np.ones(len(values))) > 0
    return np.where(present, runs.padded(values[runs.order]), np.nan)


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
        return 2 * norm.cdf(np.abs(dg) / 2 / noise) - 1


def _summary(errors: np.ndarray) -> tuple[int, float, float, float]:
    """Return number, mean, 90th percentile and maximum of sign errors."""
    if errors.size == 0:
        return 0, np.nan, np.nan, np.nan
    p90 = np.quantile(errors, 0.9)
    return errors.size, float(errors.mean()), float(p90), float(errors.max())
