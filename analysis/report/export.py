"""The wide table behind a report as a parquet file."""

from io import BytesIO

import pandas as pd


def parquet(table: pd.DataFrame) -> bytes:
    """Return a table as a parquet file; columns of mixed types are written as text."""
    plain = table.copy()
    plain.attrs = {}
    for column, kind in plain.dtypes.items():
        if pd.api.types.is_object_dtype(kind) and _is_mixed(plain[column]):
            plain[column] = plain[column].map(str, na_action="ignore")
    buffer = BytesIO()
    plain.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _is_mixed(column: "pd.Series") -> bool:
    """Tell if a column holds values that parquet has no common type for."""
    return pd.api.types.infer_dtype(column, skipna=True) not in ("string", "boolean", "empty")
