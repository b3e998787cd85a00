"""A reader of the files that Weights & Biases writes offline: a header, then records in blocks, as logs of LevelDB."""

import struct
from collections.abc import Iterator
from pathlib import Path

HEADER_BYTES = 7
BLOCK_BYTES = 32768
#: Kinds of parts of a record: a whole one, and the last part of one.
WHOLE, LAST = 1, 4


def records_in(path: Path) -> Iterator[bytes]:
    """Yield the records of a file `run-ID.wandb`."""
    data = path.read_bytes()
    position = HEADER_BYTES
    record = b""
    while position < len(data):
        left_in_block = BLOCK_BYTES - position % BLOCK_BYTES
        if left_in_block < HEADER_BYTES:
            position += left_in_block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += HEADER_BYTES
        record += data[position : position + length]
        position += length
        if kind in (WHOLE, LAST):
            yield record
            record = b""
