"""Figures of the study of over-parametrized descent (Du et al. 2019)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import AxisPalette, RenderedFigure, render_figure
from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, new_figure
from benevolent.analysis.studies.shared.gram_path import GramPath
from benevolent.analysis.studies.shared.tables import rows_with

#: Panels of the source's figure 1: column, label, whether the scale is logarithmic.
PANELS = {
    "loss": ("training loss, ½ Σ squared errors", True),
    "changed": ("changed activations (fraction)", False),
    "distance": ("largest distance moved", False),
}


def gram_figures(path: GramPath) -> list[RenderedFigure]:
    """Render the source's figure 1, and the same quantities at the end of training against the width."""
    descent = render_figure(
        "descent",
        "Training loss, changed activations and largest distance from initialization, by width m",
        "Means over seeds (of the loss: geometric); the distance is that of the unit that moved furthest. The dashed "
        "line in the first panel is the bound of theorem 4.1, "
        "(1 − η λ₀ / 2) a step, from the mean loss of the widest networks on.",
        _draw_descent,
        path,
    )
    widths = render_figure(
        "widths",
        "Distance, smallest eigenvalue and distance from a linear model, against the width",
        "Left: the largest distance of a unit's weights from initialization at the end; the dashed line falls with the "
        "square root of the width. Middle: the smallest eigenvalue of the Gram matrix at initialization and at the "
        "end; the dashed line is λ₀ of infinite width. Right: the loss over that of a linear model whose Gram matrix "
        "stays as at initialization, at the end. Points are networks.",
        _draw_widths,
        path,
    )
    return [descent, widths]


def _draw_descent(path: GramPath) -> Figure:
    figure = new_figure(2.6)
    palette = AxisPalette.of("width m", path.table["width"])
    for panel, (column, (label, is_log)) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for color, marker, chosen in palette.groups(path.table["width"]):
            _draw_mean(panel, path.table[chosen], column, color, marker)
        panel.set(xlabel="steps of gradient descent", ylabel=label)
        if is_log:
            panel.set_yscale("log")
            _draw_bound(panel, path)
        else:
            panel.set_ylim(bottom=0)
    palette.legend(figure)
    return figure


def _draw_mean(panel: Axes, rows: pd.DataFrame, column: str, color: object, marker: str) -> None:
    if rows.empty:
        return
    groups = rows.groupby("step")[column]
    mean = groups.apply(lambda values: float(np.exp(np.log(values).mean()))) if column == "loss" else groups.mean()
    panel.plot(mean.index, mean, color=color, marker=marker, markersize=2.5, linewidth=1)


def _draw_bound(panel: Axes, path: GramPath) -> None:
    widest = rows_with(path.table, "width", path.table["width"].max())
    first = widest.loc[widest["step"] == 0, "loss"].mean()
    steps = np.array(sorted(widest["step"].unique()))
    factor = 1 - path.step_size * path.infinite_least / 2
    panel.plot(steps, first * factor**steps, "--", color=RED, linewidth=1)


def _draw_widths(path: GramPath) -> Figure:
    figure = new_figure(2.6)
    distance, least, linear = figure.subplots(1, 3)
    end = path.end
    start = path.at(0)
    distance.scatter(end["width"], end["distance"], s=12, color=BLACK, marker="o")
    widths = np.array(sorted(end["width"].unique()), dtype=float)
    middle = np.exp(np.log(end["distance"]).mean() + np.log(end["width"]).mean() / 2)
    distance.plot(widths, middle / np.sqrt(widths), "--", color=RED, linewidth=1, label="∝ 1 / √m")
    distance.set(yscale="log", ylabel="largest distance moved")
    least.scatter(start["width"], start["least"], s=14, marker="s", facecolors="none", edgecolors=BLACK, label="start")
    least.scatter(end["width"], end["least"], s=12, color=BLACK, marker="o", label="end")
    least.axhline(path.infinite_least, color=RED, linestyle="--", linewidth=1, label="λ₀")
    least.set(ylabel="smallest eigenvalue", ylim=(0, None))
    linear.scatter(end["width"], end["loss"] / end["linear_loss"], s=12, color=BLACK, marker="o")
    linear.axhline(1, color=GRAY, linestyle="-", linewidth=1)
    linear.set(yscale="log", ylabel="loss / loss of the linear model")
    for panel in (distance, least, linear):
        panel.set(xscale="log", xlabel="width m")
    distance.legend()
    least.legend(loc="lower right")
    return figure
