"""A folder with atomic writes, on a local disk or an object store.

A file appears whole or not at all, so its presence means that it is done: on a local disk it is written aside, synced
and renamed; on an object store it is put in one request. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import posixpath
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import safetensors

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import Tensor
from benevolent.trainables.store import checksums

#: pyarrow's own words before the reason why a parquet file cannot be opened.
_PYARROW_PREFIX = "Could not open Parquet input source '<Buffer>': "


class Folder:
    """A folder on a local disk or on any pyarrow file system (`s3://bucket/path`), with atomic writes.

    >>> import tempfile
    >>> folder = Folder(tempfile.mkdtemp())
    >>> folder.write_json("a/b.json", {"x": 1})
    >>> folder.read_json("a/b.json"), folder.names("a")
    ({'x': 1}, ['b.json'])
    """

    def __init__(self, uri: str | Path) -> None:
        text = str(uri).removeprefix("file://")
        self.local = "://" not in text
        if self.local:
            text = str(Path(text).expanduser().absolute())
            self.fs = pyarrow.fs.LocalFileSystem()
            self.root = text
        else:
            self.fs, self.root = pyarrow.fs.FileSystem.from_uri(text + _single_put(text))
        self.uri = text

    def __truediv__(self, path: str) -> Folder:
        """Return the folder at a path below this one."""
        below = object.__new__(Folder)
        below.local = self.local
        below.fs = self.fs
        below.root = posixpath.join(self.root, path)
        below.uri = posixpath.join(self.uri, path)
        return below

    def exists(self, path: str = "") -> bool:
        """Return True if there is a file or folder at `path`."""
        return self.fs.get_file_info(posixpath.join(self.root, path)).type != pyarrow.fs.FileType.NotFound

    def check_exists(self) -> None:
        """Refuse a folder that is not there with `BadInput`."""
        if not self.exists():
            raise BadInput(f"{self.uri}: no such folder")

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names in the folder at `path`, without unfinished files; empty if there is no folder."""
        selector = pyarrow.fs.FileSelector(posixpath.join(self.root, path), allow_not_found=True)
        names = [info.base_name for info in self.fs.get_file_info(selector)]
        return sorted(name for name in names if not name.startswith("."))

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Raises:
            BadInput: there is no such file.
        """
        try:
            with self.fs.open_input_stream(posixpath.join(self.root, path)) as stream:
                return stream.read()
        except FileNotFoundError:
            raise BadInput(f"{posixpath.join(self.uri, path)}: no such file") from None

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all, and the folders above it."""
        target = posixpath.join(self.root, path)
        if self.local:
            _write_and_sync(Path(target), data)
            return
        with self.fs.open_output_stream(target) as stream:
            stream.write(data)

    @property
    def creates_once(self) -> bool:
        """True if `create_json` of the same file by two processes at the same time succeeds in one of them only."""
        return self.local

    def create_json(self, path: str, value: Any) -> bool:
        """Write a value as JSON unless there is such a file; return whether it was written. See `creates_once`."""
        data = _json_bytes(value)
        if self.creates_once:
            return _create_and_sync(Path(posixpath.join(self.root, path)), data)
        if self.exists(path):
            return False
        self.write(path, data)
        return True

    def delete(self, path: str) -> None:
        """Remove a file if it exists."""
        if self.exists(path):
            self.fs.delete_file(posixpath.join(self.root, path))

    def move(self, path: str, to: str) -> None:
        """Rename a file within this folder; a file at `to` is replaced."""
        self.fs.move(posixpath.join(self.root, path), posixpath.join(self.root, to))

    def read_json(self, path: str) -> Any:
        """Return the value of a JSON file; raise `BadInput` if it is damaged."""
        try:
            return json.loads(self.read(path))
        except ValueError as error:
            raise self._damaged(path, error) from None

    def write_json(self, path: str, value: Any) -> None:
        """Write a value as readable JSON."""
        self.write(path, _json_bytes(value))

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a parquet file, or some of its columns; raise `BadInput` if it is damaged."""
        data = self.read(path)
        try:
            _check_unchanged(path, data)
            return pq.read_table(pa.BufferReader(data), columns=columns)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(path, error) from None

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a table as parquet, with a checksum."""
        metadata = {**(table.schema.metadata or {}), checksums.KEY: checksums.UNKNOWN}
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd")
        self.write(path, checksums.with_checksum(sink.getvalue().to_pybytes(), in_footer=True))

    def read_tensors(self, path: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the metadata of a safetensors file; raise `BadInput` if it is damaged."""
        from safetensors.torch import load  # torch, which tables do without

        data = self.read(path)
        try:
            _check_unchanged(path, data)
            header_bytes = int.from_bytes(data[:8], "little")
            metadata = _metadata(data[8 : 8 + header_bytes])
            return load(data), metadata
        except (safetensors.SafetensorError, ValueError, AttributeError) as error:
            raise self._damaged(path, error) from None

    def read_metadata(self, path: str) -> dict[str, Any]:
        """Return the metadata of a safetensors file, reading only its header; raise `BadInput` if it is damaged."""
        try:
            with self.fs.open_input_file(posixpath.join(self.root, path)) as file:
                return _metadata(_header(file))
        except (OSError, ValueError, AttributeError) as error:
            raise self._damaged(path, error) from None

    def write_tensors(self, path: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
        """Write named tensors and JSON metadata as one safetensors file, with a checksum."""
        from safetensors.torch import save

        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        texts = {key: json.dumps(value) for key, value in metadata.items()}
        texts[checksums.KEY] = checksums.UNKNOWN
        self.write(path, checksums.with_checksum(save(plain, texts), in_footer=False))

    def check(self, path: str) -> None:
        """Refuse a damaged parquet or safetensors file.

        A file on a local disk is read as a whole. An object store keeps checksums of its own, so that only the footer
        or the header is read.

        Raises:
            BadInput: the file has changed, is cut short, of another format, or a table without a column `run_id`.
        """
        try:
            if self.local:
                _check_unchanged(path, self.read(path))
            with self.fs.open_input_file(posixpath.join(self.root, path)) as file:
                if path.endswith(".parquet"):
                    _check_parquet(file)
                else:
                    _check_safetensors(file)
        except (pa.ArrowException, OSError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise self._damaged(path, error) from None

    def _damaged(self, path: str, error: Exception) -> BadInput:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = reason.removeprefix(_PYARROW_PREFIX)
        return BadInput(f"{posixpath.join(self.uri, path)}: damaged or not a file of this project ({reason})")


def _check_unchanged(path: str, data: bytes) -> None:
    if checksums.has_changed(data, in_footer=path.endswith(".parquet")):
        raise ValueError("its checksum is wrong")


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _single_put(uri: str) -> str:
    """Return the query that makes pyarrow write a small file to S3 in one request.

    Without it even a small file takes three requests, and appears whole only because the last one is atomic.
    """
    if not uri.startswith("s3://"):
        return ""
    return ("&" if "?" in uri else "?") + "allow_delayed_open=true"


def _write_and_sync(target: Path, data: bytes) -> None:
    """Write a local file so that after a crash, of the machine too, it is there whole, as it was before, or not at all.

    The data are on the disk before the name is, and the name before this returns.
    """
    with _written_aside(target, data) as aside:
        os.replace(aside, target)
    _sync_folder(target.parent)


def _create_and_sync(target: Path, data: bytes) -> bool:
    """Write a local file as `_write_and_sync` unless there is one; return whether it was written."""
    with _written_aside(target, data) as aside:
        try:
            os.link(aside, target)  # which fails if there is one, on network file systems too
        except FileExistsError:
            return False
    _sync_folder(target.parent)
    return True


@contextmanager
def _written_aside(target: Path, data: bytes) -> Iterator[Path]:
    """Write a hidden file in the folder of another, for the length of the context."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.parent / f".{uuid.uuid4().hex}"
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield aside
    except OSError as error:  # a full disk does not say which
        raise OSError(error.errno, error.strerror, str(target)) from None
    finally:
        aside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(file: Any) -> bytes:
    """Return the JSON header of an open safetensors file."""
    size = int.from_bytes(file.read(8), "little")
    if size + 8 > file.size():
        raise ValueError("cut short")
    return file.read(size)


def _metadata(header: bytes) -> dict[str, Any]:
    texts = json.loads(header).get("__metadata__", {})
    return {key: json.loads(value) for key, value in texts.items() if key != checksums.KEY}


def _check_parquet(file: Any) -> None:
    if "run_id" not in pq.read_metadata(file).schema.names:
        raise ValueError("it has no column run_id")


def _check_safetensors(file: Any) -> None:
    header = _header(file)
    entries = json.loads(header)
    entries.pop("__metadata__", None)
    data_bytes = max(entry["data_offsets"][1] for entry in entries.values())
    if 8 + len(header) + data_bytes != file.size():
        raise ValueError("cut short")
