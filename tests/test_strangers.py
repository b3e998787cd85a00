"""Results and specs of strangers: nothing in them is executed, and no path in them leads out of their folder."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import typer
from loader_cases import SPEC, Genuine, parquet_bytes, with_checksum
from torch import nn
from typer.testing import CliRunner

from benevolent import watch
from benevolent.analysis import load_results
from benevolent.analysis.measures.missing_measures import MeasureJob
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.analysis.trackers import write_event_files
from benevolent.orchestrator import lease
from benevolent.orchestrator.cli.console import exit_if_failed, print_error, print_item
from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.stored_spec import spec_text
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import attempts, file_formats, paths, turns
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.file_formats import parse_json
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import check_files
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters

OUTSIDE = ["../x", "/etc/x", "a/../../x", "a\0b"]


@pytest.fixture
def results(tmp_path) -> Folder:
    return Folder(tmp_path / "results")


@pytest.mark.parametrize("tag", ["python/object/apply:os.system", "python/name:os.system", "include"])
def test_a_tag_of_yaml_makes_nothing(tmp_path, tag):
    spec = tmp_path / "sweep.yaml"
    spec.write_text(f"name: !!{tag} [touch {tmp_path}/made]\n")
    with pytest.raises(BadInput, match="sweep.yaml"):
        load_spec(str(spec))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_leads_nowhere_else(results, path):
    attempted = [results.read, results.exists, results.names, results.delete, results.check, results.__truediv__]
    attempted += [lambda path: results.write(path, b""), lambda path: results.create_json(path, 1)]
    for attempt in attempted:
        with pytest.raises(BadInput, match="leads out of the folder"):
            attempt(path)


def test_a_link_leads_nowhere_else_and_the_folder_itself_may_be_one(results, tmp_path):
    results.write("a.json", b"1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "results" / "cohorts").symlink_to(outside)
    with pytest.raises(BadInput, match="leads out of the folder"):
        results.write("cohorts/c/state/state.safetensors", b"")
    assert list(outside.iterdir()) == []
    (tmp_path / "link").symlink_to(tmp_path / "results")
    assert Folder(tmp_path / "link").read("a.json") == b"1"


@pytest.mark.parametrize("name", ["/../../../x", "../x", "2/x", None, ["2"]])
def test_the_name_of_an_attempt_becomes_no_path(results, name):
    cohort = results / paths.cohort("c")
    cohort.write_json(f"{paths.ATTEMPTS}/00001.json", {"name": name, "kept": []})
    with pytest.raises(BadInput, match="00001.json: damaged"):
        attempts.latest_attempt(cohort)


def test_a_cohort_that_is_waited_for_is_in_the_folder(results):
    results.write_json(f"{paths.cohort('c')}/{paths.MANIFEST}", {"runs": [{}], "waits_for": ["../../x"]})
    with pytest.raises(BadInput, match="manifest.json: damaged"):
        Manifest.read(results, "c")
    with pytest.raises(BadInput, match="leads out of the folder"):
        CohortFiles(results, "../../x")


DEEP = "[" * 100_000
#: Each level of aliases stands for ten times the values of the level before.
LEVELS = range(1, 12)
ALIASES = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in LEVELS)
MERGES = "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in LEVELS)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"a: {DEEP[:3000]}", "nested too deeply"),
        ("a: &a [*a]", "nested too deeply, or within itself"),
        (f"a0: &a0 [1, 2]\n{ALIASES}", "more than 1,000,000 values"),
        (f"a0: &a0 {{x: 1}}\n{MERGES}", "more than 1,000,000 values"),
        (f"a: 0x{'f' * 10_000}", "not YAML: Exceeds the limit"),
        ("a: !!bool x", "not YAML"),
        ('a: {b: "\\ud800"}', "not YAML: .*utf-16"),
        ('"\\ud800": 1', "not YAML: .*utf-16"),
        ("a: !!set {x, y}", "line 1: not YAML: could not determine a constructor"),
        ("a:\n  ? [x, y]\n  : 1", "line 2: expected a name as a key"),
    ],
)
def test_yaml_that_is_more_than_it_seems_is_refused_at_once(text, line):
    with pytest.raises(BadInput, match=line):
        yaml_text.loads(text)


@pytest.fixture(scope="module")
def genuine(tmp_path_factory) -> Genuine:
    return Genuine(tmp_path_factory.mktemp("stranger") / "results")


@pytest.fixture
def changed(genuine):
    """The genuine folder, of which a test may change the files that there were."""
    yield genuine
    for path, content in genuine.contents.items():
        path.unlink(missing_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("file", ["manifest.json", "provenance.json", "attempts/", "stacks.json", "final/"])
def test_values_nested_too_deeply_are_refused_in_one_line(changed, file):
    path = changed.named(file)[0]
    header = f'{{"a": {DEEP}'.encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header if file == "final/" else DEEP.encode())
    with pytest.raises(BadInput, match="nested too deeply"):
        check_files(changed.folder)
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(DEEP)


@pytest.mark.parametrize("file", ["manifest.json", "runs/", "final/"])
def test_a_pipe_from_which_nothing_comes_is_not_a_file(changed, file):
    path = changed.named(file)[0]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadInput, match="it is not a file"):
        check_files(changed.folder)


def test_used_space_is_of_the_folder_and_not_of_what_links_lead_to(genuine, tmp_path):
    before = genuine.folder.used_bytes()
    sizes = {ending: 0 for ending in (".json", ".safetensors")}
    for path, content in genuine.contents.items():
        if path.suffix in sizes:
            sizes[path.suffix] += len(content)
    assert before.total() > sum(sizes.values()) and {ending: before[ending] for ending in sizes} == sizes
    (tmp_path / "big.json").write_bytes(bytes(1000))
    link = genuine.root / "link"
    for target in (tmp_path, genuine.root, tmp_path / "big.json"):
        link.symlink_to(target)
        assert genuine.folder.used_bytes() == before
        link.unlink()


@pytest.mark.parametrize("value", [[], {}, {"traceback": [1]}, {"traceback": " "}])
def test_a_failure_that_says_nothing_is_damaged(changed, value):
    path = changed.named("manifest.json")[0].with_name("failure.json")
    path.write_text(json.dumps(value))
    with pytest.raises(BadInput, match="failure.json: damaged"):
        check_files(changed.folder)
    path.unlink()


@pytest.mark.parametrize(
    "change", [{"since": "x"}, {"since": 1e300}, {"since": float("nan")}, {"sign": None}, {"process": 1.5}]
)
def test_a_lease_whose_values_have_other_types_is_damaged(results, change):
    value = lease.Holder.this_process("bth run")._asdict()
    (results / paths.LEASE).write_json("00001.json", value)
    assert str(lease.holder(results)).startswith("`bth run` on ")
    (results / paths.LEASE).write_json("00001.json", value | change)
    with pytest.raises(BadInput, match="damaged"):
        lease.holder(results)


def test_status_shows_what_results_say_as_text(changed):
    """No markup of the terminal's library, which ends in an error if it is wrong, and no control characters."""
    manifest = changed.named("manifest.json")[0]
    value = json.loads(manifest.read_text())
    for run in value["runs"]:
        run["role"] = "[/x]\x1b[31m"
    manifest.write_text(json.dumps(value))
    for path in changed.named("runs/"):
        if "cohorts" in path.parts:
            table = Folder(path.parent).read_table(path.name)
            column = pa.array(["[bold]\x1b[31m"] * len(table))
            data = parquet_bytes(table.set_column(table.column_names.index("status"), "status", column))
            path.write_bytes(with_checksum(data, in_footer=True))
    for path in changed.named("plan/"):
        path.unlink()
    shown = CliRunner().invoke(app, ["status", str(changed.root)], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert "[bold]\N{REPLACEMENT CHARACTER}[31m" in shown.stdout and "\x1b" not in shown.stdout


def test_lines_about_results_hold_no_control_characters(capsys):
    print_item("varied: \x1b[31m[/x]")
    print_error("\x1b[31m[/x]")
    with pytest.raises(typer.Exit):
        exit_if_failed(["\x1b[31m[/x]"])
    printed = capsys.readouterr()
    mark = "\N{REPLACEMENT CHARACTER}[31m[/x]"
    assert printed.out == f"varied: {mark}\n"
    assert printed.err == f"error: {mark}\nfailed: {mark}\n"


def test_a_plan_whose_columns_hold_lists_is_damaged(changed):
    for path in changed.named("plan/runs"):
        table = Folder(path.parent).read_table(path.name)
        column = pa.array([[1, 2]] * len(table))
        place = table.column_names.index("optimizer.lr")
        path.write_bytes(with_checksum(parquet_bytes(table.set_column(place, "optimizer.lr", column)), in_footer=True))
    with pytest.raises(BadInput, match=r"optimizer\.lr has values that are lists"):
        load_results(changed.root).table()


def test_a_report_imports_no_measure_that_the_results_name(changed, tmp_path, monkeypatch):
    made = tmp_path / "made"
    (tmp_path / "of_a_stranger.py").write_text(f"open({str(made)!r}, 'w')\ndef mine(network): return 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = SweepSpec.parse(SPEC | {"record": {"measures": ["parameter_norm", "of_a_stranger:mine"]}})
    (changed.root / paths.SPEC).write_text(spec_text(spec))
    for command in (["report", str(changed.root)], ["compare", str(changed.root), str(changed.root)]):
        CliRunner().invoke(app, command)
    assert not made.exists()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"phase": ["x"]}, "different numbers of networks"),
        ({"phase": 3}, "different numbers of networks"),
        ({"step": ["x", "y"]}, "step is missing, or of another type"),
        ({"run_id": [["x"], ["y"]]}, "run_id is missing, or of another type"),
    ],
)
def test_parameters_of_other_networks_than_their_metadata_say_are_damaged(results, change, line):
    metadata = {"run_id": ["a", "b"], "phase": ["train"] * 2, "step": [1, 1]}
    results.write_tensors("a.safetensors", {"w": torch.zeros(2, 3)}, metadata)
    assert read_parameters(results, "a.safetensors").run_ids == ["a", "b"]
    results.write_tensors("a.safetensors", {"w": torch.zeros(2, 3)}, metadata | change)
    with pytest.raises(BadInput, match=line):
        read_parameters(results, "a.safetensors")


def test_metadata_that_are_no_text_are_damaged(changed):
    header = b'{"__metadata__": {"phase": ["x"]}}'
    for path in changed.named("final/"):
        path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(BadInput, match="damaged"):
        load_results(changed.root).network(changed.run_id)


def test_parameters_of_runs_that_are_not_of_the_cohort_are_not_measured(changed):
    one, other = changed.named("final/")
    one.write_bytes(changed.contents[other])
    job = MeasureJob(one.parts[-3], "/".join(one.parts[-2:]), ("parameter_norm",), "measures/new.parquet")
    with pytest.raises(BadInput, match="is not of this cohort"):
        measure_file(changed.folder, job)


@pytest.mark.parametrize("name", ["7.json", "00007", "\u0663.json"])
def test_a_file_that_is_no_turn_does_not_count(results, name):
    turns.take(results, 1, "mine")
    results.write_json(name, "a stranger's")
    assert turns.latest(results) == turns.Turn(1, "mine")


@pytest.fixture
def watched(tmp_path) -> Path:
    """A folder in which `watch` has recorded two runs."""
    folder = tmp_path / "watched"
    for seed in (0, 1):
        module = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        with watch(module, optimizer, 1, save_to=folder, config={"lr": 0.1}, seed=seed) as path:
            for _ in range(2):
                loss = module(torch.ones(1, 2)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                path.step(loss)
        path.finish(test_loss=loss, test_error=0.5, train_loss=loss, train_error=0.5)
    return folder


def with_run_id(cohort: Path, run_id: str) -> None:
    """Give the run of a watched cohort another id, in every file."""
    manifest = cohort / paths.MANIFEST
    value = json.loads(manifest.read_text())
    value["runs"][0]["run_id"] = run_id
    manifest.write_text(json.dumps(value))
    for path in cohort.glob("*/*.parquet"):
        with_column(path, "run_id", run_id)


def with_column(path: Path, name: str, value: object) -> None:
    """Give all rows of a parquet file one value in a column."""
    table = Folder(path.parent).read_table(path.name)
    place = table.column_names.index(name)
    column = pa.array([value] * len(table), table.schema.field(name).type)
    path.write_bytes(with_checksum(parquet_bytes(table.set_column(place, name, column)), in_footer=True))


@pytest.mark.parametrize("to", ["tensorboard", "csv"])
def test_an_export_writes_and_deletes_nothing_outside_its_folder(watched, tmp_path, to):
    """The id of a run is the name of its folder there; `--replace` deletes the one that was there before."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("mine")
    cohort = sorted(watched.glob("cohorts/*"))[0]
    options = ["--replace"] if to == "tensorboard" else []
    words = ["export", str(watched), "--to", to, "--out", str(tmp_path / "out"), *options]
    for run_id in (str(victim), "../victim", ".."):
        with_run_id(cohort, run_id)
        refused = CliRunner().invoke(app, words)
        assert isinstance(refused.exception, BadInput) and "is no id" in str(refused.exception)
        assert (victim / "file").read_text() == "mine" and not (tmp_path / "out").exists()
    with_run_id(cohort, "0" * 16)
    assert CliRunner().invoke(app, words).exit_code == 0
    assert [path for path in tmp_path.rglob("*") if "0" * 16 in path.name] == (
        [tmp_path / "out" / ("0" * 16)] if to == "tensorboard" else []
    )


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("config", None, "config: None is no mapping"),
        ("config", ["lr"], "is no mapping"),
        ("config", {"lr": [1]}, "'lr' is of type list"),
        ("config", {"lr": math.inf}, "expected a finite number"),
        ("config", {"lr": 2**70}, "more than 64 bits"),
        ("config", {"run_id": "x"}, "is the name of a column"),
        ("config", {"lr": "\ud800"}, "surrogates not allowed"),
        ("seed", "0", "expected an integer"),
        ("seed", 2**70, "expected an integer of 64 bits"),
        ("configuration", "../../x", "is no id"),
    ],
)
def test_what_a_manifest_says_of_a_watched_run_is_what_watch_writes(watched, key, value, line):
    manifest = sorted(watched.glob("cohorts/*/manifest.json"))[0]
    stored = json.loads(manifest.read_text())
    del stored["runs"][0]["config"][key]
    without = json.dumps(stored)
    stored["runs"][0]["config"][key] = value
    for text in (without, json.dumps(stored)):
        manifest.write_text(text)
        with pytest.raises(BadInput, match="manifest.json"):
            _ = load_results(watched).runs
    with pytest.raises(BadInput, match=line):
        _ = load_results(watched).runs


def test_runs_that_a_manifest_does_not_name_are_damaged(watched):
    path = sorted(watched.glob("cohorts/*/runs/*"))[0]
    with_column(path, "run_id", "0" * 16)
    with pytest.raises(BadInput, match="a run is not of this cohort"):
        _ = load_results(watched).runs


@pytest.mark.parametrize(
    ("table", "column"), [("runs", "status"), ("dynamics", "name"), ("dynamics", "step"), ("outcomes", "split")]
)
def test_a_row_that_does_not_say_what_it_is_about_is_damaged(watched, table, column):
    with_column(sorted(watched.glob(f"cohorts/*/{table}/*"))[0], column, None)
    with pytest.raises(BadInput, match=f"a row has no {column}"):
        load_results(watched).table()


@pytest.mark.parametrize("name", ["run_id", "status", "lr"])
def test_a_statistic_has_no_name_of_another_column(watched, name):
    for path in watched.glob("cohorts/*/dynamics/*"):
        with_column(path, "name", name)
    with pytest.raises(BadInput, match=f"watched: a statistic or measure has the name '{name}'"):
        load_results(watched).table()


def test_more_names_in_a_config_than_can_be_judged_are_refused_at_once(watched):
    manifest = sorted(watched.glob("cohorts/*/manifest.json"))[0]
    value = json.loads(manifest.read_text())
    value["runs"][0]["config"]["config"] = {f"n{number}": number for number in range(3000)}
    manifest.write_text(json.dumps(value))
    refused = CliRunner().invoke(app, ["report", str(watched)])
    assert str(refused.exception) == "axes: 3,001 columns; at most 500 can be judged"


def test_a_run_of_which_nothing_was_recorded_is_exported(watched, tmp_path):
    cohort = sorted(watched.glob("cohorts/*"))[0]
    for table in ("dynamics", "outcomes"):
        for path in (cohort / table).iterdir():
            rows = Folder(path.parent).read_table(path.name)
            path.write_bytes(with_checksum(parquet_bytes(rows.slice(0, 0)), in_footer=True))
    assert write_event_files(load_results(watched), tmp_path / "out") == (2, 0)


def test_a_folder_named_by_other_bytes_than_text_is_refused(watched):
    os.mkdir(os.fsencode(watched / paths.COHORTS) + b"/\xff")
    with pytest.raises(BadInput, match="cohorts: damaged"):
        _ = load_results(watched).runs


@pytest.mark.parametrize("with_schema", [True, False])
def test_a_small_parquet_file_that_fills_the_memory_is_refused(results, monkeypatch, with_schema):
    """A file says with a few bytes that a value is there a million times."""
    monkeypatch.setattr(file_formats, "machine_memory_bytes", lambda: 20_000_000)
    bombs = {
        "numbers": pa.array([1.0]),
        "long texts": pa.array(["x" * 1_000_000]),
        "long bytes": pa.array([b"x" * 1_000_000]),
        "short texts": pa.array(["x"]),
    }
    for name, value in bombs.items():
        times = 100 if name.startswith("long") else 10_000_000
        column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int32)), value)
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"name": column}), sink, compression="zstd", store_schema=with_schema)
        data = sink.getvalue().to_pybytes()
        assert len(data) < 200_000
        results.write("a.parquet", data)
        with pytest.raises(BadInput, match="rows would fill this machine's memory"):
            results.read_table("a.parquet")
    for long in (["x" * 1_000_000], {"one": ["x" * 1_000_000]}):  # a text in a list, or deeper
        pq.write_table(pa.table({"name": [long] * 100}), sink := pa.BufferOutputStream(), store_schema=with_schema)
        results.write("a.parquet", sink.getvalue().to_pybytes())
        with pytest.raises(BadInput, match="rows would fill this machine's memory"):
            results.read_table("a.parquet")
    texts = pa.table({"name": ["a", None, "a" * 300_000], "other": [["x"], [], None], "name.of": [1, 2, 3]})
    results.write_table("a.parquet", texts)
    read = results.read_table("a.parquet")
    assert read.schema.equals(texts.schema) and read.equals(texts)
