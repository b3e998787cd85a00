"""Planning of missing measures: no measure is computed twice, and errors are retried."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from benevolent.analysis import load_results
from benevolent.analysis.measures import MEASURES, Measure
from benevolent.analysis.measures.missing_measures import ExistingMeasures, MeasureJob
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.trainables.store.folder import Folder

SMALL = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}
FILES = ["checkpoints/train-00000000.safetensors", "final/00001.safetensors"]


@pytest.fixture
def results(cohort, tmp_path) -> Folder:
    """Two runs of two epochs that have ended, with their parameters at the start and at the end."""
    stop = {"train_loss": None, "max_epochs": 2}
    files = cohort("c", [SMALL | {"seed": seed, "stop": stop} for seed in range(2)]).train().files
    assert set(FILES) <= set(files.parameter_files())
    return Folder(tmp_path)


@pytest.fixture
def register(monkeypatch):
    """`register(name, function)`: a measure of that name for the length of a test."""

    def add(name: str, function, **keywords) -> None:
        function.__name__ = name
        monkeypatch.setitem(MEASURES, name, Measure(function, 1, "none", "nowhere", **keywords))

    return add


def missing(results: Folder, *measures: str, parameters: str = FILES[1]) -> MeasureJob | None:
    return ExistingMeasures(results).missing("c", parameters, measures)


def measure(results: Folder, *measures: str) -> MeasureJob:
    job = missing(results, *measures)
    assert job and not results.exists(job.output)
    assert measure_file(results, job).networks == 2
    return job


def test_nothing_is_measured_twice(results):
    measure(results, "parameter_norm", "path_norm", "spectral_sum")
    assert missing(results, "spectral_sum") is None and missing(results, "path_norm", "parameter_norm") is None
    assert missing(results) is None
    assert missing(results, "path_norm", parameters=FILES[0]).measures == ("path_norm",)


def test_a_new_measure_computes_only_itself(results):
    measure(results, "path_norm")
    assert measure(results, "parameter_norm", "path_norm").measures == ("parameter_norm",)
    assert sorted(load_results(results).measures["name"]) == ["parameter_norm"] * 2 + ["path_norm"] * 2


def test_a_raised_version_recomputes_only_its_rows(results, monkeypatch):
    measure(results, "parameter_norm", "frobenius_sum")
    now = MEASURES["frobenius_sum"].version
    monkeypatch.setitem(MEASURES, "frobenius_sum", replace(MEASURES["frobenius_sum"], version=now + 1))
    assert measure(results, "parameter_norm", "frobenius_sum").measures == ("frobenius_sum",)
    assert load_results(results).measures.groupby("name")["version"].unique().map(list).to_dict() == {
        "parameter_norm": [1],
        "frobenius_sum": [now + 1],
    }
    monkeypatch.setitem(MEASURES, "frobenius_sum", replace(MEASURES["frobenius_sum"], version=now))
    assert missing(results, "frobenius_sum") is None  # a lower version would lose on reading


def test_errors_are_retried_in_new_files(results, register):
    def failing(network):
        raise RuntimeError("no luck")

    register("fragile", failing)
    first = measure(results, "fragile", "path_norm")
    again = measure(results, "fragile", "path_norm")
    assert again.measures == ("fragile",)
    third = missing(results, "fragile")  # the set of the second attempt once more
    assert third.output not in (first.output, again.output) and results.exists(again.output)
    register("fragile", lambda network: torch.tensor(7.0))
    measure(results, "fragile")
    table = load_results(results).measures.query("name == 'fragile'")
    assert table["status"].tolist() == ["ok"] * 2 and table["value"].tolist() == [7.0] * 2
    assert missing(results, "fragile", "path_norm") is None
    assert len(results.names("measures")) == 3


def test_one_failing_network_is_enough_for_a_retry(results, register):
    calls = []

    def fails_once(network):
        calls.append(1)
        if len(calls) == 2:  # under vmap both are one call, then each has its own
            raise RuntimeError("no luck")
        return torch.tensor(torch.nan)

    register("fragile", fails_once, undefined="it has no value")
    measure(results, "fragile")
    statuses = load_results(results).measures["status"].tolist()
    assert sorted(statuses) == ["error: RuntimeError: no luck", "undefined: it has no value"]
    assert missing(results, "fragile").measures == ("fragile",)


def test_inapplicable_and_undefined_measures_are_not_retried(results, register):
    register("nothing", lambda network: torch.tensor(torch.inf), undefined="it is infinite")
    register("elsewhere", lambda network: torch.tensor(1.0))
    MEASURES["elsewhere"] = replace(MEASURES["elsewhere"], split="moon")
    measure(results, "nothing", "elsewhere")
    statuses = load_results(results).measures.groupby("name")["status"].unique().map(list).to_dict()
    assert statuses == {
        "nothing": ["undefined: it is infinite"],
        "elsewhere": ["not applicable: needs the moon split"],
    }
    assert missing(results, "nothing", "elsewhere") is None


def test_a_run_that_moved_to_another_file_counts_as_measured(results):
    measure(results, "path_norm")
    parameters = results / "cohorts/c"
    tensors, about = parameters.read_tensors(FILES[1])
    parameters.write_tensors("final/00002.safetensors", tensors, about)
    assert missing(results, "path_norm", parameters="final/00002.safetensors") is None
    parameters.write_tensors("final/00002.safetensors", tensors, about | {"step": [9, 9]})
    assert missing(results, "path_norm", parameters="final/00002.safetensors").measures == ("path_norm",)


def test_planning_reads_each_file_of_measures_once_and_only_what_it_needs(results, monkeypatch):
    measure(results, "path_norm")
    measure(results, "parameter_norm")
    read = []
    whole = Folder.read_table

    def counted(self, path, columns=None):
        read.append((path, columns))
        return whole(self, path, columns)

    monkeypatch.setattr(Folder, "read_table", counted)
    monkeypatch.setattr(Folder, "read_tensors", lambda *arguments: pytest.fail("parameters are not read to plan"))
    measured = ExistingMeasures(results)
    jobs = [measured.missing("c", name, ["path_norm"]) for name in FILES for _ in range(3)]
    assert [bool(job) for job in jobs] == [True] * 3 + [False] * 3
    assert len(read) == 2 and all("value" not in columns and "seconds" not in columns for _, columns in read)


def test_networks_are_measured_on_their_own_inputs_and_labels(cohort, tmp_path):
    """Alone and beside runs that saw other inputs, a run has the same measures; on other inputs it has others."""
    stop = {"train_loss": None, "max_epochs": 1}
    kinds = [{}, {"pixels": "gaussian"}, {"label_corruption": 1.0, "corruption": "swap"}, {"pixels": "permuted"}]
    configs = [SMALL | {"data": SMALL["data"] | kind, "stop": stop} for kind in kinds]
    together = cohort("c", configs)
    values = {}
    for name, some in {"c": configs, **{f"alone{i}": [config] for i, config in enumerate(configs)}}.items():
        files = (together if name == "c" else cohort(name, some)).train().files
        (final,) = [path for path in files.parameter_files() if path.startswith("final/")]
        job = ExistingMeasures(Folder(tmp_path)).missing(name, final, ["normalized_train_loss", "lipschitz_mean"])
        assert measure_file(Folder(tmp_path), job).networks == len(some)
        table = Folder(tmp_path).read_table(job.output).to_pandas()
        values[name] = table.pivot(index="run_id", columns="name", values="value")
    assert list(table.columns[:3]) == ["run_id", "phase", "step"]
    for i, run_id in enumerate(together.run_ids):
        assert values["c"].loc[run_id].to_numpy() == pytest.approx(values[f"alone{i}"].loc[run_id].to_numpy(), rel=1e-4)
    assert values["c"]["normalized_train_loss"].nunique() == values["c"]["lipschitz_mean"].nunique() == 4


def test_networks_with_real_targets_are_measured_too(cohort, tmp_path):
    data = {"name": "frequency", "train_size": 20, "validation_size": 5, "test_size": 5}
    rest = {"loss": {"name": "squared"}, "optimizer": {"batch_size": 10}, "stop": {"train_loss": None, "max_epochs": 1}}
    runs = [{"data": data | {"frequency": f}, **rest} for f in (0.5, 1.0)]
    trained = cohort("c", runs).train()
    (final,) = [path for path in trained.files.parameter_files() if path.startswith("final/")]
    job = ExistingMeasures(Folder(tmp_path)).missing("c", final, ["path_norm"])
    assert measure_file(Folder(tmp_path), job).networks == 2
    network = load_results(tmp_path).network(trained.run_ids[0])
    assert network(torch.zeros(3, 10)).shape == (3, 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_measures_what_a_cpu_measures(results):
    job = missing(results)
    assert job and measure_file(results, job).networks == 2
    here = load_results(results).measures
    measure_file(results, job, device="cuda:0")  # the same file anew
    there = load_results(results).measures
    assert (here["status"] == there["status"]).all()
    torch.testing.assert_close(torch.tensor(there["value"]), torch.tensor(here["value"]), rtol=1e-3, atol=1e-4)


def test_measures_do_not_depend_on_how_the_clock_has_cut_the_files(cohort):
    """Runs stop at different steps, here all in one file, or each in its own."""
    frames = []
    for name, save_every_seconds in (("one", 1e9), ("several", 0.0)):
        stops = [{"train_loss": None, "max_epochs": epochs} for epochs in (1, 1, 2, 3)]
        configs = [SMALL | {"seed": seed, "stop": stop} for seed, stop in enumerate(stops)]
        trained = cohort(name, configs)
        assert trained.start(save_every_seconds).advance(1e9).done
        for file in trained.files.final_files():
            measure_file(trained.results, ExistingMeasures(trained.results).missing(name, file, None))
        rows = [trained.results.read_table(f"measures/{file}") for file in trained.results.names("measures")]
        frame = pd.concat([part.to_pandas() for part in rows]).drop(columns="seconds")
        frame = frame.sort_values(["run_id", "name", "index"], ignore_index=True)
        frames.append((len(trained.files.final_files()), frame))
        for file in trained.results.names("measures"):
            trained.results.delete(f"measures/{file}")
    assert (frames[0][0], frames[1][0]) == (1, 3)
    pd.testing.assert_frame_equal(frames[0][1], frames[1][1], check_exact=True)


def test_parts_of_a_job_do_its_work(cohort):
    """Parts hold whole blocks of runs that stopped at the same step; what one has done is not asked for again."""
    stops = [{"train_loss": None, "max_epochs": epochs} for epochs in (2, 1, 2, 2, 1)]
    trained = cohort("c", [SMALL | {"seed": seed, "stop": stop} for seed, stop in enumerate(stops)]).train()
    (file,) = trained.files.final_files()
    existing = ExistingMeasures(trained.results)
    job = existing.missing("c", file, ["path_norm", "margin_mean"])
    assert existing.split(job, 2, 5) == [job]
    parts = existing.split(job, 2, 2)
    ids = trained.run_ids
    assert [part.run_ids for part in parts] == [(ids[1], ids[4]), (ids[0], ids[2]), (ids[3],)]
    assert existing.split(job, 2, 2) == parts and len({part.output for part in parts}) == 3

    measure_file(trained.results, parts[1])
    rest = ExistingMeasures(trained.results).missing("c", file, ["path_norm", "margin_mean"])
    assert sorted(rest.run_ids) == sorted([ids[1], ids[3], ids[4]])
    remaining = ExistingMeasures(trained.results).split(rest, 2, 2)
    assert parts[1].output not in {part.output for part in remaining}
    for part in remaining:
        measure_file(trained.results, part)
    assert ExistingMeasures(trained.results).missing("c", file, ["path_norm", "margin_mean"]) is None
    in_parts = load_results(trained.results).measures
    for name in trained.results.names("measures"):
        trained.results.delete(f"measures/{name}")
    measure_file(trained.results, job)
    whole = load_results(trained.results).measures
    columns = ["run_id", "name"]
    pd.testing.assert_frame_equal(
        in_parts.sort_values(columns, ignore_index=True).drop(columns="seconds"),
        whole.sort_values(columns, ignore_index=True).drop(columns="seconds"),
    )
