"""Formats of files of results: what their headers say, and whether the rest is there."""

import json
from typing import Any

import pyarrow.parquet as pq

from benevolent.trainables.store import checksums


def check_unchanged(path: str, data: bytes) -> None:
    """Raise `ValueError` if a parquet or safetensors file does not have the checksum that it was written with."""
    if checksums.has_changed(data, in_footer=path.endswith(".parquet")):
        raise ValueError("its checksum is wrong")


def parse_json(text: str | bytes) -> Any:
    """Return the value of JSON text.

    Raises:
        ValueError: it is not JSON, or nested too deeply to be read.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def safetensors_header(file: Any) -> bytes:
    """Return the JSON header of an open safetensors file.

    Raises:
        ValueError: the file is shorter than its header says.
    """
    size = int.from_bytes(file.read(8), "little")
    if size + 8 > file.size():
        raise ValueError("cut short")
    header: bytes = file.read(size)
    return header


def safetensors_metadata(header: bytes) -> dict[str, Any]:
    """Return the JSON values that a header of ours has as its metadata.

    Raises:
        ValueError, AttributeError, TypeError: the header is not of a file of ours.

    >>> safetensors_metadata(b'{"__metadata__": {"step": "[1, 2]"}}')
    {'step': [1, 2]}
    """
    texts = parse_json(header).get("__metadata__", {})
    return {key: parse_json(value) for key, value in texts.items() if key != checksums.KEY}


def check_parquet(file: Any) -> None:
    """Raise `ValueError`, or an error of pyarrow, if an open file is no whole table of runs."""
    if "run_id" not in pq.read_metadata(file).schema.names:
        raise ValueError("it has no column run_id")


def check_safetensors(file: Any) -> None:
    """Raise `ValueError`, or another error of its header, if an open file is no whole safetensors file."""
    header = safetensors_header(file)
    entries = parse_json(header)
    entries.pop("__metadata__", None)
    data_bytes = max(entry["data_offsets"][1] for entry in entries.values())
    if 8 + len(header) + data_bytes != file.size():
        raise ValueError("cut short")
