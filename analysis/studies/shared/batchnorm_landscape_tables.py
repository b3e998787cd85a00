"""Tables and ratios of the study `batchnorm-landscape`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.step_landscape import landscape_table, shift_table
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.seed_means import SeedMean, exponential_of, mean_over_seeds
from benevolent.analysis.studies.shared.tables import rows_with

KIND = "model.batch_norm"
RATE = "optimizer.lr"
#: Learning rate at which networks are compared: the source's; in the deep linear network one at which both kinds train.
RATES = {"vgg": 0.1, "perceptron": 0.1, "deep-linear": 0.0003}
NAMES = {"vgg": "VGG", "perceptron": "perceptron", "deep-linear": "deep linear network"}
#: Values of `KIND`.
NONE, PLAIN, NOISY = "none", "plain", "noisy"
LABELS = {NONE: "without", PLAIN: "BatchNorm", NOISY: "noisy"}
#: Quantities of the landscape in the order of the source's figure 4, and their names.
LANDSCAPE = {
    "loss_range": "range of the loss",
    "gradient_change": "change of the gradient",
    "smoothness": "effective smoothness",
}


def landscapes(results: Results) -> pd.DataFrame:
    """Return `landscape_table` of a sweep with kind of normalization, learning rate and seed.

    Rows with a value that is not finite are left out; `attrs["left_out"]` is their number.
    """
    return _described(results, landscape_table(results))


def shifts(results: Results, rate: float) -> pd.DataFrame:
    """Return `shift_table` of the networks of one learning rate, likewise."""
    runs = results.runs
    chosen = runs.loc[runs[RATE] == rate, "run_id"]
    return _described(results, shift_table(results, set(chosen)))


def _described(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    runs = results.runs[["run_id", KIND, RATE, "seed"]]
    finite = table.replace([np.inf, -np.inf], np.nan).dropna()
    described = finite.merge(runs, on="run_id")
    described.attrs["left_out"] = len(table) - len(finite)
    return described


def ratio_to(table: pd.DataFrame, column: str, kind: str, to: str = NONE, keys: Sequence[str] = ("step",)) -> SeedMean:
    """Return how many times larger a quantity is for one kind of normalization than for another.

    Args:
        table: of one network and learning rate.
        column: the quantity, positive.
        kind: the one whose values are divided by.
        to: the one whose values are divided.
        keys: columns in which values are paired; the ratio is the geometric mean over pairs, and over seeds.
    """
    positive = table[column].where(table[column] > 0)
    logs = table.assign(value=np.log(positive))
    return exponential_of(_mean_difference(logs, "value", kind, to, keys))


def _mean_difference(table: pd.DataFrame, column: str, kind: str, to: str, keys: Sequence[str]) -> SeedMean:
    """Return the mean over seeds, and over pairs of one seed, of a column for `to` less that for `kind`."""

    def difference(rows: pd.DataFrame) -> float:
        by_kind = rows.pivot_table(index=list(keys), columns=KIND, values=column)
        if not {to, kind} <= set(by_kind):
            return np.nan
        return float((by_kind[to] - by_kind[kind]).mean())

    return mean_over_seeds(table, difference)


def ratio_at_equal_loss(table: pd.DataFrame, column: str) -> SeedMean:
    """Return the ratio of a quantity without BatchNorm to that with it where both have the same loss on their batch.

    Each network's log quantity is interpolated between its checkpoints, in order of their log loss; the ratio is the
    geometric mean over the losses that networks of both kinds pass, at ten places in equal ratios.

    Args:
        table: of one network and learning rate.
        column: the quantity, positive.
    """
    return exponential_of(mean_over_seeds(table, lambda rows: _log_ratio_at_equal_loss(rows, column)))


def _log_ratio_at_equal_loss(rows: pd.DataFrame, column: str) -> float:
    curves = {}
    for kind in (NONE, PLAIN):
        networks = rows_with(rows, KIND, kind).sort_values("loss")
        curves[kind] = np.log(networks[["loss", column]].to_numpy()).T
    low = max(losses[0] for losses, _ in curves.values())
    high = min(losses[-1] for losses, _ in curves.values())
    if low >= high:
        return float("nan")
    places = np.linspace(low, high, 10)
    without = np.interp(places, *curves[NONE])
    with_norm = np.interp(places, *curves[PLAIN])
    return float((without - with_norm).mean())


def difference_of(table: pd.DataFrame, column: str, kind: str, to: str = NONE) -> SeedMean:
    """Return the mean of a column for `to` less that for `kind`, over seeds; paired by step and layer if there are."""
    keys = [key for key in ("step", "layer") if key in table]
    return _mean_difference(table.assign(all=0), column, kind, to, keys or ["all"])


def means_by_kind(table: pd.DataFrame, column: str, number_format: str = ".3f") -> str:
    """Return the means of a column by kind of normalization, as text."""
    means = table.groupby(KIND)[column].mean()
    return ", ".join(f"{LABELS[kind]} {means[kind]:{number_format}}" for kind in LABELS if kind in means)
