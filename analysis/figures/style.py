"""Appearance shared by all figures: sizes, colors and matplotlib settings."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

WIDTH_INCHES = 7.6  # the text block of a paper
MANY_POINTS = 3000  # beyond this, points and lines become one embedded bitmap and the file stays small
WIDE_RATIO = 20  # positive values that span more than this factor get a logarithmic axis
FEW_DECADES_RATIO = 200  # below this factor, ticks at powers of ten alone would be too few
MISSING = "#a3a3a3"
INK = "#1c1c1c"
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same glyphs
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#5b5b5b",
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.color": "#5b5b5b",
    "ytick.color": "#5b5b5b",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.dpi": 72.0,
    "savefig.dpi": 200.0,  # of the bitmaps inside a figure with many points
    "svg.fonttype": "path",  # glyphs as outlines: needs no font, and no name from the data is ever markup
}


def log_if_wide(plot: Axes, which: str, values: "np.ndarray[Any, Any]") -> None:
    """Use a logarithmic scale if all values are positive and span more than a factor of 20.

    Ticks are at powers of ten, and if these are few, also at 2 and 5 times them.

    Args:
        plot: the panel.
        which: "x" or "y".
        values: numbers drawn along that axis; those that are not finite are ignored.
    """
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() <= 0:
        return
    ratio = finite.max() / finite.min()
    if not ratio > WIDE_RATIO:
        return
    plot.set(**{f"{which}scale": "log"})
    axis = plot.xaxis if which == "x" else plot.yaxis
    few_decades = ratio < FEW_DECADES_RATIO
    multiples = (1, 2, 5) if few_decades else (1,)
    axis.set_major_locator(LogLocator(subs=multiples, numticks=6))
    if few_decades:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
