"""Formats of files of results: what their headers say, and whether the rest is there."""

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benevolent.trainables.machine_memory import machine_memory_bytes
from benevolent.trainables.store import checksums

#: Bytes of a value in memory by its type in a parquet file; others are texts, or have a length of their own.
_BYTES = {"BOOLEAN": 0.125, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_LEAST_BYTES_OF_TEXT = 4

#: An escaped surrogate, half of a character beyond 16 bits. An unpaired one is not Unicode and cannot be written.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def check_unchanged(path: str, data: bytes) -> None:
    """Raise `ValueError` if a parquet or safetensors file does not have the checksum that it was written with."""
    if checksums.has_changed(data, in_footer=path.endswith(".parquet")):
        raise ValueError("its checksum is wrong")


def parse_json(text: str | bytes) -> Any:
    """Return the value of JSON text.

    Raises:
        ValueError: it is not JSON, nested too deeply to be read, or a text in it is no Unicode.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: nested too deeply
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        value = json.loads(decoded)
        if _SURROGATE.search(decoded):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


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


def read_parquet(data: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a parquet file, or some of its columns; pandas is not imported, as `pq.read_table` would.

    Raises:
        ValueError: the values would fill this machine's memory.
        pa.ArrowException, OSError, LookupError: the file is damaged, or a column is missing or there twice.
    """
    check_parquet_fits(data)
    table = pq.ParquetFile(data).read(columns)
    return table.select(columns or table.column_names)  # refuses columns that are missing, or there twice


def check_parquet_fits(data: Any) -> None:
    """Refuse a parquet file whose values would fill the memory: some kilobytes can stand for any number of equal ones.

    Raises:
        ValueError: they would.
        pa.ArrowException, OSError: the file is damaged.
    """
    most = machine_memory_bytes() // 2
    metadata = pq.ParquetFile(data).metadata
    least, largest = _bounds_of_bytes(metadata)
    if least > most or (largest > most and _text_bytes(data, metadata) > most):
        raise ValueError(f"its {metadata.num_rows:,} rows would fill this machine's memory")


def _bounds_of_bytes(metadata: pq.FileMetaData) -> tuple[float, float]:
    """Return bounds of the memory that all columns take: if all texts are empty, and if each is as long as a chunk."""
    least = 0.0
    largest = 0.0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for column in range(rows.num_columns):
            chunk = rows.column(column)
            each = _BYTES.get(chunk.physical_type) or metadata.schema.column(column).length
            least += chunk.num_values * (each or _LEAST_BYTES_OF_TEXT)
            largest += chunk.num_values * (each or chunk.total_uncompressed_size)
    return least, largest


def _text_bytes(data: Any, metadata: pq.FileMetaData) -> int:
    """Return the sum of the sizes of all texts of a parquet file, of which every different one is read once."""
    leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    table = pq.ParquetFile(data, read_dictionary=texts).read(texts)
    chunks = itertools.chain.from_iterable(column.chunks for column in table.columns)
    return sum(map(_bytes_of, chunks))


def _bytes_of(texts: pa.Array) -> int:
    """Return the sum of the sizes of texts that were read as a dictionary, in lists and mappings, too."""
    if pa.types.is_dictionary(texts.type):
        return pc.sum(pc.binary_length(texts.dictionary).take(texts.indices)).as_py() or 0
    if pa.types.is_struct(texts.type):
        return sum(map(_bytes_of, texts.flatten()))
    return _bytes_of(texts.flatten()) if pa.types.is_nested(texts.type) else 0


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
