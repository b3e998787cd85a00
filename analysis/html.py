"""HTML templates of all pages and notebooks, and the filters that they may call."""

import functools
import math
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from benevolent.analysis import formatting


@functools.cache
def template(name: str) -> Template:
    """Return a template by the name of its file; values are escaped, and a missing one raises."""
    environment = Environment(
        loader=PackageLoader("benevolent.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (
        formatting.number,
        formatting.probability,
        formatting.interval,
        formatting.in_words,
        formatting.duration,
        formatting.counts_text,
        inline,
        whisker,
    ):
        environment.filters[function.__name__] = function
    return environment.get_template(name)


def inline(image: bytes) -> Markup:
    """Return an SVG made by `analysis.figures.render_svg` without its declarations, to stand inside a page."""
    return Markup(re.sub(r"\A.*?(?=<svg)", "", image.decode(), flags=re.DOTALL))


def whisker(row: Any) -> dict[str, float] | None:
    """Return the places of Kendall tau and its interval between −1 (0) and 1 (100); None where tau is missing.

    Args:
        row: has `kendall_low`, `kendall_tau` and `kendall_high`; an end that is missing is drawn at tau.
    """
    if not math.isfinite(row.kendall_tau):
        return None
    places = {}
    for name, value in (("low", row.kendall_low), ("tau", row.kendall_tau), ("high", row.kendall_high)):
        known = row.kendall_tau if math.isnan(value) else value
        places[name] = round(50 * (1 + min(1.0, max(-1.0, known))), 1)
    return places
