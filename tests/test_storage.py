import errno
import json
import os
import stat

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem

from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import (
    Manifest,
    ManifestRun,
    cohort_of_run,
    finished_runs,
    read_cohorts,
    superseded,
)

READERS = {"a.parquet": Folder.read_table, "a.safetensors": Folder.read_tensors, "a.json": Folder.read_json}


@pytest.fixture(params=["local", "object store"])
def folder(request, tmp_path) -> Folder:
    """The same on a disk and on a file system without folders."""
    found = Folder(tmp_path / "results")
    if request.param == "object store":
        handler = pyarrow.fs.FSSpecHandler(MemoryFileSystem())
        found.local, found.fs = False, pyarrow.fs.PyFileSystem(handler)
        found.root = found.uri = f"bucket/{tmp_path.name}"
    return found


def fill(folder: Folder) -> None:
    folder.write_table("a.parquet", pa.table({"x": list(range(1000))}))
    folder.write_tensors("a.safetensors", {"w": torch.arange(6.0).view(2, 3)}, {"run_id": ["a", "b"], "path": [0.1]})
    folder.write_json("a.json", {"x": [1, None]})


def test_what_is_written_is_read_back(folder):
    fill(folder)
    assert folder.names() == ["a.json", "a.parquet", "a.safetensors"]
    assert folder.read_table("a.parquet")["x"].to_pylist() == list(range(1000))
    tensors, about = folder.read_tensors("a.safetensors")
    assert tensors["w"].tolist() == [[0, 1, 2], [3, 4, 5]] and about == {"run_id": ["a", "b"], "path": [0.1]}
    assert folder.read_json("a.json") == {"x": [1, None]}


@pytest.mark.parametrize("columns", [["y"], ["x", "y"]])
def test_a_table_without_the_columns_that_are_read_is_refused(tmp_path, columns):
    Folder(tmp_path).write_table("a.parquet", pa.table({"x": [1]}))
    with pytest.raises(BadInput, match='damaged or not a file of this project .*"y" does not exist'):
        Folder(tmp_path).read_table("a.parquet", columns)


def test_a_table_with_a_column_twice_is_refused(tmp_path):
    pq.write_table(pa.table([[1], [2]], ["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match='damaged or not a file of this project .*"x" exists 2 times'):
        Folder(tmp_path).read_table("a.parquet")


def test_folders_below_delete_and_absence(folder):
    (folder / "cohorts" / "c").write_json("manifest.json", {})
    assert folder.exists("cohorts/c/manifest.json") and cohort_ids(folder) == ["c"]
    folder.delete("cohorts/c/manifest.json")
    folder.delete("cohorts/c/manifest.json")
    assert not folder.exists("cohorts/c/manifest.json") and folder.names("nowhere") == []


def test_a_missing_file_is_one_line_with_its_path(folder):
    for name, read in READERS.items():
        with pytest.raises(BadInput, match=f"{folder.uri}/{name}: no such file"):
            read(folder, name)


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 40, b"PAR1"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_or_foreign_file_is_one_line_with_its_path(folder, name, content):
    folder.write(name, content)
    with pytest.raises(BadInput) as refused:
        READERS[name](folder, name)
    assert str(refused.value).startswith(f"{folder.uri}/{name}: damaged") and "\n" not in str(refused.value)


@pytest.mark.parametrize("header", [b"null", b"[1]", b"{", b'{"__metadata__": {"run_id": "a"}}', b'{"w": 1}'])
def test_a_header_that_says_something_else_is_refused(tmp_path, header):
    folder = Folder(tmp_path)
    folder.write("a.safetensors", len(header).to_bytes(8, "little") + header)
    with pytest.raises(BadInput, match="a.safetensors: damaged"):
        folder.read_tensors("a.safetensors")


@pytest.mark.parametrize("cut", [1, 7, 9, -5, -25])
@pytest.mark.parametrize("name", READERS)
def test_a_file_cut_anywhere_is_refused(tmp_path, name, cut):
    folder = Folder(tmp_path)
    fill(folder)
    whole = folder.read(name)
    folder.write(name, whole[:cut])
    with pytest.raises(BadInput, match="damaged"):
        READERS[name](folder, name)


@pytest.mark.parametrize("name", ["a.parquet", "a.safetensors"])
def test_a_flipped_bit_is_found_by_the_checksum(folder, name):
    fill(folder)
    whole = folder.read(name)
    label = range(whole.index(b"file-sha256:"), whole.index(b"file-sha256:") + len(b"file-sha256:"))
    for place in range(0, len(whole), 41):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        folder.write(name, bytes(changed))
        if place in label:  # then it is a file without a checksum, of the same values
            continue
        with pytest.raises(BadInput, match=f"{name}: damaged"):
            READERS[name](folder, name)
        if folder.local:
            with pytest.raises(BadInput, match=f"{name}: damaged"):
                folder.check(name)


def test_a_write_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.write("kept.json", b"old")

    def disk_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    for call in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, disk_full)
            for name in ("kept.json", "new.json"):
                with pytest.raises(OSError, match="no space left"):
                    folder.write(name, b"half")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
    assert (tmp_path / "kept.json").read_bytes() == b"old"


def test_file_is_synced_before_it_is_renamed_and_its_folder_afterwards(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor: int) -> None:
        calls.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def record_replace(source, target) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    Folder(tmp_path).write("a/b.json", b"{}")
    assert calls == ["fsync file", "rename", "fsync folder"]


def test_unfinished_files_are_not_listed(tmp_path):
    (tmp_path / ".0123abcd").write_bytes(b"half")
    assert Folder(tmp_path).names() == []


def test_nothing_in_a_folder_of_results_is_unpickled(cohort):
    trained = cohort("c", [{"model": {"width": 4}, "stop": {"max_epochs": 1}}]).train()
    root = trained.files.folder.root
    found = pyarrow.fs.LocalFileSystem().get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
    kinds = {info.extension for info in found if info.is_file}
    assert kinds == {"json", "parquet", "safetensors"}


# Manifests.


def manifest(folder: Folder, **record) -> Manifest:
    configs = (
        RunConfig.parse({"prune": {"fraction": 0.5}, "stop": {"train_loss": None}}),
        RunConfig.parse({"model": {"family": "module", "path": "a:B", "arguments": {"x": {"y": [1, 2.5, None]}}}}),
        RunConfig.parse({"init": {"scheme": "normal", "std": 1}, "precision": "float64", "seed": 2**40}),
    )
    made = Manifest.of("c", configs, ("run", "parent", "run"), ("p", "q"), RecordConfig(**record))
    made.write(folder)
    return made


@pytest.mark.parametrize("record", [{}, {"epochs": [1, 5], "measure_at": "checkpoints"}, {"also": [3]}])
def test_a_manifest_is_read_back(folder, record):
    made = manifest(folder, **record)
    assert Manifest.read(folder, "c") == made
    assert Manifest.read(folder, "c").run_ids == made.run_ids
    assert read_cohorts(folder) == ([made], [set()])
    assert cohort_of_run([made], [set()]) == dict.fromkeys(made.run_ids, 0)
    assert not made.finished(folder)


LITTLE, MORE, OTHER = RecordConfig(epochs=[1]), RecordConfig(epochs=[1, 2]), RecordConfig(epochs=[3], steps=[7])


@pytest.mark.parametrize(
    ("records", "ended", "expected"),
    [
        ([LITTLE, MORE], ["", ""], []),
        ([LITTLE, MORE], ["ab", ""], []),
        ([LITTLE, MORE], ["ab", "a"], []),
        ([LITTLE, MORE], ["", "ab"], [0]),
        ([LITTLE, MORE], ["ab", "ab"], [0]),
        ([MORE, LITTLE], ["ab", "ab"], [1]),
        ([LITTLE, OTHER], ["ab", "ab"], []),
        ([LITTLE, LITTLE], ["ab", "ab"], [1]),
        ([LITTLE, MORE, OTHER], ["ab", "ab", ""], [0]),
    ],
)
def test_a_cohort_is_superseded_when_all_its_runs_have_ended_elsewhere_with_its_records(records, ended, expected):
    values = RunConfig.parse({"stop": {"max_epochs": 9}}).model_dump(mode="json")
    runs = tuple(ManifestRun(run_id, "run", values) for run_id in "ab")
    cohorts = [Manifest(str(number), runs, record=record) for number, record in enumerate(records)]
    assert superseded(cohorts, ended) == set(expected)


def spoil(folder: Folder, change) -> None:
    manifest(folder)
    files = CohortFiles(folder, "c")
    value = files.folder.read_json(paths.MANIFEST)
    files.folder.write_json(paths.MANIFEST, change(value) or value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda value: [1], "damaged or not a file of this project"),
        (lambda value: {"runs": []}, "damaged or not a file of this project"),
        (lambda value: value["runs"][0].pop("config") and None, "damaged or not a file of this project"),
        (lambda value: value["runs"][0]["config"].update(sede=1), "sede: unknown key; did you mean 'seed'?"),
        (lambda value: value["runs"][0]["config"].update(seed=1), "its run ids are of another version"),
        (lambda value: value.update(algorithm=0), "its run ids are of another version"),
        (lambda value: value["record"].update(epochs=3), "record.epochs = 3: expected 'log' or a list"),
    ],
)
def test_a_foreign_manifest_is_one_line_with_its_path(tmp_path, change, line):
    spoil(Folder(tmp_path), change)
    with pytest.raises(BadInput) as refused:
        _ = Manifest.read(Folder(tmp_path), "c").configs
    assert "c/manifest.json" in str(refused.value) and line in str(refused.value)


def test_foreign_files_where_runs_are_looked_up_are_refused(tmp_path):
    folder = Folder(tmp_path)
    spoil(folder, lambda value: {"name": "something else"})
    with pytest.raises(BadInput, match=r"c/manifest.json: damaged or not a file of this project"):
        read_cohorts(folder)
    (tmp_path / "cohorts/c/runs").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "cohorts/c/runs/00000.parquet")
    with pytest.raises(BadInput, match=r"c/runs/00000.parquet: damaged or not a file of this project"):
        finished_runs(folder, "c")


def test_json_is_readable(tmp_path):
    Folder(tmp_path).write_json("a.json", {"x": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
