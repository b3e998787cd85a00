"""The templates of all pages, and what they may call."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from benevolent.analysis.judging import text


def template(name: str) -> Template:
    """A page's template by the name of its file; what is put into it is escaped, and what it lacks raises."""
    environment = Environment(
        loader=PackageLoader("benevolent.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (text.number, text.probability, text.in_words, text.mark, text.duration)
    environment.filters |= {one.__name__: one for one in words} | {"inline": _inline}
    return environment.get_template(name)


def _inline(image: bytes) -> Markup:
    """An SVG that `analysis.figures.render_svg` made, to stand inside a page: without its declarations."""
    return Markup(re.sub(r"\A.*?(?=<svg)", "", image.decode(), flags=re.DOTALL))
