"""Figures of the study of the XOR detection problem (Brutzkus and Globerson 2019)."""

import functools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES, NothingToDraw, RenderedFigure, color_ramp, render_figure
from benevolent.analysis.studies.shared.drawing import BLACK, DARK_GRAY, GRAY, RED, TEAL
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, minus_signs
from benevolent.analysis.studies.shared.xor_networks import DEGREES

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
#: Columns of the last figure: label, marker, line style and color.
SHARES = {
    "explored": ("explored all patterns at initialization", "o", "-", BLACK),
    "fits": ("fit the training set", "s", "--", DARK_GRAY),
    "perfect": ("fit it, and err on no input", "^", ":", RED),
    "share_at_end": ("share of the filters' norms near a pattern", "D", "-.", TEAL),
}


def xor_figures(drawn: pd.DataFrame, centers: pd.DataFrame) -> list[RenderedFigure]:
    """Render the errors, the filters of a large and a small network, and what changes with the size.

    Args:
        drawn: networks from random filters, the table of `xor_networks.Detectors`.
        centers: small networks from the cluster centers of large ones.
    """
    errors = render_figure(
        "errors",
        "Test error against the number of filters",
        "Exact error on inputs whose positives have one positive pattern only; k filters count for and k against the "
        "positive label. Means over seeds and training set sizes, with Student's 95% intervals: of all networks, and "
        "of those that fit every training example. Right: networks that fit, by the number of training examples. "
        "Cluster centers: k = 2 filters for each label that start from the centers of a large network's.",
        functools.partial(_draw_errors, drawn, centers),
    )
    filters = render_figure(
        "filters",
        "Filters of a large and a small network at initialization and at the end",
        "A filter is a pair of numbers. Filters that count for the positive label (solid, dark) and against it "
        "(dashed, red), in networks of one seed that fit the training set; dotted lines are the four patterns. Each "
        "panel has its own scale. The seed is the first whose small network fits and yet errs on other inputs, if "
        "there is one.",
        functools.partial(_draw_filters, drawn),
    )
    sizes = render_figure(
        "sizes",
        "What changes with the number of filters",
        f"Fractions of networks, over seeds and training set sizes, and the share of the filters' norms within "
        f"{DEGREES:g} degrees of a pattern at the end ({DEGREES / 45:.0%} for random directions).",
        functools.partial(_draw_sizes, drawn),
    )
    return [errors, filters, sizes]


def _draw_errors(drawn: pd.DataFrame, centers: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.2), layout="constrained")
    by_size, by_examples = figure.subplots(1, 2, sharey=True)
    fitted = drawn[drawn["fits"]]
    _draw_error_line(by_size, drawn, "filters", "all networks", "s", "--", TEAL)
    _draw_error_line(by_size, fitted, "filters", "networks that fit", "o", "-", BLACK)
    _draw_error_line(by_size, centers, "filters", "k = 2 from cluster centers", "x", "", RED)
    sizes = sorted(drawn["filters"].unique())
    for index, (size, color) in enumerate(zip(sizes, color_ramp(len(sizes)), strict=True)):
        marker = MARKERS[index % len(MARKERS)]
        line = LINES[index % len(LINES)]
        _draw_error_line(
            by_examples, fitted[fitted["filters"] == size], "train_size", f"k = {size}", marker, line, color
        )
    for panel, column, label in ((by_size, "filters", "filters k"), (by_examples, "train_size", "training examples")):
        ticks = sorted(drawn[column].unique())
        panel.set(xscale="log", xlabel=label)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.minorticks_off()
        panel.legend(loc="best")
    by_size.set(ylabel="test error (fraction)")
    by_size.set_ylim(bottom=0)
    return figure


def _draw_error_line(
    panel: Axes, table: pd.DataFrame, by: str, label: str, marker: str, line: str, color: object
) -> None:
    places = []
    means = []
    reaches = []
    for place, rows in table.groupby(by):
        mean = mean_over_seeds(rows, lambda one: float(one["hard_error"].mean()), (0, 1))
        places.append(place)
        means.append(mean.value)
        reaches.append((mean.value - mean.low, mean.high - mean.value) if mean.seeds > 1 else (0.0, 0.0))
    if places:
        reach = np.array(reaches).T
        look: dict[str, Any] = {"marker": marker, "linestyle": line, "color": color, "markersize": 4, "linewidth": 1}
        panel.errorbar(places, means, reach, capsize=2, label=label, **look)


def _draw_filters(drawn: pd.DataFrame) -> Figure:
    small, large = _example(drawn)
    figure = Figure(figsize=(WIDTH_INCHES, 2.2), layout="constrained")
    panels = figure.subplots(1, 4)
    for place, network in enumerate((large, small)):
        for step, column in enumerate(("start_filters", "filters_at_end")):
            panel = panels[2 * place + step]
            _draw_directions(panel, np.asarray(network[column]))
            when = "at the end" if step else "at initialization"
            panel.set_title(f"k = {network['filters']}, {when}", loc="left")
    panels[0].set_ylabel("second number")
    return figure


def _example(drawn: pd.DataFrame) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """Return a small and a large network of one seed and training set that both fit."""
    small = drawn[(drawn["filters"] == drawn["filters"].min()) & drawn["fits"]]
    large = drawn[(drawn["filters"] == drawn["filters"].max()) & drawn["fits"]]
    pairs = small.merge(large, on=["seed", "train_size"], suffixes=("_small", "_large"))
    if pairs.empty:
        raise NothingToDraw("No small and large network of one seed fit the training set.")
    erring = pairs[~pairs["perfect_small"].astype(bool) & pairs["perfect_large"].astype(bool)]
    chosen = (erring if len(erring) else pairs).sort_values(["train_size", "seed"]).iloc[0]
    key = (chosen["seed"], chosen["train_size"])
    return small.set_index(["seed", "train_size"]).loc[key], large.set_index(["seed", "train_size"]).loc[key]


def _draw_directions(panel: Axes, filters: np.ndarray) -> None:
    """Draw filters `(2 k, 2)` as lines from the origin, and the patterns as dotted lines."""
    reach = 1.1 * float(np.abs(filters).max())
    for sign in (-1, 1):
        panel.plot([-reach, reach], [-sign * reach, sign * reach], color=GRAY, linewidth=0.8, linestyle=":")
    for group, color, line in zip(np.split(filters, 2), (BLACK, RED), ("-", "--"), strict=True):
        for x, y in group:
            panel.plot([0, x], [0, y], line, color=color, linewidth=0.8)
            panel.plot(x, y, "o", color=color, markersize=2.5)
    panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="first number")
    tick = float(f"{0.7 * reach:.1g}")
    ticks = (-tick, 0.0, tick)
    labels = [minus_signs(f"{place:g}") for place in ticks]
    panel.set_xticks(ticks, labels)
    panel.set_yticks(ticks, labels)


def _draw_sizes(drawn: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.8), layout="constrained")
    panel = figure.subplots()
    shown = drawn.assign(perfect=drawn["perfect"] & drawn["fits"])
    for column, (label, marker, line, color) in SHARES.items():
        means = shown.groupby("filters")[column].mean()
        panel.plot(means.index, means, line, marker=marker, color=color, markersize=4, linewidth=1, label=label)
    ticks = sorted(drawn["filters"].unique())
    panel.set(xscale="log", xlabel="filters k, for and against each", ylabel="fraction", ylim=(0, 1.05))
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.minorticks_off()
    figure.legend(loc="outside right center")
    return figure
