"""Figures as files for a paper: PDF, PNG or SVG in the width of its columns, and the data that they draw."""

import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from benevolent.analysis.figures.rendered_figure import take_runs
from benevolent.analysis.figures.style import STYLE

Format = Literal["pdf", "png", "svg"]
#: Width of a figure over both columns of a paper, in inches; letters are then 7 points high.
PAPER_WIDTH_INCHES = 6.75
#: Resolution of PNG.
DOTS_PER_INCH = 300
#: No dates, so that equal data give equal bytes.
_NO_DATES: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def export_figure(
    draw: Callable[[], Figure], file_format: Format, width_inches: float = PAPER_WIDTH_INCHES
) -> tuple[bytes, bytes]:
    """Draw a figure for a paper.

    Args:
        draw: returns the figure; called inside the project's style.
        file_format: of the document.
        width_inches: of the figure; its height follows.

    Returns:
        the document, and the drawn points and lines as CSV: `panel` (from 1), `title`, `drawn` (points or line),
        `number` of the points or the line in the panel, `label`, `x`, `y`.

    Raises:
        NothingToDraw: passed on from `draw`.
    """
    buffer = io.BytesIO()
    letters = {"pdf.fonttype": 42, "svg.hashsalt": "figure"}  # letters that editors can change
    with style.context(["default", {**STYLE, **letters}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from font.*")
        figure = draw()
        take_runs(figure)
        width, height = figure.get_size_inches()
        figure.set_size_inches(width_inches, height * width_inches / width)
        figure.savefig(buffer, format=file_format, dpi=DOTS_PER_INCH, metadata=_NO_DATES[file_format])
    rows = pd.DataFrame(_drawn_rows(figure), columns=["panel", "title", "drawn", "number", "label", "x", "y"])
    return buffer.getvalue(), rows.to_csv(index=False).encode()


def _drawn_rows(figure: Figure) -> Iterator[tuple[Any, ...]]:
    for panel, plot in enumerate(figure.axes, 1):
        title = " ".join(plot.get_title(loc) for loc in ("left", "center", "right")).strip().replace("\n", "; ")
        for number, (drawn, label, places) in enumerate(_artists(plot), 1):
            for x, y in places:
                yield panel, title, drawn, number, label, x, y


def _artists(plot: Axes) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield what a panel draws: points or line, its label if it has one, and its places (n, 2)."""
    for collection in plot.collections:
        if isinstance(collection, PathCollection):
            yield "points", _label_of(collection), np.asarray(collection.get_offsets())
        elif isinstance(collection, LineCollection):
            for segment in collection.get_segments():
                yield "line", _label_of(collection), np.asarray(segment)
    for line in plot.get_lines():
        yield "line", _label_of(line), np.column_stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())])


def _label_of(artist: Any) -> str:
    label = str(artist.get_label())
    return "" if label.startswith("_") else label
