"""Parts of figures that several studies draw."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benevolent.analysis.figures import AxisPalette, log_if_wide

#: Colors of lines and points: the main series, a second one, a third one, and what stands behind them.
BLACK = "#1c1c1c"
TEAL = "#2a788e"
RED = "#c0392b"
GRAY = "#9aa5b1"
DARK_GRAY = "#7a7a7a"

#: Names of axes and measures in legends and labels.
AXIS_LABELS = {
    "init.std": "initial standard deviation",
    "init.scale": "factor of initial weights",
    "pretrain.label_corruption": "fraction swapped in pretraining",
    "data.label_corruption": "corrupted labels",
    "data.frequency": "frequency",
    "model.dropout": "dropout",
    "log_frobenius_product": "log of the product of norms",
    "inverse_margin_p10_frobenius": "inverse margin, Frobenius norms",
    "inverse_margin_p10_spectral": "inverse margin, spectral norms",
}


def axis_palette(axis: str, column: pd.Series) -> AxisPalette:
    """Return the colors and markers of an axis's values; the legend shows the axis by its label."""
    return AxisPalette.of(AXIS_LABELS.get(axis, axis), column)


def draw_networks(panel: Axes, table: pd.DataFrame, x: str, y: str, axis: str, size: float = 16) -> None:
    """Draw one point per network, colored by an axis.

    Args:
        panel: to draw in.
        table: one row per network.
        x: column of the horizontal coordinate.
        y: column of the vertical coordinate.
        axis: column that gives color and marker.
        size: of a point, as matplotlib's `s`.
    """
    for color, marker, chosen in axis_palette(axis, table[axis]).groups(table[axis]):
        rows = table[chosen]
        panel.scatter(rows[x], rows[y], s=size, color=color, marker=marker)


def use_log_scales(panel: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """Make the scales of two columns logarithmic where their values span orders of magnitude."""
    log_if_wide(panel, "x", table[x].to_numpy(dtype=float))
    log_if_wide(panel, "y", table[y].to_numpy(dtype=float))


def draw_mean_and_range(panel: Axes, table: pd.DataFrame, x: str, y: str, style: str, color: str, label: str) -> None:
    """Draw the mean over seeds of a column against another, with the range of the seeds as a band."""
    groups = table.groupby(x)[y]
    mean = groups.mean()
    panel.plot(mean.index, mean, style, color=color, markersize=4, label=label)
    panel.fill_between(mean.index, groups.min(), groups.max(), color=GRAY, alpha=0.4, linewidth=0)


class LineStyle(NamedTuple):
    """Style of a line with markers, as matplotlib names colors, markers and lines."""

    color: str
    marker: str
    line: str


def draw_mean_and_bars(
    panel: Axes, table: pd.DataFrame, x: str, y: str, style: LineStyle, label: str, floor: float = -np.inf
) -> None:
    """Draw the mean over seeds of a column against another, with the range of the seeds as bars.

    Args:
        panel: to draw in.
        table: one row per seed and value of `x`.
        x: column of the horizontal coordinate.
        y: column whose mean and range are shown.
        style: of line and markers.
        label: in the legend.
        floor: lower values are drawn here.
    """
    groups = table.groupby(x)[y]
    mean = groups.mean().clip(lower=floor)
    below = mean - groups.min().clip(lower=floor)
    above = groups.max().clip(lower=floor) - mean
    panel.errorbar(
        mean.index,
        mean,
        np.array([below, above]),
        color=style.color,
        marker=style.marker,
        markersize=4,
        linestyle=style.line,
        capsize=1.5,
        elinewidth=0.6,
        linewidth=1.2,
        label=label,
    )
