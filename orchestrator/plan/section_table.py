"""The distinct values of one section of a sweep's runs, each validated and named once."""

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.identity import identity_text, shared_text
from benevolent.trainables.config.run import flat_section

#: Integers, one for each row of a table: codes, positions or counts.
Codes = np.ndarray[Any, np.dtype[Any]]


class Column(NamedTuple):
    """One field over the values of a section: `categories[codes[value]]`."""

    codes: Codes
    categories: list[Any]


class SectionTable:
    """The values of a section; a configuration refers to one by its code, the position here.

    Args:
        name: of the section.
        values: validated.

    Attributes:
        values: in the order of their codes.
        texts: `identity_text` of every value.
        shared_texts: `shared_text` of every value.
    """

    def __init__(self, name: str, values: Iterable[Any]) -> None:
        self.name = name
        self.values: list[Any] = []
        self.texts: list[str] = []
        self.shared_texts: list[str] = []
        self._code_of: dict[str, int] = {}
        self._columns: dict[str, Column] = {}
        for value in values:
            self._append(value, identity_text(name, value))

    def code_of(self, value: Any) -> int:
        """Return the code of a value, which is added unless an equal one is there."""
        text = identity_text(self.name, value)
        if text not in self._code_of:
            self._append(value, text)
            self._columns.clear()
        return self._code_of[text]

    def _append(self, value: Any, text: str) -> None:
        self._code_of.setdefault(text, len(self.values))
        self.values.append(value)
        self.texts.append(text)
        self.shared_texts.append(shared_text(self.name, value))

    @property
    def columns(self) -> dict[str, Column]:
        """Every dotted field of the section; a field that a value does not have is None there."""
        if not self._columns:
            self._columns = self._make_columns()
        return self._columns

    def column(self, field: str) -> Column:
        """Return one dotted field; None for all values if no value has it."""
        return self.columns.get(field) or Column(np.zeros(len(self.values), np.int32), [None])

    def _make_columns(self) -> dict[str, Column]:
        rows = [dict(flat_section(self.name, value)) for value in self.values]
        fields = dict.fromkeys(itertools.chain.from_iterable(rows))
        columns = {}
        for field in fields:
            values = [row.get(field) for row in rows]
            columns[field] = encode(values)
        return columns

    def dump(self, code: int) -> Any:
        """Return a value as JSON has it."""
        value = self.values[code]
        return value.model_dump(mode="json") if isinstance(value, Section) else value


def encode(values: Iterable[Any]) -> Column:
    """Return distinct values and the code of each; 1, 1.0 and True are three values.

    >>> encode(["a", "b", "a"]).codes.tolist(), encode([1, True]).categories
    ([0, 1, 0], [1, True])
    """
    code_of: dict[tuple[type, Any], int] = {}
    codes = [code_of.setdefault((type(value), value), len(code_of)) for value in values]
    return Column(np.array(codes, np.int32), [value for _, value in code_of])
