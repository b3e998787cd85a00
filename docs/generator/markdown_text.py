"""Plain text and tables as Markdown."""

import html
import re
from collections.abc import Iterable, Sequence

#: Characters that would be read as Markdown.
SPECIAL = re.compile(r"([\\*_\[\]|#~{}])")


def escaped(text: str) -> str:
    r"""Return text with everything escaped that is Markdown or HTML; what is between backticks stays code.

    >>> escaped("a*b < `c_d`")
    'a\\*b &lt; `c_d`'
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner
        return html.escape(SPECIAL.sub(r"\\\1", text), quote=False).replace("`", "\\`")
    for position in range(0, len(parts), 2):
        parts[position] = html.escape(SPECIAL.sub(r"\\\1", parts[position]), quote=False)
    return "`".join(parts)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a table; a line break in a cell stays one.

    >>> print(table(("name", "meaning"), [("a", "b|c")]))
    | name | meaning |
    |---|---|
    | a | b\|c |
    """
    lines = [_row(headings), "|" + "---|" * len(headings)]
    lines += [_row(row) for row in rows]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    lines = [escaped(line) for line in text.splitlines() if line]
    return "<br>".join(lines).replace(r"\\|", r"\|")
