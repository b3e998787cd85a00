"""The numbers behind a report, for other programs: verdicts as JSON, the wide table as parquet."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.judging.text import by_decision


def verdicts_json(verdicts: Sequence[pd.DataFrame]) -> bytes:
    """Return verdicts as JSON: a list of objects with the keys of ``attrs`` (target, scope, rule ...).

    Each has its rows under ``predictors``, in the report's order; a missing or infinite number is null.
    """
    whole = []
    for frame in verdicts:
        rows = by_decision(frame).rename_axis("predictor").reset_index()
        whole.append({**frame.attrs, "predictors": rows.to_dict(orient="records")})
    return (json.dumps(_plain(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_verdicts(data: bytes) -> list[pd.DataFrame]:
    """Return the frames behind `verdicts_json`, one per target and scope; what was null is NaN.

    Raises:
        ValueError: the data are no verdicts.
    """
    frames = []
    for whole in json.loads(data):
        frame = pd.DataFrame(whole.pop("predictors")).set_index("predictor")
        numbers = [name for name in frame if name not in ("target", "scope", "match", "decision", "sentence")]
        frame[numbers] = frame[numbers].astype(float)
        frame.attrs = whole
        frames.append(frame)
    return frames


def parquet(table: pd.DataFrame) -> bytes:
    """Return a table as a parquet file; columns of mixed types are written as text."""
    plain = table.copy()
    plain.attrs = {}
    for column in plain.columns[[pd.api.types.is_object_dtype(kind) for kind in plain.dtypes]]:
        if pd.api.types.infer_dtype(plain[column], skipna=True) not in ("string", "boolean", "empty"):
            plain[column] = plain[column].map(str, na_action="ignore")
    buffer = BytesIO()
    plain.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """Turn numpy and pandas values into what JSON knows; anything else becomes its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return _plain(value.reset_index().to_dict(orient="records"))
    if isinstance(value, pd.Series):
        return _plain(value.to_dict())
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
