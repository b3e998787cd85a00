"""What all figures share: one look, one way of coloring by an axis, and SVG that is equal byte for byte."""

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benevolent.analysis.judging.text import printable

WIDTH_INCHES = 7.6  # the text block of a paper
MANY_POINTS = 3000  # beyond this, points and lines become one embedded bitmap and the file stays small
MOST_SHOWN = 12  # values of an axis in a legend
MISSING = "#a3a3a3"
INK = "#1c1c1c"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # tell values apart in a gray print
_ENTRY_INCHES, _LETTER_INCHES = 0.42, 0.065  # what a legend takes for an entry, and for a letter of it
_LOOK: dict[str, Any] = {
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


class NothingToDraw(ValueError):
    """The data lack what a figure needs; the message says what, in words for the reader of the report."""


def svg(name: str, draw: Callable[[], Figure]) -> bytes:
    """Draw a figure in the project's look and return it as a self-contained SVG document.

    The same data give the same bytes: no date, no version, ids hashed from ``name`` and prefixed with it, so
    that several figures can stand in one page. Comments, which repeat the drawn text, are removed.

    Args:
        name: letters, digits and hyphens, unique within a page.
        draw: returns the figure; called inside the style.

    Raises:
        NothingToDraw: passed on from ``draw``.
    """
    buffer = io.BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with style.context(["default", {**_LOOK, "svg.hashsalt": name}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from font.*")  # a foreign name becomes boxes
        draw().savefig(buffer, format="svg", metadata=nothing)
    text = re.sub(r"<!--.*?-->\s*", "", buffer.getvalue().decode(), flags=re.DOTALL)
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text).encode()


def label(text: object, limit: int = 40) -> str:
    r"""Make any text safe and short enough to be drawn: no mathtext, no control characters.

    >>> label("cost in $ and $")
    'cost in \\$ and \\$'
    """
    plain = printable(text)
    short = plain if len(plain) <= limit else plain[: limit - 1] + "…"
    return short.replace("$", r"\$")


def quantity(name: str, unit: str = "") -> str:
    """Return an axis label: the name in words and its unit.

    >>> quantity("test_loss", "nats")
    'test loss (nats)'
    """
    return label(name.replace("_", " ")) + (f" ({label(unit)})" if unit else "")


def show_value(value: object) -> str:
    """Return a configuration's value as short text.

    >>> show_value(0.5), show_value(2.0), show_value("init")
    ('0.5', '2', 'init')
    """
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


class Encoding(NamedTuple):
    """How the values of one axis are drawn: a color and a marker for each.

    Colors run from dark to light in the order of the values, so they stay ordered without color.
    """

    axis: str
    values: list[Any]
    colors: list[Any]
    markers: list[str]

    @classmethod
    def of(cls, axis: str, column: "pd.Series[Any]") -> "Encoding":
        """Assign colors and markers to the distinct values of a column, in their order."""
        present = column.dropna().unique().tolist()
        try:
            values = sorted(present)
        except TypeError:  # values of several types
            values = sorted(present, key=str)
        colors = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.86, max(len(values), 1)))
        return cls(axis, values, list(colors), [_MARKERS[i % len(_MARKERS)] for i in range(len(values))])

    def groups(self, column: "pd.Series[Any]") -> list[tuple[Any, str, np.ndarray]]:
        """Return (color, marker, which rows) for each value, rows without a value last in gray."""
        found = [
            (color, marker, (column == value).to_numpy())
            for value, color, marker in zip(self.values, self.colors, self.markers, strict=True)
        ]
        return [*found, (MISSING, "o", column.isna().to_numpy())]

    def legend(self, figure: Figure, lines: bool = False) -> None:
        """Draw the legend above the panels, on as many lines as it needs; of many values, some spread evenly."""
        chosen = np.unique(np.linspace(0, len(self.values) - 1, min(MOST_SHOWN, len(self.values))).round().astype(int))
        handles = [
            Line2D([], [], color=self.colors[i], linewidth=1.6)
            if lines
            else Line2D([], [], color=self.colors[i], marker=self.markers[i], linestyle="", markersize=4.5)
            for i in chosen
        ]
        entries = [
            (Line2D([], [], linestyle=""), label(self.axis)),
            *((handle, label(show_value(self.values[i]), 18)) for handle, i in zip(handles, chosen, strict=True)),
        ]
        wide = sum(_ENTRY_INCHES + _LETTER_INCHES * len(text) for _, text in entries)
        columns = math.ceil(len(entries) / math.ceil(wide / WIDTH_INCHES))
        by_column = [entry for column in range(columns) for entry in entries[column::columns]]  # as matplotlib fills
        figure.legend(
            *zip(*by_column, strict=True),
            loc="outside upper left",
            ncols=columns,
            handletextpad=0.4,
            columnspacing=1.4,
        )


def most_telling_axis(table: pd.DataFrame, axes: Sequence[str], target: str) -> str:
    """Return the axis whose values separate the ranks of ``target`` best: the one worth coloring by.

    The share of the ranks' variance that lies between an axis's values (eta squared); the first wins ties.
    """
    candidates = [axis for axis in axes if axis in table and table[axis].nunique() > 1]
    if not candidates:
        raise NothingToDraw("No axis has more than one value.")
    ranks = table[target].rank() if target in table else pd.Series(0.0, index=table.index)

    def between(axis: str) -> float:
        return float(ranks.groupby(table[axis].astype(str)).transform("mean").var(ddof=0))

    return max(candidates, key=lambda axis: np.nan_to_num(between(axis)))


def log_if_wide(plot: Axes, which: str, values: "np.ndarray[Any, Any]") -> None:
    """Use a logarithmic scale where all values are positive and span more than a factor of 20.

    Ticks are at powers of ten, and where these are few at 2 and 5 times them too.
    """
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and (span := finite.max() / finite.min()) > 20:
        plot.set(**{f"{which}scale": "log"})
        axis = plot.xaxis if which == "x" else plot.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 200 else (1,), numticks=6))
        if span < 200:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
