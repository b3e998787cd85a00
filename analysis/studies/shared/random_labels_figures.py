"""Figures of the study of random labels: the paper's figure 1, regularizers, and what the slow-down depends on."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES
from benevolent.analysis.studies.shared.drawing import BLACK, DARK_GRAY, GRAY, RED, TEAL
from benevolent.analysis.studies.shared.random_labels_fitting import CHANCE, LEAST_FIT
from benevolent.analysis.studies.shared.random_labels_runs import (
    CONDITIONS,
    NONE,
    RANDOM_LABELS,
    TRUE_LABELS,
    images_only,
    in_condition,
)
from benevolent.analysis.studies.shared.random_labels_stopping import stopping_gain
from benevolent.analysis.studies.shared.random_labels_time import slow_downs

#: Color, marker and line of each series of a panel, in order.
STYLES = ((BLACK, "o", "-"), (RED, "s", "--"), (TEAL, "^", "-."), (DARK_GRAY, "D", ":"), (GRAY, "v", "-"))


def draw_fitting(networks: pd.DataFrame, losses: pd.DataFrame) -> Figure:
    """Draw figure 1 of the paper: loss while training, time to fit, and test error.

    Args:
        networks: without regularizers, as `random_labels_runs.networks_of` returns them.
        losses: `run_id`, `epoch` and the training loss `value` at recorded epochs.
    """
    figure = Figure(figsize=(WIDTH_INCHES, 3.1), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_losses(left, networks, losses)
    rows = images_only(networks)
    for style, (network, runs) in zip(STYLES, rows.groupby("network", sort=False), strict=False):
        relative = runs["epochs"] / runs["seed"].map(_epochs_with_true_labels(runs))
        _draw_mean_and_range(middle, runs["corruption"], relative, style, str(network))
        _draw_mean_and_range(right, runs["corruption"], 1 - runs["test"], style, str(network))
    middle.axhline(1, color=GRAY, linewidth=0.8)
    middle.set(xlabel="fraction of random labels", ylabel="time to fit (relative to true labels)")
    middle.set_ylim(bottom=0)
    right.axhline(1 - CHANCE, color=GRAY, linewidth=0.8)
    right.set(xlabel="fraction of random labels", ylabel="test error")
    right.legend()
    return figure


def _epochs_with_true_labels(runs: pd.DataFrame) -> "pd.Series[float]":
    return in_condition(runs, TRUE_LABELS).groupby("seed")["epochs"].mean()


def _draw_losses(panel: Axes, networks: pd.DataFrame, losses: pd.DataFrame) -> None:
    """Draw the training loss of one seed of the last architecture, for each condition."""
    own = networks[networks["network"] == networks["network"].iloc[-1]]
    own = own[own["seed"] == own["seed"].min()]
    for (color, marker, line), condition in zip(STYLES, CONDITIONS, strict=True):
        for run_id in in_condition(own, condition)["run_id"]:
            path = losses[losses["run_id"] == run_id].sort_values("epoch")
            panel.plot(path["epoch"], path["value"], line, marker=marker, color=color, markersize=3.5, label=condition)
    panel.set_xscale("symlog", linthresh=4)
    panel.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    panel.legend(title=str(networks["network"].iloc[-1]), fontsize="x-small")


def _draw_mean_and_range(
    panel: Axes, x: "pd.Series[float]", y: "pd.Series[float]", style: tuple[str, str, str], label: str
) -> None:
    color, marker, line = style
    groups = y.groupby(x)
    mean = groups.mean()
    below = mean - groups.min()
    above = groups.max() - mean
    panel.errorbar(
        mean.index, mean, np.abs([below, above]), color=color, marker=marker, linestyle=line, markersize=4, capsize=2,
        linewidth=1.2, label=label,
    )  # fmt: skip


def draw_regularizers(networks: pd.DataFrame) -> Figure:
    """Draw the test accuracy on true labels and the train accuracy on random ones, with and without regularizers."""
    pairs = networks[["network", "regularizer"]].drop_duplicates().sort_values("network", kind="stable")
    figure = Figure(figsize=(WIDTH_INCHES, 0.9 + 0.24 * len(pairs)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, (network, regularizer) in enumerate(pairs.itertuples(index=False, name=None)):
        runs = networks[(networks["network"] == network) & (networks["regularizer"] == regularizer)]
        is_bare = regularizer == NONE
        color = BLACK if is_bare else TEAL
        marker = "o" if is_bare else "s"
        for panel, condition, column in ((left, TRUE_LABELS, "test"), (right, RANDOM_LABELS, "train")):
            values = in_condition(runs, condition)[column]
            heights = np.full(len(values), -place)
            panel.scatter(values, heights, s=14, marker=marker, facecolors="none", edgecolors=color, linewidths=0.9)
            panel.plot(values.mean(), -place, marker="|", markersize=11, color=color)
    names = [f"{network}, {regularizer}" for network, regularizer in pairs.itertuples(index=False, name=None)]
    left.set_yticks(-np.arange(len(pairs)), names)
    left.set(xlabel="test accuracy, true labels")
    right.axvline(LEAST_FIT, color=GRAY, linewidth=0.8, linestyle=":")
    right.set(xlabel="train accuracy, random labels")
    return figure


def draw_slow_down_and_stopping(networks: pd.DataFrame, sizes: pd.DataFrame) -> Figure:
    """Draw the slow-down by random labels against the number of examples, and what stopping early gains."""
    figure = Figure(figsize=(WIDTH_INCHES, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_slow_downs(left, sizes)
    rows = images_only(networks)
    for style, (network, runs) in zip(STYLES, rows.groupby("network", sort=False), strict=False):
        gains = runs.groupby(["corruption", "seed"]).apply(stopping_gain, include_groups=False).reset_index(name="gain")
        _draw_mean_and_range(right, gains["corruption"], gains["gain"], style, str(network))
    right.axhline(0, color=GRAY, linewidth=0.8)
    right.set(xlabel="fraction of random labels", ylabel="test accuracy gained\nby stopping early")
    right.legend()
    return figure


def _draw_slow_downs(panel: Axes, sizes: pd.DataFrame) -> None:
    factors: Mapping[int, tuple[float, float, float, int]] = slow_downs(sizes)
    examples = list(factors)
    means = np.array([factor[0] for factor in factors.values()])
    lows = np.array([factor[1] for factor in factors.values()])
    highs = np.array([factor[2] for factor in factors.values()])
    distances = np.nan_to_num([means - lows, highs - means], posinf=0.0)
    panel.errorbar(examples, means, distances, color=BLACK, marker="o", markersize=4, capsize=2)
    panel.axhline(1, color=GRAY, linewidth=0.8)
    panel.set_xscale("log")
    panel.set_xticks(examples, [str(count) for count in examples])
    panel.minorticks_off()
    panel.set(xlabel=f"training examples, {sizes['network'].iloc[0]}", ylabel="time to fit random labels\n(relative)")
