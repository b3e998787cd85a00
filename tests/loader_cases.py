"""Files as a stranger may send them: any bytes, genuine ones with changes, and values in unexpected places."""

import copy
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import in_process
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st
from torch import nn

from benevolent import measure_network, watch
from benevolent.analysis import load_results
from benevolent.analysis.table_files import read_table
from benevolent.analysis.trackers import exported_runs, write_csv_files, write_event_files
from benevolent.orchestrator import lease, provenance
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.stored_spec import read_spec
from benevolent.orchestrator.watched_folder import watched_runs
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import checksums
from benevolent.trainables.store.cohort_files import cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import check_files
from benevolent.trainables.store.manifest import Manifest

SPEC = {
    "name": "small",
    "base": {
        "data": {"train_size": 30, "validation_size": 20, "test_size": 20},
        "model": {"width": 3, "depth": 1},
        "optimizer": {"batch_size": 30},
        "stop": {"train_loss": None, "max_epochs": 2},
    },
    "grid": {"prune.fraction": [0.0, 0.5]},
    "seeds": 2,
    "record": {"measures": ["parameter_norm"]},
}

#: Texts that mean something somewhere: to a path, to YAML, to a page, to a number.
TELLING = [
    "../../x",
    "/etc/passwd",
    "a\0b",
    "",
    "!!python/object/apply:os.system [id]",
    "<script>",
    "1e999",
    "log",
    "🙂",
]
TEXTS = st.sampled_from(TELLING) | st.text(max_size=8)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**70, -1, 0])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def train_sweep(root: Path) -> None:
    in_process.train_sweep(SweepSpec.parse(SPEC), str(root))


def watch_runs(root: Path) -> None:
    """Record two runs with `watch`, with a measure."""
    for lr in (0.1, 0.2):
        module = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(module.parameters(), lr=lr)
        inputs, labels = torch.eye(2), torch.tensor([0, 1])
        with watch(module, optimizer, 1, save_to=root, config={"lr": lr, "name": "a"}, seed=0) as path:
            for _ in range(2):
                loss = nn.functional.cross_entropy(module(inputs), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                path.step(loss)
        measures = measure_network(module, inputs, labels, measures=["parameter_norm"])
        path.finish(test_loss=loss, test_error=0.5, train_loss=loss, train_error=0.5, measures=measures)


class Genuine:
    """A small results folder, in which one file at a time is replaced; by default that of a sweep."""

    def __init__(self, root: Path, make: Callable[[Path], Any] = train_sweep) -> None:
        make(root)
        self.folder = Folder(root)
        self.root = root
        self.files = sorted(path for path in root.rglob("*") if path.is_file())
        self.contents = {path: path.read_bytes() for path in self.files}
        self.run_id = load_results(str(root)).runs["run_id"][0]

    @functools.cached_property
    def watched(self) -> "Genuine":
        """A folder beside this one, of runs that `watch` has recorded."""
        return Genuine(self.root.parent / "watched", watch_runs)

    def named(self, *parts: str) -> list[Path]:
        """The files with one of these texts in their paths."""
        return [path for path in self.files if any(part in str(path.relative_to(self.root)) for part in parts)]


def changed_bytes(draw: Callable, genuine: bytes) -> bytes:
    """Bytes of a file: any, or genuine ones that are cut, or have other bytes at one place."""
    kind = draw(st.sampled_from(["any", "cut", "spliced"]))
    if kind == "any":
        return draw(st.binary(max_size=60))
    place = draw(st.integers(0, len(genuine)))
    if kind == "cut":
        return genuine[:place]
    new = draw(st.binary(min_size=1, max_size=6))
    return genuine[:place] + new + genuine[place + draw(st.integers(0, 8)) :]


def changed_value(draw: Callable, genuine: Any) -> Any:
    """A value as JSON has it, one part of which is another, missing, or new."""
    value = copy.deepcopy(genuine)
    inner, above, key = value, None, None
    while isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
        above = inner
        key = draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        inner = inner[key]
    if above is None:
        return draw(VALUES)
    if draw(st.booleans()):
        above[key] = draw(VALUES)
    elif draw(st.booleans()):
        del above[key]
    elif isinstance(above, dict):
        above[draw(TEXTS)] = draw(VALUES)
    return value


def changed_table(draw: Callable, genuine: pa.Table) -> pa.Table:
    """A table with a column less, more, or of another type, with other rows, or without any."""
    kind = draw(st.sampled_from(["drop", "add", "replace", "rows", "metadata"]))
    if kind == "metadata":
        return genuine.replace_schema_metadata({"files": draw(st.binary(max_size=20)), "pandas": draw(st.binary())})
    if kind == "rows":
        rows = draw(st.lists(st.integers(0, genuine.num_rows - 1), max_size=4)) if genuine.num_rows else []
        return genuine.take(pa.array(rows, pa.int64()))
    name = draw(st.sampled_from(genuine.column_names))
    if kind == "drop":
        return genuine.drop_columns([name])
    types = [st.integers(-5, 2**60), st.floats(), TEXTS, st.none(), st.booleans(), st.lists(st.integers(0, 3))]
    column = draw(st.lists(draw(st.sampled_from(types)), min_size=genuine.num_rows, max_size=genuine.num_rows))
    if kind == "add":
        return genuine.append_column(draw(TEXTS), pa.array(column))
    return genuine.set_column(genuine.column_names.index(name), name, pa.array(column))


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def with_checksum(data: bytes, in_footer: bool) -> bytes:
    """The bytes of a file with the right checksum, if it names one: whoever changes a file can do that, too."""
    unsigned = re.sub(rb"file-sha256:[0-9a-f]{64}", checksums.UNKNOWN.encode(), data)
    return checksums.with_checksum(unsigned, in_footer) if checksums.UNKNOWN.encode() in unsigned else data


def changed_file(draw: Callable, path: Path, genuine: bytes) -> bytes:
    """Other content of a file of a results folder, whose form may be the right one."""
    if draw(st.integers(0, 2)) == 0:
        return changed_bytes(draw, genuine)
    if path.suffix == ".json":
        return json.dumps(changed_value(draw, json.loads(genuine))).encode()
    if path.suffix == ".parquet":
        table = changed_table(draw, pq.read_table(pa.BufferReader(genuine)))
        return with_checksum(parquet_bytes(table), in_footer=True)
    if path.suffix == ".safetensors":
        size = int.from_bytes(genuine[:8], "little")
        header = json.dumps(changed_value(draw, json.loads(genuine[8 : 8 + size]))).encode()
        data = len(header).to_bytes(8, "little") + header + genuine[8 + size :]
        return with_checksum(data, in_footer=False)
    return yaml_text.dumps(changed_value(draw, yaml_text.loads(genuine.decode()))).encode(errors="surrogatepass")


#: What `bth export` reads and writes.
EXPORTS: list[Callable[[Genuine], Any]] = [
    lambda genuine: write_csv_files(load_results(str(genuine.root)), genuine.root.parent / "csv"),
    lambda genuine: write_event_files(load_results(str(genuine.root)), genuine.root.parent / "events", replace=True),
    lambda genuine: list(exported_runs(load_results(str(genuine.root)))),
]
#: What commands read from a results folder.
READINGS: list[Callable[[Genuine], Any]] = [
    lambda genuine: check_files(genuine.folder),
    lambda genuine: read_spec(genuine.folder),
    lambda genuine: lease.holder(genuine.folder),
    lambda genuine: provenance.read_entries(genuine.folder),
    lambda genuine: load_results(str(genuine.root)).runs,
    lambda genuine: load_results(str(genuine.root)).measures,
    lambda genuine: load_results(str(genuine.root)).table(),
    lambda genuine: load_results(str(genuine.root)).configurations(),
    lambda genuine: load_results(str(genuine.root)).network(genuine.run_id),
    *EXPORTS,
]


#: The same for a folder of watched runs.
READINGS_OF_WATCHED: list[Callable[[Genuine], Any]] = [
    lambda genuine: load_results(str(genuine.root)).table(),
    lambda genuine: load_results(str(genuine.root)).configurations(),
    lambda genuine: watched_runs(genuine.folder),
    *EXPORTS,
]


READ = "read"
#: Kinds of refusals, and what their lines contain; the first one that fits counts.
KINDS = {
    "its checksum is wrong": "checksum is wrong",
    "cut short": "cut short",
    "not UTF-8": "codec can't decode",
    "not YAML": "not YAML",
    "not JSON": "(char ",
    "not Parquet": "arquet",
    "an unknown key": "unknown key",
    "something is missing": "missing",
    "a value that is not allowed": "expected",
    "of another form": "not a file of this project",
}
OTHER = "others"


def outcome(load: Callable[[], Any]) -> str:
    """Return `READ`, or the kind of the refusal, whose line is one, and says something. Any other error is raised."""
    try:
        load()
    except BadInput as error:
        line = str(error)
        assert line.strip() and "\n" not in line, line
        return next((kind for kind, words in KINDS.items() if words in line), OTHER)
    return READ


def spec(draw: Callable, genuine: Genuine) -> str:
    path = genuine.root.parent / "sweep-of-a-stranger.yaml"
    if draw(st.booleans()):
        data = changed_bytes(draw, yaml_text.dumps(SPEC).encode())
    else:
        text = yaml_text.dumps(changed_value(draw, changed_value(draw, SPEC)))
        data = text.encode(errors="surrogatepass")
    path.write_bytes(data)
    return outcome(lambda: load_spec(str(path)))


def manifest(draw: Callable, genuine: Genuine) -> str:
    path = draw(st.sampled_from(genuine.named("manifest.json")))

    def load() -> None:
        for cohort_id in cohort_ids(genuine.folder):
            read = Manifest.read(genuine.folder, cohort_id)
            assert len(read.configs) == len(read.run_ids)
            assert not read.finished(genuine.folder) or read.runs

    return with_replaced(draw, genuine, path, lambda: outcome(load))


def plan(draw: Callable, genuine: Genuine) -> str:
    path = draw(st.sampled_from(genuine.named("plan/")))
    results = load_results(str(genuine.root))
    return with_replaced(draw, genuine, path, lambda: outcome(lambda: results.planned))


def results(draw: Callable, genuine: Genuine) -> str:
    path = draw(st.sampled_from(genuine.files))
    reading = draw(st.sampled_from(READINGS))
    return with_replaced(draw, genuine, path, lambda: outcome(lambda: reading(genuine)))


def watched(draw: Callable, genuine: Genuine) -> str:
    path = draw(st.sampled_from(genuine.watched.files))
    reading = draw(st.sampled_from(READINGS_OF_WATCHED))
    return with_replaced(draw, genuine.watched, path, lambda: outcome(lambda: reading(genuine.watched)))


def table(draw: Callable, genuine: Genuine) -> str:
    """Anybody's table of models, as `bth judge` reads it."""
    original = pq.read_table(genuine.named("runs/")[0])
    ending = draw(st.sampled_from([".csv", ".parquet"]))
    path = genuine.root.parent / f"table-of-a-stranger{ending}"
    data = parquet_bytes(original) if ending == ".parquet" else original.to_pandas().to_csv().encode()
    if ending == ".parquet" and draw(st.booleans()):
        data = parquet_bytes(changed_table(draw, original))
    else:
        data = changed_bytes(draw, data)
    path.write_bytes(data)
    return outcome(lambda: read_table(path))


def with_replaced(draw: Callable, genuine: Genuine, path: Path, load: Callable[[], str]) -> str:
    """Load with other content in one file, and put the genuine content back."""
    path.write_bytes(changed_file(draw, path, genuine.contents[path]))
    try:
        return load()
    finally:
        path.write_bytes(genuine.contents[path])


LOADERS = {
    "spec": spec,
    "manifest": manifest,
    "plan": plan,
    "results": results,
    "watched": watched,
    "table": table,
}
