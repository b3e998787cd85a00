"""A figure as a page shows it."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from benevolent.analysis.figures.canvas import NothingToDraw, svg


class Plate(NamedTuple):
    """One figure of a page: its SVG document, or the reason why it could not be drawn."""

    name: str
    title: str
    caption: str
    svg: bytes
    reason: str


def plate(name: str, title: str, caption: str, draw: Callable[[], Figure]) -> Plate:
    """Draw a figure for a page.

    Args:
        name: letters, digits and hyphens, unique within the page.
        title: a sentence without its full stop.
        caption: what is drawn, in sentences.
        draw: returns the figure, or raises `NothingToDraw`.
    """
    try:
        return Plate(name, title, caption, svg(name, draw), "")
    except NothingToDraw as nothing:
        return Plate(name, title, caption, b"", str(nothing))
