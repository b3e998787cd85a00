"""A table of the page that a click on a heading sorts."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SortableTable:
    """Cells of a table as text.

    Attributes:
        caption: a sentence without its full stop.
        headings: one per column.
        rows: the cells of each row.
        names: number of first columns that hold names; these stand at the left and are set as code.
        sorted_by: number of the column that the rows are sorted by, smallest first; -1 if they have another order.
        more: a sentence on rows that are not listed; empty if all are.
    """

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1
    sorted_by: int = -1
    more: str = ""
