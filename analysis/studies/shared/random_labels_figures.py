"""Figures of the study of random labels: the paper's figure 1, regularizers, and what the slow-down depends on."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    GRAY,
    RED,
    TEAL,
    LineStyle,
    draw_groups,
    draw_line,
    mark_numbers,
    new_figure,
)
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
from benevolent.analysis.studies.shared.tables import rows_with

#: Color, marker and line of each series of a panel, in order.
STYLES = (
    LineStyle(BLACK, "o", "-"),
    LineStyle(RED, "s", "--"),
    LineStyle(TEAL, "^", "-."),
    LineStyle(DARK_GRAY, "D", ":"),
    LineStyle(GRAY, "v", "-"),
)


def draw_fitting(networks: pd.DataFrame, losses: pd.DataFrame) -> Figure:
    """Draw figure 1 of the paper: loss while training, time to fit, and test error.

    Args:
        networks: without regularizers, as `random_labels_runs.networks_of` returns them.
        losses: `run_id`, `epoch` and the training loss `value` at recorded epochs.
    """
    figure = new_figure(3.1)
    left, middle, right = figure.subplots(1, 3)
    _draw_losses(left, networks, losses)
    for style, (network, runs) in _styled(networks):
        of_true = in_condition(runs, TRUE_LABELS).groupby("seed")["epochs"].mean()
        errors = runs.assign(relative=runs["epochs"] / runs["seed"].map(of_true), error=1 - runs["test"])
        by_corruption = errors.groupby("corruption")
        draw_groups(middle, by_corruption["relative"], style, network, linewidth=1.2)
        draw_groups(right, by_corruption["error"], style, network, linewidth=1.2)
    middle.axhline(1, color=GRAY, linewidth=0.8)
    middle.set(xlabel="fraction of random labels", ylabel="time to fit (relative to true labels)")
    middle.set_ylim(bottom=0)
    right.axhline(1 - CHANCE, color=GRAY, linewidth=0.8)
    right.set(xlabel="fraction of random labels", ylabel="test error")
    right.legend()
    return figure


def _styled(networks: pd.DataFrame) -> Iterator[tuple[LineStyle, tuple[str, pd.DataFrame]]]:
    """Return the networks that were trained on images, by architecture, each with a style."""
    by_network = images_only(networks).groupby("network", sort=False)
    return zip(STYLES, by_network, strict=False)


def _draw_losses(panel: Axes, networks: pd.DataFrame, losses: pd.DataFrame) -> None:
    """Draw the training loss of one seed of the last architecture, for each condition."""
    last = networks["network"].iloc[-1]
    own = rows_with(networks, "network", last)
    own = rows_with(own, "seed", own["seed"].min())
    for style, condition in zip(STYLES, CONDITIONS, strict=True):
        for run_id in in_condition(own, condition)["run_id"]:
            path = rows_with(losses, "run_id", run_id).sort_values("epoch")
            draw_line(panel, path.set_index("epoch")["value"], style, condition, markersize=3.5)
    panel.set_xscale("symlog", linthresh=4)
    panel.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    panel.legend(title=str(last), fontsize="x-small")


def draw_regularizers(networks: pd.DataFrame) -> Figure:
    """Draw the test accuracy on true labels and the train accuracy on random ones, with and without regularizers."""
    pairs = networks[["network", "regularizer"]].drop_duplicates().sort_values("network", kind="stable")
    figure = new_figure(0.9 + 0.24 * len(pairs))
    left, right = figure.subplots(1, 2, sharey=True)
    names = []
    for place, (network, regularizer) in enumerate(pairs.itertuples(index=False, name=None)):
        runs = rows_with(rows_with(networks, "network", network), "regularizer", regularizer)
        look = {"color": BLACK, "marker": "o"} if regularizer == NONE else {"color": TEAL, "marker": "s"}
        _draw_accuracies(left, in_condition(runs, TRUE_LABELS)["test"], -place, **look)
        _draw_accuracies(right, in_condition(runs, RANDOM_LABELS)["train"], -place, **look)
        names.append(f"{network}, {regularizer}")
    left.set_yticks(-np.arange(len(pairs)), names)
    left.set(xlabel="test accuracy, true labels")
    right.axvline(LEAST_FIT, color=GRAY, linewidth=0.8, linestyle=":")
    right.set(xlabel="train accuracy, random labels")
    return figure


def _draw_accuracies(panel: Axes, values: "pd.Series[float]", height: int, color: str, marker: str) -> None:
    """Draw accuracies as marks at one height, and their mean as a tick."""
    heights = np.full(len(values), height)
    panel.scatter(values, heights, s=14, marker=marker, facecolors="none", edgecolors=color, linewidths=0.9)
    panel.plot(values.mean(), height, marker="|", markersize=11, color=color)


def draw_slow_down_and_stopping(networks: pd.DataFrame, sizes: pd.DataFrame) -> Figure:
    """Draw the slow-down by random labels against the number of examples, and what stopping early gains."""
    figure = new_figure(2.7)
    left, right = figure.subplots(1, 2)
    _draw_slow_downs(left, sizes)
    for style, (network, runs) in _styled(networks):
        gains = runs.groupby(["corruption", "seed"]).apply(stopping_gain, include_groups=False)
        draw_groups(right, gains.groupby("corruption"), style, network, linewidth=1.2)
    right.axhline(0, color=GRAY, linewidth=0.8)
    right.set(xlabel="fraction of random labels", ylabel="test accuracy gained\nby stopping early")
    right.legend()
    return figure


def _draw_slow_downs(panel: Axes, sizes: pd.DataFrame) -> None:
    factors = slow_downs(sizes)
    examples = list(factors)
    table = pd.DataFrame(list(factors.values()), index=examples)
    below = table["value"] - table["low"]
    above = table["high"] - table["value"]
    distances = np.nan_to_num([below, above], posinf=0.0)
    panel.errorbar(examples, table["value"], distances, color=BLACK, marker="o", markersize=4, capsize=2)
    panel.axhline(1, color=GRAY, linewidth=0.8)
    panel.set_xscale("log")
    mark_numbers(panel, examples)
    panel.set(xlabel=f"training examples, {sizes['network'].iloc[0]}", ylabel="time to fit random labels\n(relative)")
