"""Checksums within files: a table, or a file of tensors, whose bytes have changed is not read.

The metadata of such a file hold the SHA-256 of the whole file, computed with zeros in its own place. So the file stays
one that everybody can read. A file without one, as earlier versions wrote them, is not checked.
"""

import hashlib
import re

#: Key in the metadata of parquet and safetensors files.
KEY = "checksum"
_NAME = "file-sha256:"
#: Value of that key until the checksum is known.
UNKNOWN = _NAME + "0" * 64
_FILLED = re.compile(f"{_NAME}([0-9a-f]{{64}})".encode())


def with_checksum(data: bytes, in_footer: bool) -> bytes:
    """Return a file's bytes with their checksum in the place of `UNKNOWN`.

    Args:
        data: all bytes of the file.
        in_footer: True if the metadata are at the end of the file, as in parquet; else they are at its beginning.

    >>> whole = with_checksum(b"1, 2, 3 " + UNKNOWN.encode(), in_footer=True)
    >>> has_changed(whole, in_footer=True), has_changed(whole.replace(b"2", b"4", 1), in_footer=True)
    (False, True)
    """
    unknown = UNKNOWN.encode()
    place = data.rindex(unknown) if in_footer else data.index(unknown)
    checksum = _NAME.encode() + hashlib.sha256(data).hexdigest().encode()
    return data[:place] + checksum + data[place + len(unknown) :]


def has_changed(data: bytes, in_footer: bool) -> bool:
    """Return True if a file's bytes are not those that its checksum was computed of; arguments as above."""
    name = _NAME.encode()
    place = data.rfind(name) if in_footer else data.find(name)
    if place < 0:
        return False
    own = _FILLED.match(data, place)
    if own is None:
        return True
    digest = hashlib.sha256(memoryview(data)[: own.start(1)])
    digest.update(b"0" * 64)
    digest.update(memoryview(data)[own.end(1) :])
    return digest.hexdigest().encode() != own[1]
