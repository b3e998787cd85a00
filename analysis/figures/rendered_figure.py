"""Figures rendered to SVG, for a page or a file."""

import functools
import io
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from benevolent.analysis.figures.style import STYLE
from benevolent.trainables.errors import BadInput


class NothingToDraw(BadInput):
    """Raised when the data lack what a figure needs; the message tells a reader of the report what is missing."""


class RenderedFigure(NamedTuple):
    """One figure of a page: its SVG document, or the reason why it could not be drawn.

    Attributes:
        name: letters, digits and hyphens, unique within the page.
        title: a sentence without its full stop.
        caption: full sentences that say what is drawn.
        svg: the document; empty if nothing could be drawn.
        reason: why nothing could be drawn; empty if there is a document.
        draw: draws it again, for a file of another format; None without a document, or if that was read from a file.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    reason: str
    draw: Callable[[], Figure] | None = None


def render_figure(
    name: str, title: str, caption: str, draw: Callable[..., Figure], *arguments: Any, **options: Any
) -> RenderedFigure:
    """Draw a figure for a page.

    Args:
        name: letters, digits and hyphens, unique within the page.
        title: a sentence without its full stop.
        caption: full sentences that say what is drawn.
        draw: returns the figure, or raises `NothingToDraw`.
        arguments: of `draw`.
        options: keyword arguments of `draw`.
    """
    drawn = functools.partial(draw, *arguments, **options)
    try:
        document = render_svg(name, drawn)
    except NothingToDraw as nothing:
        return RenderedFigure(name, title, caption, b"", str(nothing))
    return RenderedFigure(name, title, caption, document, "", drawn)


def render_svg(name: str, draw: Callable[[], Figure]) -> bytes:
    """Draw a figure in the project's style and return it as a self-contained SVG document.

    Equal data give equal bytes: no date, no version, ids hashed from ``name`` and prefixed with it, so that several
    figures can stand in one page. Comments, which repeat the drawn text, are removed.

    Args:
        name: letters, digits and hyphens, unique within a page.
        draw: returns the figure; called inside the style.

    Raises:
        NothingToDraw: passed on from ``draw``.
    """
    buffer = io.BytesIO()
    no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with style.context(["default", {**STYLE, "svg.hashsalt": name}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from font.*")  # unknown glyphs are drawn as boxes
        figure = draw()
        _lay_out(figure)
        runs_of = take_runs(figure)
        figure.savefig(buffer, format="svg", metadata=no_metadata)
    text = buffer.getvalue().decode()
    without_comments = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    for group, runs in runs_of.items():
        without_comments = without_comments.replace(f'<g id="{group}"', f'<g id="{group}" data-runs="{runs}"')
    with_prefixed_ids = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", without_comments)
    return with_prefixed_ids.encode()


def take_runs(figure: Figure) -> dict[str, str]:
    """Remove from the points of a figure the runs that they stand for, and name each group of points.

    With its run, every point would be drawn as a link, which takes more room than the point itself.

    Args:
        figure: in which drawing functions gave the run ids of points as their `urls`.

    Returns:
        id of the group of points -> their run ids, quoted as in an address and separated by spaces.
    """
    runs_of = {}
    for number, points in enumerate(figure.findobj(PathCollection)):
        runs = [run for run in points.get_urls() if run]
        points.set_urls([None])
        if runs and not points.get_rasterized():
            points.set_gid(f"points{number}")
            runs_of[f"points{number}"] = " ".join(quote(run, safe="") for run in runs)
    return runs_of


def _lay_out(figure: Figure) -> None:
    """Place the panels, and take away the layout: with one, matplotlib draws a figure once more before it saves it."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    FigureCanvasSVG(figure)  # measures text as it is drawn in the end
    engine.execute(figure)
    figure.set_layout_engine(None)
