"""Parts of figures that several studies draw."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from benevolent.analysis.figures import WIDTH_INCHES, AxisPalette, log_if_wide

if TYPE_CHECKING:
    from pandas.api.typing import SeriesGroupBy

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


def new_figure(height: float) -> Figure:
    """Return an empty figure as wide as a text block, whose panels are laid out so that no text overlaps.

    Args:
        height: in inches.
    """
    return Figure(figsize=(WIDTH_INCHES, height), layout="constrained")


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


def mark_numbers(panel: Axes, numbers: Iterable[float]) -> None:
    """Mark whole numbers on the horizontal axis, and no others."""
    ticks = sorted(set(numbers))
    panel.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    panel.xaxis.set_minor_locator(NullLocator())


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


class LabeledStyle(NamedTuple):
    """Style of a line with markers, and its name in the legend."""

    look: LineStyle
    label: str


def draw_line(panel: Axes, values: "pd.Series[float]", style: LineStyle, label: str = "", **look: Any) -> None:
    """Draw values against their index.

    Args:
        panel: to draw in.
        values: heights by place.
        style: of line and markers.
        label: in the legend; not there if empty.
        look: other options of matplotlib's `plot`.
    """
    panel.plot(
        values.index,
        values,
        color=style.color,
        marker=style.marker,
        linestyle=style.line,
        label=label,
        **look,
    )


def draw_groups(
    panel: Axes, groups: "SeriesGroupBy", style: LineStyle, label: str = "", floor: float = -np.inf, **look: Any
) -> None:
    """Draw the mean of every group against its key, with the range of the group as bars.

    Args:
        panel: to draw in.
        groups: values by place.
        style: of line and markers.
        label: in the legend; not there if empty.
        floor: lower values are drawn here.
        look: other options of matplotlib's `errorbar`.
    """
    mean = groups.mean().clip(lower=floor)
    below = mean - groups.min().clip(lower=floor)
    above = groups.max().clip(lower=floor) - mean
    options = {"markersize": 4, "capsize": 2} | look
    panel.errorbar(
        mean.index,
        mean,
        np.abs([below, above]),
        color=style.color,
        marker=style.marker,
        linestyle=style.line,
        label=label,
        **options,
    )


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
    draw_groups(panel, table.groupby(x)[y], style, label, floor, capsize=1.5, elinewidth=0.6, linewidth=1.2)
