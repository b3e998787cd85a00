"""Figure of early prediction: correlation of predictors with the final outcome, over training progress."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benevolent.analysis.figures.axis_palette import color_ramp
from benevolent.analysis.figures.labels import short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, WIDTH_INCHES

DASHED = (0, (4, 2))
LOSS_STYLES: dict[str, tuple[str, Any]] = {  # name -> color, line style
    "train_loss": ("#6b6b6b", "-"),
    "validation_loss": ("#111111", "-"),
    "train_loss_extrapolated": ("#6b6b6b", DASHED),
    "validation_loss_extrapolated": ("#111111", DASHED),
}
MARKERS = ("o", "s", "^", "D", "v", "P")
TITLES = {"epoch": "read after a fixed number of epochs", "fraction": "read at a fraction of each run’s training"}
X_LABELS = {"epoch": "epoch", "fraction": "fraction of the run’s own length (retrospective)"}


def early_prediction_figure(early: pd.DataFrame, predictors: Sequence[str], target: str) -> Figure:
    """Draw |tau| and |rank correlation within configurations| against epochs and against the fraction of training.

    Predictors are colored, with the interval of tau as a band around the first. The losses at the same time are gray
    (train) and black (validation), their extrapolations dashed. The bottom panels show how many runs still trained.

    Args:
        early: table from `analysis.judging.early_prediction.early_prediction`, of both views.
        predictors: names to color, best first.
        target: the outcome.

    Raises:
        NothingToDraw: fewer than two points were read.
    """
    if early.empty:
        raise NothingToDraw("Nothing was recorded during training.")
    views = _views_to_draw(early)
    figure = Figure(figsize=(WIDTH_INCHES, 6.2), layout="constrained")
    plots = figure.subplots(3, len(views), squeeze=False, sharex="col", sharey="row", height_ratios=[3, 3, 1])
    colors = color_ramp(len(predictors))
    for column, view in enumerate(views):
        rows = early[early["view"] == view]
        top, middle, bottom = plots[:, column]
        _draw_losses(top, middle, rows)
        _draw_predictors(top, middle, rows, predictors, colors)
        _draw_counts(bottom, rows)
        for plot in (top, middle, bottom):
            plot.set_xscale("log", base=2)
        for plot in (top, middle):
            plot.set_ylim(0, 1)
        bottom.set_ylim(0, None)
        _set_ticks(bottom, rows, view)
        bottom.set_xlabel(X_LABELS[view])
        top.set_title(TITLES[view], loc="left")
    outcome = short_label(target.replace("_", " "))
    plots[0, 0].set_ylabel(f"|Kendall τ| with\nfinal {outcome}")
    plots[1, 0].set_ylabel(f"|ρ| with {outcome}\nwithin configurations")
    plots[2, 0].set_ylabel("runs")
    _draw_legend(figure, early, predictors, colors)
    return figure


def _views_to_draw(early: pd.DataFrame) -> list[str]:
    """Return the views with two points or more; the one by epoch must be among them."""
    defined = early[early["kendall_tau"].notna()]
    views = []
    for view in ("epoch", "fraction"):
        if defined.loc[defined["view"] == view, "progress"].nunique() > 1:
            views.append(view)
    if "epoch" not in views:
        raise NothingToDraw("Fewer than two epochs were recorded at which most runs still trained.")
    return views


def _draw_losses(top: Axes, middle: Axes, rows: pd.DataFrame) -> None:
    """Draw the losses and their extrapolations."""
    for name, (color, dashes) in LOSS_STYLES.items():
        loss = rows[rows["predictor"] == name]
        _draw_line(top, loss, "kendall_tau", color, dashes, None)
        _draw_line(middle, loss, "within", color, dashes, None)


def _draw_predictors(
    top: Axes, middle: Axes, rows: pd.DataFrame, predictors: Sequence[str], colors: np.ndarray
) -> None:
    """Draw the predictors, with a band for the interval of the first one's tau."""
    for i, name in enumerate(predictors):
        marker = MARKERS[i % len(MARKERS)]
        readings = rows[rows["predictor"] == name].sort_values("progress")
        _draw_line(top, readings, "kendall_tau", colors[i], "-", marker)
        _draw_line(middle, readings, "within", colors[i], "-", marker)
        if i == 0:
            lows = readings["low"].to_numpy(float)
            highs = readings["high"].to_numpy(float)
            low, high = _absolute_interval(lows, highs)
            progress = readings["progress"].to_numpy(float)
            top.fill_between(progress, low, high, color=colors[0], alpha=0.14, linewidth=0)


def _draw_counts(bottom: Axes, rows: pd.DataFrame) -> None:
    """Draw how many runs still trained."""
    counts = rows.groupby("progress")["training"].max()
    bottom.fill_between(counts.index.to_numpy(float), counts.to_numpy(float), color="#c9c9c5", linewidth=0)


def _set_ticks(bottom: Axes, rows: pd.DataFrame, view: str) -> None:
    """Put a tick at each point that was read."""
    points = np.sort(rows["progress"].unique()).astype(float)
    texts = [f"{point:g}" if view == "epoch" else _fraction_text(point) for point in points]
    bottom.set_xticks(points, texts)
    bottom.minorticks_off()


def _draw_line(plot: Axes, rows: pd.DataFrame, column: str, color: object, dashes: object, marker: str | None) -> None:
    """Draw the absolute value of a column over training progress."""
    rows = rows.sort_values("progress")
    plot.plot(
        rows["progress"].to_numpy(float),
        rows[column].abs().to_numpy(float),
        color=color,
        linestyle=dashes,
        marker=marker,
        markersize=3.6,
        linewidth=1.3,
    )


def _absolute_interval(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of |tau| from the interval of tau."""
    contains_zero = (low < 0) & (high > 0)
    magnitudes = np.abs(np.stack([low, high]))
    ends = np.sort(magnitudes, axis=0)
    return np.where(contains_zero, 0, ends[0]), ends[1]


def _fraction_text(fraction: float) -> str:
    """Return a fraction 1/n as text."""
    return "1" if fraction == 1 else f"1/{round(1 / fraction)}"


def _draw_legend(figure: Figure, early: pd.DataFrame, predictors: Sequence[str], colors: np.ndarray) -> None:
    """Draw the legend above the panels: predictors first, then the losses that were read."""
    handles = []
    texts = []
    for i, name in enumerate(predictors):
        marker = MARKERS[i % len(MARKERS)]
        handles.append(Line2D([], [], color=colors[i], marker=marker, markersize=3.6, linewidth=1.3))
        texts.append(short_label(name.replace("_", " "), 34))
    for name, (color, dashes) in LOSS_STYLES.items():
        if (early["predictor"] == name).any():
            handles.append(Line2D([], [], color=color, linestyle=dashes, linewidth=1.3))
            texts.append(name.replace("_", " "))
    figure.legend(handles, texts, loc="outside upper left", ncols=3, labelcolor=INK, columnspacing=1.4)
