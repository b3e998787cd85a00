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

    @property
    def example(self) -> str:
        """A condition that the rows can be filtered by, on the first column that holds no names."""
        if len(self.headings) <= self.names or not self.rows:
            return ""
        middle = self.rows[len(self.rows) // 2][self.names]
        value = middle.split()[0] if middle.split() else "0.1"
        sign = "<" if value[-1].isdigit() else "="
        return f"{self.headings[self.names]} {sign} {value}"
