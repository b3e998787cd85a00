"""Where everything is: the one module that owns the paths of a results folder, and how files are written.

A file appears whole or not at all: it is written aside and renamed, or, on an object store, put in one request. So a
file's presence means that it is done. Nothing is ever unpickled.
"""

import json
import posixpath
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import safetensors
import safetensors.torch
from torch import Tensor

from benevolent.trainables.errors import BadInput

SPEC = "sweep.yaml"
PROVENANCE = "provenance.json"
REPORT = "report"


class Folder:
    """A folder on a local disk or any pyarrow file system (`s3://bucket/path`), with atomic writes.

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
            self.fs, self.root = pyarrow.fs.LocalFileSystem(), text
        else:
            # Without it even a small file takes three requests, and appears whole only because the last is atomic.
            one_request = ("&" if "?" in text else "?") + "allow_delayed_open=true" if text.startswith("s3://") else ""
            self.fs, self.root = pyarrow.fs.FileSystem.from_uri(text + one_request)
        self.uri = text

    def __truediv__(self, path: str) -> "Folder":
        """The folder at a path below this one."""
        below = object.__new__(Folder)
        below.local, below.fs = self.local, self.fs
        below.root, below.uri = posixpath.join(self.root, path), posixpath.join(self.uri, path)
        return below

    def exists(self, path: str = "") -> bool:
        """Whether there is a file or folder at `path`."""
        return self.fs.get_file_info(posixpath.join(self.root, path)).type != pyarrow.fs.FileType.NotFound

    def names(self, path: str = "") -> list[str]:
        """The sorted names of what is in the folder at `path`, unfinished files left out; empty if there is none."""
        selector = pyarrow.fs.FileSelector(posixpath.join(self.root, path), allow_not_found=True)
        return sorted(info.base_name for info in self.fs.get_file_info(selector) if not info.base_name.startswith("."))

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            BadInput: there is no such file.
        """
        try:
            with self.fs.open_input_stream(posixpath.join(self.root, path)) as stream:
                return stream.read()
        except FileNotFoundError:
            raise BadInput(f"{posixpath.join(self.uri, path)}: no such file") from None

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all, with the folders above it."""
        target = posixpath.join(self.root, path)
        aside = posixpath.join(posixpath.dirname(target), f".{uuid.uuid4().hex}") if self.local else target
        if self.local:
            self.fs.create_dir(posixpath.dirname(target), recursive=True)
        try:
            with self.fs.open_output_stream(aside) as stream:
                stream.write(data)
            if self.local:
                self.fs.move(aside, target)
        except BaseException:
            if self.local and Path(aside).exists():
                Path(aside).unlink()
            raise

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        if self.exists(path):
            self.fs.delete_file(posixpath.join(self.root, path))

    def read_json(self, path: str) -> Any:
        """The value of a JSON file; `BadInput` if it is damaged."""
        try:
            return json.loads(self.read(path))
        except ValueError as error:
            raise self._damaged(path, error) from None

    def write_json(self, path: str, value: Any) -> None:
        """Write a value as readable JSON."""
        self.write(path, (json.dumps(value, indent=1) + "\n").encode())

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The table of a parquet file, or these columns of it; `BadInput` if it is damaged."""
        try:
            return pq.read_table(pa.BufferReader(self.read(path)), columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(path, error) from None

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a table as parquet."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        self.write(path, sink.getvalue().to_pybytes())

    def read_tensors(self, path: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and the metadata of a safetensors file; `BadInput` if it is damaged."""
        data = self.read(path)
        try:
            return safetensors.torch.load(data), _metadata(data[8 : 8 + int.from_bytes(data[:8], "little")])
        except (safetensors.SafetensorError, ValueError, AttributeError) as error:
            raise self._damaged(path, error) from None

    def read_metadata(self, path: str) -> dict[str, Any]:
        """The metadata of a safetensors file, from its head; `BadInput` if that is damaged."""
        try:
            with self.fs.open_input_file(posixpath.join(self.root, path)) as file:
                size = int.from_bytes(file.read(8), "little")
                if size > file.size():
                    raise ValueError("cut short")
                return _metadata(file.read(size))
        except (OSError, ValueError, AttributeError) as error:
            raise self._damaged(path, error) from None

    def check(self, path: str) -> None:
        """Refuse a damaged file from the end of its parquet or the head of its safetensors, without reading the rest.

        Raises:
            BadInput: the file is cut short, something else, or a table of no runs.
        """
        try:
            with self.fs.open_input_file(posixpath.join(self.root, path)) as file:
                if path.endswith(".parquet"):
                    if "run_id" not in pq.read_metadata(file).schema.names:
                        raise ValueError("it has no column run_id")
                    return
                size = 8 + int.from_bytes(file.read(8), "little")
                if size > file.size():
                    raise ValueError("cut short")
                tensors = {k: v for k, v in json.loads(file.read(size - 8)).items() if k != "__metadata__"}
                if size + max(about["data_offsets"][1] for about in tensors.values()) != file.size():
                    raise ValueError("cut short")
        except (pa.ArrowException, OSError, ValueError, AttributeError, LookupError, TypeError) as error:
            raise self._damaged(path, error) from None

    def write_tensors(self, path: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
        """Write named tensors, and metadata that JSON can hold, as one safetensors file."""
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        self.write(path, safetensors.torch.save(plain, {key: json.dumps(value) for key, value in metadata.items()}))

    def _damaged(self, path: str, error: Exception) -> BadInput:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = reason.removeprefix("Could not open Parquet input source '<Buffer>': ")
        return BadInput(f"{posixpath.join(self.uri, path)}: damaged or not a file of this project ({reason})")


def _metadata(header: bytes) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in json.loads(header).get("__metadata__", {}).items()}


class CohortFiles:
    """The files of one cohort in a results folder; parts are numbered, and a part is written once."""

    def __init__(self, results: Folder, cohort_id: str) -> None:
        self.folder = results / "cohorts" / cohort_id
        self.cohort_id = cohort_id

    manifest = "manifest.json"
    stacks = "stacks.json"
    state = "state/state.safetensors"
    failure = "failure.json"
    #: Where a part of `runs` names the files that belong to its rows and those before: in its parquet metadata.
    NAMED = "files"

    @staticmethod
    def checkpoint(phase: str, step: int) -> str:
        """Every active run's parameters at one step."""
        return f"checkpoints/{phase}-{step:08d}.safetensors"

    @staticmethod
    def final(part: int) -> str:
        """The last parameters of the runs that stopped during one part."""
        return f"final/{part:05d}.safetensors"

    @staticmethod
    def table(kind: str, part: int) -> str:
        """One part of the table `runs`, `dynamics` or `outcomes`."""
        return f"{kind}/{part:05d}.parquet"

    def delete_parts_from(self, part: int) -> None:
        """Remove the parts of every table, and of the final parameters, from number `part` on."""
        for kind in ("runs", "outcomes", "dynamics", "final"):
            for name in self.folder.names(kind):
                if name >= f"{part:05d}":
                    self.folder.delete(f"{kind}/{name}")

    def parts(self, kind: str) -> list[pa.Table]:
        """The parts of the table `runs`, `dynamics` or `outcomes` that are there.

        Raises:
            BadInput: a part is damaged, or has no column `run_id`.
        """
        parts = {name: self.folder.read_table(f"{kind}/{name}") for name in self.folder.names(kind)}
        for name, part in parts.items():
            if "run_id" not in part.column_names:
                where = f"{self.folder.uri}/{kind}/{name}"
                raise BadInput(f"{where}: not a file of this project (it has no column run_id)")
        return [*parts.values()]

    def write_runs(self, part: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write a part of `runs`, the last of a part's files; it names all that the cohort has by then."""
        there = [f"{kind}/{name}" for kind in ("dynamics", "outcomes", "final") for name in self.folder.names(kind)]
        table = pa.table(dict(columns)).replace_schema_metadata({self.NAMED: json.dumps(there)})
        self.folder.write_table(self.table("runs", part), table)

    def check_named(self, runs: Sequence[pa.Table]) -> None:
        """Refuse a cohort of which a file is gone that its runs need.

        Args:
            runs: the parts of the table `runs`.

        Raises:
            BadInput: a file that the last of them names is not there.
        """
        there: dict[str, list[str]] = {}
        metadata = (runs[-1].schema.metadata or {}) if runs else {}
        for path in json.loads(metadata.get(self.NAMED.encode(), b"[]")):
            kind, _, name = path.partition("/")
            if name not in there.setdefault(kind, self.folder.names(kind)):
                raise BadInput(
                    f"{self.folder.uri}/{path}: is not there, though runs that have ended need it; put it back, or "
                    f"delete the folder {self.folder.uri}, and the same `bth run` trains its runs again"
                )

    @property
    def why_failed(self) -> str | None:
        """The last line of the error that ended the cohort's last attempt; None if none was written down."""
        if not self.folder.exists(self.failure):
            return None
        return str(self.folder.read_json(self.failure)["traceback"]).strip().splitlines()[-1]

    def parameter_files(self) -> list[str]:
        """Every checkpoint and final file that is there, by its path in the cohort's folder."""
        return [f"{kind}/{name}" for kind in ("checkpoints", "final") for name in self.folder.names(kind)]


def cohort_ids(results: Folder) -> list[str]:
    """The cohorts that a results folder has a manifest for."""
    return [name for name in results.names("cohorts") if results.exists(f"cohorts/{name}/{CohortFiles.manifest}")]


def check_files(results: Folder) -> None:
    """Refuse a results folder with a damaged file, or one that is gone; the report is left out, it is made again.

    Raises:
        BadInput: see `Folder.check` and `CohortFiles.check_named`; the first is named.
    """
    if results.exists(PROVENANCE):
        results.read_json(PROVENANCE)
    for cohort_id in cohort_ids(results):
        files = CohortFiles(results, cohort_id)
        for name in (files.stacks, files.failure):
            if files.folder.exists(name):
                files.folder.read_json(name)
        tables = [f"{kind}/{name}" for kind in ("runs", "dynamics", "outcomes") for name in files.folder.names(kind)]
        for path in [*tables, *files.parameter_files()]:
            files.folder.check(path)
        files.check_named(files.parts("runs"))
    for name in results.names("measures"):
        results.check(f"measures/{name}")


def measures_file(cohort_id: str, parameters: str, digest: str, attempt: int = 1) -> str:
    """The rows of some measures (`digest` names their set and versions) on one file of parameters.

    What was tried before stays as it was written: the `attempt` makes the name another one.
    """
    stem = Path(parameters).stem if parameters.startswith("checkpoints/") else f"final-{Path(parameters).stem}"
    return f"measures/{cohort_id}-{stem}-{digest}{f'_{attempt}' * (attempt > 1)}.parquet"


def measured_cohort(name: str) -> str:
    """The cohort that a file of measures is about, from its name.

    >>> measured_cohort("0123abcd-train-00000064-89ef.parquet")
    '0123abcd'
    """
    return name.rsplit("-", 3)[0]
