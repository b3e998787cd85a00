"""Tables that were written apart, united by column name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd


def united(tables: Sequence[pa.Table], columns: Iterable[str]) -> pd.DataFrame:
    """Return the rows of all tables; a column that a table lacks is missing in its rows.

    Args:
        tables: the parts.
        columns: columns of the empty table, if there are no parts.

    >>> parts = [pa.table({"run_id": ["a"], "depth": [2]}), pa.table({"run_id": ["b"], "width": [8]})]
    >>> united(parts, ()).to_dict("list")
    {'run_id': ['a', 'b'], 'depth': [2.0, nan], 'width': [nan, 8.0]}
    """
    if not tables:
        import pandas as pd  # a third of a second that `bth status` need not wait for

        return pd.DataFrame({name: pd.Series(dtype=float if name == "value" else object) for name in columns})
    try:
        return _frame(tables)
    except pa.ArrowTypeError:
        mixed = _columns_of_mixed_types(tables)
        texts = [table.cast(_with_text(table.schema, mixed)) for table in tables]
        return _frame(texts)


def _frame(tables: Sequence[pa.Table]) -> pd.DataFrame:
    whole = pa.concat_tables(tables, promote_options="permissive")
    return whole.replace_schema_metadata(None).to_pandas()  # a stranger's file may have damaged metadata of pandas


def _columns_of_mixed_types(tables: Sequence[pa.Table]) -> set[str]:
    """Return the columns of several types: networks of two families may have a field of one name and other values."""
    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            if not pa.types.is_null(field.type):
                types.setdefault(field.name, set()).add(field.type)
    return {name for name, kinds in types.items() if len(kinds) > 1 and not all(map(_is_number, kinds))}


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _with_text(schema: pa.Schema, names: set[str]) -> pa.Schema:
    return pa.schema([pa.field(field.name, pa.string() if field.name in names else field.type) for field in schema])
