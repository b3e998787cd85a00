"""Figures of the study of the XOR detection problem (Brutzkus and Globerson 2019)."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from benevolent.analysis.figures import NothingToDraw, RenderedFigure, color_ramp, render_figure
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    GRAY,
    RED,
    TEAL,
    LabeledStyle,
    LineStyle,
    draw_line,
    mark_numbers,
    new_figure,
)
from benevolent.analysis.studies.shared.seed_means import minus_signs, seed_mean
from benevolent.analysis.studies.shared.tables import rows_with
from benevolent.analysis.studies.shared.xor_networks import DEGREES

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":")
#: Columns of the last figure: label, marker, line style and color.
SHARES = {
    "explored": LabeledStyle(LineStyle(BLACK, "o", "-"), "explored all patterns at initialization"),
    "fits": LabeledStyle(LineStyle(DARK_GRAY, "s", "--"), "fit the training set"),
    "perfect": LabeledStyle(LineStyle(RED, "^", ":"), "fit it, and err on no input"),
    "share_at_end": LabeledStyle(LineStyle(TEAL, "D", "-."), "share of the filters' norms near a pattern"),
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
        _draw_errors,
        drawn,
        centers,
    )
    filters = render_figure(
        "filters",
        "Filters of a large and a small network at initialization and at the end",
        "A filter is a pair of numbers. Filters that count for the positive label (solid, dark) and against it "
        "(dashed, red), in networks of one seed that fit the training set; dotted lines are the four patterns. Each "
        "panel has its own scale. The seed is the first whose small network fits and yet errs on other inputs, if "
        "there is one.",
        _draw_filters,
        drawn,
    )
    sizes = render_figure(
        "sizes",
        "What changes with the number of filters",
        f"Fractions of networks, over seeds and training set sizes, and the share of the filters' norms within "
        f"{DEGREES:g} degrees of a pattern at the end ({DEGREES / 45:.0%} for random directions).",
        _draw_sizes,
        drawn,
    )
    return [errors, filters, sizes]


def _draw_errors(drawn: pd.DataFrame, centers: pd.DataFrame) -> Figure:
    figure = new_figure(3.2)
    by_size, by_examples = figure.subplots(1, 2, sharey=True)
    fitted = drawn[drawn["fits"]]
    _draw_mean_errors(by_size, drawn, "filters", LineStyle(TEAL, "s", "--"), "all networks")
    _draw_mean_errors(by_size, fitted, "filters", LineStyle(BLACK, "o", "-"), "networks that fit")
    _draw_mean_errors(by_size, centers, "filters", LineStyle(RED, "x", ""), "k = 2 from cluster centers")
    sizes = sorted(drawn["filters"].unique())
    for size, color, marker, line in zip(sizes, color_ramp(len(sizes)), cycle(MARKERS), cycle(LINES), strict=False):
        rows = rows_with(fitted, "filters", size)
        _draw_mean_errors(by_examples, rows, "train_size", LineStyle(to_hex(color), marker, line), f"k = {size}")
    for panel, column, label in ((by_size, "filters", "filters k"), (by_examples, "train_size", "training examples")):
        panel.set(xscale="log", xlabel=label)
        mark_numbers(panel, drawn[column])
        panel.legend(loc="best")
    by_size.set(ylabel="test error (fraction)")
    by_size.set_ylim(bottom=0)
    return figure


def _draw_mean_errors(panel: Axes, table: pd.DataFrame, by: str, style: LineStyle, label: str) -> None:
    """Draw the mean error over seeds with its interval, of the networks with each value of a column."""
    means = {place: seed_mean(rows, "hard_error", (0, 1)) for place, rows in table.groupby(by)}
    if not means:
        return
    values = [mean.value for mean in means.values()]
    reaches = []
    for mean in means.values():
        is_known = mean.seeds > 1
        reaches.append((mean.value - mean.low, mean.high - mean.value) if is_known else (0.0, 0.0))
    panel.errorbar(
        list(means),
        values,
        np.array(reaches).T,
        capsize=2,
        label=label,
        marker=style.marker,
        linestyle=style.line,
        color=style.color,
        markersize=4,
        linewidth=1,
    )


def _draw_filters(drawn: pd.DataFrame) -> Figure:
    small, large = _example(drawn)
    figure = new_figure(2.2)
    panels = figure.subplots(1, 4)
    for network, (start, end) in ((large, panels[:2]), (small, panels[2:])):
        _draw_directions(start, np.asarray(network["start_filters"]))
        _draw_directions(end, np.asarray(network["filters_at_end"]))
        start.set_title(f"k = {network['filters']}, at initialization", loc="left")
        end.set_title(f"k = {network['filters']}, at the end", loc="left")
    panels[0].set_ylabel("second number")
    return figure


def _example(drawn: pd.DataFrame) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    """Return a small and a large network of one seed and training set that both fit."""
    key = ["seed", "train_size"]
    fitted = drawn[drawn["fits"]]
    small = rows_with(fitted, "filters", drawn["filters"].min()).set_index(key)
    large = rows_with(fitted, "filters", drawn["filters"].max()).set_index(key)
    pairs = small.merge(large, left_index=True, right_index=True, suffixes=("_small", "_large"))
    if pairs.empty:
        raise NothingToDraw("No small and large network of one seed fit the training set.")
    erring = pairs[~pairs["perfect_small"].astype(bool) & pairs["perfect_large"].astype(bool)]
    chosen = (erring if len(erring) else pairs).sort_index(level=["train_size", "seed"]).index[0]
    return small.loc[chosen], large.loc[chosen]


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
    figure = new_figure(2.8)
    panel = figure.subplots()
    shown = drawn.assign(perfect=drawn["perfect"] & drawn["fits"])
    for column, style in SHARES.items():
        means = shown.groupby("filters")[column].mean()
        draw_line(panel, means, style.look, style.label, markersize=4, linewidth=1)
    panel.set(xscale="log", xlabel="filters k, for and against each", ylabel="fraction", ylim=(0, 1.05))
    mark_numbers(panel, drawn["filters"])
    figure.legend(loc="outside right center")
    return figure
