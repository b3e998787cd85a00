"""A folder with atomic writes, on a local disk or an object store.

A file appears whole or not at all, so its presence means that it is done: on a local disk it is written aside, synced
and renamed; on an object store it is put in one request. Nothing is ever unpickled. No path leads out of the folder.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import safetensors

from benevolent.trainables.errors import BadInput, damaged, one_line
from benevolent.trainables.lazy_torch import Tensor
from benevolent.trainables.store import checksums
from benevolent.trainables.store.file_formats import (
    check_parquet,
    check_safetensors,
    check_unchanged,
    parse_json,
    read_parquet,
    safetensors_header,
    safetensors_metadata,
)
from benevolent.trainables.store.local_files import (
    create_whole,
    delete_unfinished,
    is_not_a_file,
    used_bytes,
    write_whole,
)
from benevolent.trainables.store.near_folders import suggest_folder
from benevolent.trainables.store.object_store import ObjectStore
from benevolent.trainables.store.store_errors import StoreError

T = TypeVar("T")

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
        self.store: ObjectStore | None = None
        if self.local:
            text = str(Path(text).expanduser().absolute())
            self.fs = pyarrow.fs.LocalFileSystem()
            self.root = text
        else:
            self.store = ObjectStore(text)
            self.fs = self.store.fs
            self.root = self.store.root
        self.uri = text
        self.top = self.root

    def __truediv__(self, path: str) -> Folder:
        """Return the folder at a path below this one."""
        below = object.__new__(Folder)
        below.local = self.local
        below.store = self.store
        below.fs = self.fs
        below.root = self._place(path)
        below.uri = posixpath.join(self.uri, path)
        below.top = self.top
        return below

    def exists(self, path: str = "") -> bool:
        """Return True if there is a file or folder at `path`."""
        place = self._place(path)
        info = self._patiently(lambda: self.fs.get_file_info(place))
        return info.type != pyarrow.fs.FileType.NotFound

    def check_exists(self) -> None:
        """Refuse a folder that is not there with `BadInput`."""
        if not self.exists():
            raise BadInput(f"{self.uri}: no such folder{suggest_folder(Path(self.root)) if self.local else ''}")
        if self.local and Path(self.root).is_file():
            raise BadInput(f"{self.uri}: a file; expected a results folder")

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names in the folder at `path`, without unfinished files; empty if there is no folder."""
        selector = pyarrow.fs.FileSelector(self._place(path), allow_not_found=True)
        try:
            names = [info.base_name for info in self._patiently(lambda: self.fs.get_file_info(selector))]
        except UnicodeDecodeError as error:
            raise self._damaged(path, error) from None
        return sorted(name for name in names if not name.startswith("."))

    def used_bytes(self) -> Counter[str]:
        """Return the sums of the sizes of all files in this folder and below, by the ending of their names.

        Links are not followed.
        """
        if self.local:
            return used_bytes(Path(self.root))
        selector = pyarrow.fs.FileSelector(self.root, allow_not_found=True, recursive=True)
        infos = self._patiently(lambda: self.fs.get_file_info(selector))
        used: Counter[str] = Counter()
        for info in infos:
            if info.is_file:
                used[posixpath.splitext(info.base_name)[1]] += info.size or 0
        return used

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Raises:
            BadInput: there is no such file.
        """
        place = self._place_of_file(path)

        def read() -> bytes:
            with self.fs.open_input_stream(place) as stream:
                data: bytes = stream.read()
            return data

        try:
            return self._patiently(read)
        except FileNotFoundError:
            raise BadInput(f"{posixpath.join(self.uri, path)}: no such file") from None

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all, and the folders above it."""
        place = self._place(path)
        if self.local:
            write_whole(Path(place), data)
            return

        def write() -> None:
            with self.fs.open_output_stream(place) as stream:
                stream.write(data)

        self._patiently(write)

    @property
    def creates_once(self) -> bool:
        """True if `create_json` of the same file by two processes at the same time surely succeeds in one of them only.

        On object stores that depends on the store, see `refuses_to_create`.
        """
        return self.local

    def create_json(self, path: str, value: Any) -> bool:
        """Write a value as JSON unless there is a file; return whether it was written. See `creates_once`."""
        data = _json_bytes(value)
        place = self._place(path)
        if self.creates_once:
            return create_whole(Path(place), data)
        created = self._create(place, data)
        if created is None:
            created = not self.exists(path)
            if created:
                self.write(path, data)
        return created or self.read(path) == data  # the answer to our own request may have been lost

    def refuses_to_create(self, path: str, value: Any) -> bool:
        """Return True if the store refuses to create a file of this value that is there already, as it should."""
        return self.creates_once or self._create(self._place(path), _json_bytes(value)) is False

    def delete(self, path: str) -> None:
        """Remove a file if it exists."""
        if not self.exists(path):
            return
        place = self._place(path)
        with suppress(FileNotFoundError):  # another process was faster
            self._patiently(lambda: self.fs.delete_file(place))

    def delete_unfinished(self, path: str = "") -> None:
        """Remove the unfinished files in the folder at `path`, which writers that were killed have left on a disk."""
        if self.local:
            delete_unfinished(Path(self._place(path)))

    def move(self, path: str, to: str) -> None:
        """Rename a file within this folder; a file at `to` is replaced."""
        if self.local:
            self.fs.move(self._place(path), self._place(to))
            return
        self.write(to, self.read(path))
        self.delete(path)

    def read_json(self, path: str) -> Any:
        """Return the value of a JSON file; raise `BadInput` if it is damaged."""
        data = self.read(path)
        try:
            return parse_json(data)
        except ValueError as error:
            raise self._damaged(path, error) from None

    def write_json(self, path: str, value: Any) -> None:
        """Write a value as readable JSON."""
        self.write(path, _json_bytes(value))

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a parquet file, or some of its columns; raise `BadInput` if it is damaged."""
        data = self.read(path)
        try:
            check_unchanged(path, data)
            return read_parquet(pa.BufferReader(data), columns)
        except (pa.ArrowException, OSError, ValueError, LookupError) as error:
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
            check_unchanged(path, data)
            header_bytes = int.from_bytes(data[:8], "little")
            metadata = safetensors_metadata(data[8 : 8 + header_bytes])
            return load(data), metadata
        except (safetensors.SafetensorError, ValueError, AttributeError, TypeError) as error:
            raise self._damaged(path, error) from None

    def read_metadata(self, path: str) -> dict[str, Any]:
        """Return the metadata of a safetensors file, reading only its header; raise `BadInput` if it is damaged."""
        return self._looked_into(path, lambda file: safetensors_metadata(safetensors_header(file)))

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
        if self.local:
            data = self.read(path)
            try:
                check_unchanged(path, data)
            except ValueError as error:
                raise self._damaged(path, error) from None
        self._looked_into(path, check_parquet if path.endswith(".parquet") else check_safetensors)

    def _looked_into(self, path: str, look: Callable[[Any], T]) -> T:
        """Return what a function finds in an open file; raise `BadInput` if it finds that the file is damaged."""
        place = self._place_of_file(path)

        def open_and_look() -> T:
            with self.fs.open_input_file(place) as file:
                return look(file)

        try:
            return self._patiently(open_and_look)
        except StoreError:
            raise
        except (pa.ArrowException, OSError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise self._damaged(path, error) from None

    def _patiently(self, request: Callable[[], T]) -> T:
        return request() if self.store is None else self.store.patiently(request)

    def _create(self, place: str, data: bytes) -> bool | None:
        """Create a file in an object store on a condition; None if that cannot be done."""
        return None if self.store is None else self.store.create(place, data)

    def _place(self, path: str) -> str:
        """Return where a path of this folder is in its file system.

        Raises:
            BadInput: it leads out of the folder that was opened, by its text or by a link: the names of some files are
                read from others, which may be a stranger's.
        """
        place = posixpath.join(self.root, path)
        leads_out = path.startswith("/") or ".." in path.split("/") or "\0" in path
        if self.local and not leads_out:
            leads_out = not _is_within(place, self.top)
        if leads_out:
            raise BadInput(f"{self.uri}: {path!r} leads out of the folder")
        return place

    def _place_of_file(self, path: str) -> str:
        """Return where a file to be read is, as `_place`; raise `BadInput` if it is a folder, a pipe or a device."""
        place = self._place(path)
        if self.local and is_not_a_file(Path(place)):
            raise self._damaged(path, ValueError("it is not a file"))
        return place

    def _damaged(self, path: str, error: Exception) -> BadInput:
        reason = one_line(error).removeprefix(_PYARROW_PREFIX)
        return damaged(posixpath.join(self.uri, path), reason)


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _is_within(place: str, top: str) -> bool:
    """Return True if a local path is in a folder, when all links are followed."""
    real = os.path.realpath(place)
    real_top = os.path.realpath(top)
    return real == real_top or real.startswith(real_top.rstrip("/") + "/")
