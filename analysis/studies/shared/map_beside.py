"""Panels beside the map of measures: the pooled effect of each predictor, and the legend of marks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benevolent.analysis.figures import INK
from benevolent.analysis.studies.shared.drawing import DARK_GRAY, GRAY, RED, TEAL

#: Area of a mark of |tau| = 1, and of the smallest one, in points^2.
LARGEST = 110.0
SMALLEST = 7.0
#: Kendall's tau of the marks in the legend.
LEGEND = (1.0, 0.5, 0.1)


def mark_areas(tau: "np.ndarray") -> "np.ndarray":
    """Return the areas of marks, in points^2, of some values of tau."""
    return SMALLEST + (LARGEST - SMALLEST) * np.abs(tau)


def draw_pooled(panel: Axes, pooled: pd.DataFrame, predictors: Sequence[str], families: Sequence[str]) -> None:
    """Draw the pooled effect of each predictor, with its interval and the number of papers.

    Args:
        panel: beside the grid, with its rows.
        pooled: pooled effects, by predictor.
        predictors: the rows.
        families: family of each row.
    """
    panel.axvline(0, color=DARK_GRAY, linewidth=0.8)
    for row, name in enumerate(predictors):
        effect = pooled.loc[name]
        if not np.isfinite(effect["mean"]):
            panel.text(0, row, "for too few papers", fontsize=6.5, ha="center", va="center", color=DARK_GRAY)
            _write_studies(panel, row, effect)
            continue
        certain = effect["low"] > 0 or effect["high"] < 0
        color = TEAL if effect["mean"] >= 0 else RED
        panel.hlines(row, max(effect["low"], -1), min(effect["high"], 1), color=color, linewidth=1.3)
        marker = "^" if effect["mean"] >= 0 else "v"
        face = color if certain else "white"
        panel.scatter(effect["mean"], row, s=34, marker=marker, facecolor=face, edgecolor=color, zorder=3)
        _write_studies(panel, row, effect)
    panel.set_xlim(-1, 1)
    panel.set_xlabel("mean τ over papers")
    panel.text(1.08, -0.9, "papers", fontsize=7, ha="left", va="center", clip_on=False)
    panel.tick_params(axis="y", labelleft=False, length=0)
    panel.grid(axis="y", visible=False)
    for family_end in np.flatnonzero(np.array(families[1:]) != np.array(families[:-1])):
        panel.axhline(family_end + 0.5, color=DARK_GRAY, linewidth=0.8)


def _write_studies(panel: Axes, row: int, effect: "pd.Series[float]") -> None:
    panel.text(1.08, row, f"{effect['studies']:.0f}", fontsize=7, va="center", color=INK, clip_on=False)


def draw_legend(figure: Figure, height: float) -> None:
    """Show marks of several sizes, and what filling means."""
    handles = []
    for tau in LEGEND:
        side = float(np.sqrt(mark_areas(np.array(tau))))
        for marker, color, sign in (("^", TEAL, "+"), ("v", RED, "−")):
            mark = Line2D([], [], linestyle="", marker=marker, color=color, markersize=side)
            mark.set_label(f"τ = {sign}{tau:g}")
            handles.append(mark)
    open_mark = Line2D(
        [], [], linestyle="", marker="^", color=INK, markerfacecolor="white", label="interval contains 0"
    )
    empty = Line2D([], [], linestyle="", marker=".", color=GRAY, markersize=2, label="constant or not applicable")
    figure.legend(
        handles=[*handles, open_mark, empty],
        loc="lower left",
        bbox_to_anchor=(0.01, 0.1 / height),
        ncols=4,
        fontsize=7.5,
        columnspacing=1.0,
        labelspacing=1.0,
    )
