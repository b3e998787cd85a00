"""The time in `bth plan`: every kind of run can be rehearsed, without its data."""

import pytest
import torch

from benevolent.orchestrator.estimates.rehearsal import RunTime, rehearse
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import configurations_of, expand
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.study import studies
from benevolent.trainables import data
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig

SMALL = {"train_size": 40, "validation_size": 8, "test_size": 8}
CIFAR = {"name": "cifar10", "normalize": "cifar", **SMALL}
CASES = {
    "a subspace": {"model": {"width": 8}, "subspace": {"dimension": 5}},
    "least squares": {
        "model": {"family": "random_features", "features": 20},
        "optimizer": {"name": "least_squares"},
        "loss": {"name": "squared"},
    },
    "a forest": {"model": {"family": "random_forest", "leaves": 5}, "loss": {"name": "squared"}},
    "windows": {"data": CIFAR | {"crop": 2, "augment": "window"}, "model": {"family": "puzzles_cnn", "filters": 2}},
    "a synthetic task": {"data": {"name": "frequency", **SMALL}, "loss": {"name": "squared"}},
    "a pair of classes": {"data": {"name": "mnist", "classes": "3|8", **SMALL}, "loss": {"name": "logistic"}},
    "half of a data set": {"data": {"name": "mnist", "half": "second", **SMALL}},
    "examples in one batch": {"data": {"name": "xord", **SMALL}, "optimizer": {"batch_size": "full"}},
    "much arithmetic": {"data": CIFAR | {"train_size": 30_001}, "model": {"family": "mlp", "batch_norm": "plain"}},
    "steps that diverge": {"optimizer": {"lr": 1000.0}},
    "a pruned network of another's start": {
        "init": {"scheme": "run", "source": {"optimizer.lr": 0.1}},
        "prune": {"fraction": 0.5, "rewind": "none"},
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_run_is_rehearsed_without_its_data(case, monkeypatch, tmp_path):
    monkeypatch.setenv("BENEVOLENT_DATA", str(tmp_path))
    config = RunConfig.parse({"data": SMALL} | CASES[case])
    names = set(data.READERS)
    threads = torch.get_num_threads()
    run_time = rehearse(config, 3, RecordConfig(early_stop=True))
    assert run_time.epoch > 0 and run_time.record >= 0 and set(data.READERS) == names
    assert torch.get_num_threads() == threads
    assert run_time.seconds(10, 2) == pytest.approx(10 * run_time.epoch + 2 * run_time.record)


def test_a_record_is_not_priced_as_if_all_of_it_grew_with_the_examples(monkeypatch):
    monkeypatch.setattr("benevolent.orchestrator.estimates.rehearsal.MAX_FLOPS", 1e7)
    monkeypatch.setattr(
        "benevolent.orchestrator.estimates.rehearsal._seconds_of_epochs", lambda *_: [9.0, 5.0, 3.0, 2.0]
    )
    sizes = {"train_size": 1000, "validation_size": 100, "test_size": 300}
    config = RunConfig.parse({"data": {"name": "digits", **sizes}, "model": {"width": 32}})
    run_time = rehearse(config, 4, RecordConfig())
    recording = (5.0 - 2.0) / 4
    evaluation = run_time.epoch / 4 * 400 / 1000  # an epoch makes four passes over the training examples
    assert run_time.epoch > 10 * 2.0 / 4  # few of the examples were rehearsed
    assert recording + 0.9 * evaluation < run_time.record < recording + evaluation


@pytest.mark.parametrize("name", [name for name, study in studies().items() if study.sweeps])
def test_every_bundled_study_is_rehearsed(name, monkeypatch, tmp_path):
    monkeypatch.setenv("BENEVOLENT_DATA", str(tmp_path))
    monkeypatch.setattr("benevolent.orchestrator.estimates.rehearsal.MAX_FLOPS", 1e5)
    first_sweep = next(iter(studies()[name].specs("small").values()))
    config = configurations_of(first_sweep).config(0)
    assert rehearse(config, 2, first_sweep.record).epoch > 0


def test_unrehearsed_groups_take_time_in_proportion_to_their_arithmetic(monkeypatch):
    monkeypatch.setattr("benevolent.orchestrator.estimates.sweep_estimate.REHEARSED", 1)
    base = {"data": SMALL, "stop": {"max_epochs": 3}}
    spec = SweepSpec.parse({"name": "t", "base": base, "grid": {"model.width": [8, 64]}})
    wide, narrow = estimate_sweep(expand(spec), timed=True).groups
    assert wide.flops > narrow.flops and wide.seconds / wide.flops == pytest.approx(narrow.seconds / narrow.flops)
    assert estimate_sweep(expand(spec)).seconds == 0


def test_groups_that_differ_only_in_what_costs_no_time_are_rehearsed_once(monkeypatch):
    rehearsed = []

    def rehearse_once(config, runs, record):
        rehearsed.append((config.model.width, runs))
        return RunTime(1.0, 0.0)

    monkeypatch.setattr("benevolent.orchestrator.estimates.sweep_estimate.rehearse", rehearse_once)
    grid = {"prune.fraction": [0, 0.5], "model.width": [8, 64]}
    spec = SweepSpec.parse({"name": "t", "base": {"data": SMALL}, "grid": grid, "seeds": 2})
    assert len(estimate_sweep(expand(spec), timed=True).groups) > 2
    assert sorted(rehearsed) == [(8, 2), (64, 2)]
