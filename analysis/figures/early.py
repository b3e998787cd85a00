"""How early predictors predict: correlation with the outcome at the end, over training progress."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benevolent.analysis.figures.canvas import INK, WIDTH_INCHES, NothingToDraw, label

STYLES = {
    "train_loss": ("#6b6b6b", "-"),
    "validation_loss": ("#111111", "-"),
    "train_loss_extrapolated": ("#6b6b6b", (0, (4, 2))),
    "validation_loss_extrapolated": ("#111111", (0, (4, 2))),
}
MARKERS = ("o", "s", "^", "D", "v", "P")


def early_prediction_figure(early: pd.DataFrame, predictors: Sequence[str], target: str) -> Figure:
    """Draw |tau| and |rank correlation within configurations| against epochs and against the fraction of training.

    Predictors are colored, with the interval of tau as a band around the first; what the losses said at the same
    time is in gray and black, its extrapolation dashed. Below stand the runs that still trained.

    Args:
        early: from `analysis.judging.early_prediction.early_prediction`, of both views.
        predictors: which to color, best first.
        target: the outcome.

    Raises:
        NothingToDraw: fewer than two points were read.
    """
    if early.empty:
        raise NothingToDraw("Nothing was recorded while the runs trained.")
    known = early[early["kendall_tau"].notna()]
    views = [view for view in ("epoch", "fraction") if known.loc[known["view"] == view, "progress"].nunique() > 1]
    if "epoch" not in views:
        raise NothingToDraw("Fewer than two epochs were recorded at which most runs still trained.")
    figure = Figure(figsize=(WIDTH_INCHES, 6.2), layout="constrained")
    plots = figure.subplots(3, len(views), squeeze=False, sharex="col", sharey="row", height_ratios=[3, 3, 1])
    colors = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.86, max(len(predictors), 1)))
    for column, view in enumerate(views):
        rows = early[early["view"] == view]
        top, middle, bottom = plots[:, column]
        for name, (color, dashes) in STYLES.items():
            for plot, what in ((top, "kendall_tau"), (middle, "within")):
                _line(plot, rows[rows["predictor"] == name], what, color, dashes, None)
        for at, name in enumerate(predictors):
            own = rows[rows["predictor"] == name].sort_values("progress")
            for plot, what in ((top, "kendall_tau"), (middle, "within")):
                _line(plot, own, what, colors[at], "-", MARKERS[at % len(MARKERS)])
            if not at:
                low, high = _absolute(own["low"].to_numpy(float), own["high"].to_numpy(float))
                top.fill_between(own["progress"].to_numpy(float), low, high, color=colors[0], alpha=0.14, linewidth=0)
        counts = rows.groupby("progress")["training"].max()
        bottom.fill_between(counts.index.to_numpy(float), counts.to_numpy(float), color="#c9c9c5", linewidth=0)
        for plot in (top, middle, bottom):
            plot.set_xscale("log", base=2)
        for plot in (top, middle):
            plot.set_ylim(0, 1)
        bottom.set_ylim(0, None)
        points = np.sort(rows["progress"].unique()).astype(float)
        bottom.set_xticks(points, [f"{p:g}" if view == "epoch" else _share(p) for p in points])
        bottom.minorticks_off()
        words = "epoch" if view == "epoch" else "fraction of the run’s own length (retrospective)"
        bottom.set_xlabel(words)
        top.set_title("read after so many epochs" if view == "epoch" else "read at a share of training", loc="left")
    outcome = label(target.replace("_", " "))
    plots[0, 0].set_ylabel(f"|Kendall τ| with\n{outcome} at the end")
    plots[1, 0].set_ylabel(f"|ρ| with {outcome}\nwithin configurations")
    plots[2, 0].set_ylabel("runs")
    _legend(figure, early, predictors, colors)
    return figure


def _line(plot: Axes, rows: pd.DataFrame, what: str, color: object, dashes: object, marker: str | None) -> None:
    rows = rows.sort_values("progress")
    values = rows[what].abs().to_numpy(float)
    plot.plot(
        rows["progress"].to_numpy(float),
        values,
        color=color,
        linestyle=dashes,
        marker=marker,
        markersize=3.6,
        linewidth=1.3,
    )


def _absolute(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of |tau| from that of tau."""
    inside = (low < 0) & (high > 0)
    ends = np.sort(np.abs(np.stack([low, high])), axis=0)
    return np.where(inside, 0, ends[0]), ends[1]


def _share(fraction: float) -> str:
    return "1" if fraction == 1 else f"1/{round(1 / fraction)}"


def _legend(figure: Figure, early: pd.DataFrame, predictors: Sequence[str], colors: np.ndarray) -> None:
    handles = [
        Line2D([], [], color=colors[at], marker=MARKERS[at % len(MARKERS)], markersize=3.6, linewidth=1.3)
        for at in range(len(predictors))
    ]
    texts = [label(name.replace("_", " "), 34) for name in predictors]
    for name, (color, dashes) in STYLES.items():
        if (early["predictor"] == name).any():
            handles.append(Line2D([], [], color=color, linestyle=dashes, linewidth=1.3))  # type: ignore[arg-type]
            texts.append(name.replace("_", " "))
    figure.legend(handles, texts, loc="outside upper left", ncols=3, labelcolor=INK, columnspacing=1.4)
