"""Estimates of memory, arithmetic, disk and time in `bth plan`."""

import dataclasses

import pytest
import torch

from benevolent.orchestrator.estimates.prices import STARTUP_SECONDS, USUAL_SHARE, report_seconds
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data.loading import load
from benevolent.trainables.data.memory import own_input_bytes
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack.built_network import build
from benevolent.trainables.stack.subspace import PROJECTIONS

BASE = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}


def estimated(**keys):
    return estimate(SweepSpec.parse({"name": "mine", "base": BASE, "seeds": 2} | keys))


def estimate(spec):
    return estimate_sweep(expand(spec))


def test_unnamed_pruning_rounds_are_parents():
    summary = estimated(base=BASE | {"prune": {"fraction": 0.2}}, grid={"prune.rounds": [3]})
    assert (summary.runs, summary.parents) == (2, 6)  # dense, and two rounds before


def test_runs_with_reset_layers_cost_nothing_beyond_their_parents():
    summary = estimated(grid={"reset.layers": [[1], [2]]})
    alone = estimated()
    assert (summary.runs, summary.parents) == (4, 2)
    assert sum(group.flops for group in summary.groups) == sum(group.flops for group in alone.groups)


@pytest.mark.parametrize("projection", ["dense", "sparse", "fastfood"])
def test_memory_includes_the_matrices_of_subspaces(projection):
    config = RunConfig.parse(BASE | {"subspace": {"dimension": 50, "projection": projection}})
    found = build(config.model, (1, 8, 8), 10)
    made = PROJECTIONS[projection](found.size, 50, RandomStream(0, "subspace"), torch.zeros(1))
    stored = 0
    for value in vars(made).values():
        if isinstance(value, torch.Tensor):
            parts = [value]
            if value.layout == torch.sparse_csr:
                parts = [value.crow_indices(), value.col_indices(), value.values()]
            stored += sum(part.numel() * part.element_size() for part in parts)
    expected = network_cost(config).subspace_bytes(config.subspace, 3)
    assert expected == pytest.approx(3 * stored, rel=0.15)
    plain, inside = (
        estimated(base=BASE | extra).memory_bytes for extra in ({}, {"subspace": config.subspace.model_dump()})
    )
    assert inside - plain == network_cost(config).subspace_bytes(config.subspace, 2)


CIFAR = {"name": "cifar10", "train_size": 40_000, "validation_size": 10_000, "test_size": 10_000}
NOISE = {"data": CIFAR | {"pixels": "gaussian"}, "model": {"width": 8, "depth": 2}}
NOISE_BYTES = 2 * 40_000 * 3 * 32 * 32 * 4  # one set of floats, and its copy when the sets of a cohort are joined


@pytest.fixture
def machine(monkeypatch):
    """A machine with 64 GB for each cohort."""
    monkeypatch.setattr("benevolent.orchestrator.plan.memory.cohort_memory_bytes", lambda resources: 64e9)


def test_memory_includes_inputs_that_runs_do_not_share(machine):
    shared = estimated(base=NOISE | {"data": CIFAR}, seeds=8).groups[0]
    own = estimated(base=NOISE, seeds=8).groups[0]
    assert (own.cohort_size, shared.cohort_size) == (8, 8)
    assert own.memory_bytes - shared.memory_bytes == 8 * NOISE_BYTES


def test_runs_of_one_seed_share_their_inputs(machine):
    grid = {"init.scale": [1, 2, 3]}
    none = estimated(base=NOISE | {"data": CIFAR}, grid=grid).groups[0]
    for seeds, sets in (({"count": 2, "shared": True}, 2), (2, 6)):
        own = estimated(base=NOISE, grid=grid, seeds=seeds).groups[0]
        assert own.cohort_size == 6
        assert own.memory_bytes - none.memory_bytes == sets * NOISE_BYTES
    pruned = estimated(base=NOISE, grid={"prune.fraction": [0.2, 0.5, 0.8]}, seeds=2).groups
    dense = estimated(base=NOISE, seeds=2).groups[0]
    assert {group.cohort_size for group in pruned} == {6, 2}
    assert max(group.memory_bytes for group in pruned) - dense.memory_bytes < NOISE_BYTES


def test_cohorts_are_small_enough_for_their_inputs(machine):
    spec = SweepSpec.parse({"name": "mine", "base": NOISE, "seeds": 128})
    fitting = int(0.25 * 64e9 / NOISE_BYTES)
    sizes = [len(cohort.configs) for cohort in expand(spec).new_manifests()]
    assert sum(sizes) == 128 and max(sizes) <= fitting
    assert estimate(spec).groups[0].cohort_size == max(sizes)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({"pixels": "shuffled"}, 40_000 * 3072 / 4),  # images stay bytes
        ({"pixels": "permuted"}, (40_000 / 4 + 20_000) * 3072),  # of every split; the small ones are floats
        ({"pixels": "gaussian", "train_size": 100}, 100 * 3072),
        ({"pixels": "shuffled", "train_size": 100}, 100 * 3072),
        ({}, 0),
    ],
)
def test_own_inputs_take_the_memory_that_loading_keeps(data, values):
    assert own_input_bytes(DataConfig(**CIFAR | data), 4) == 2 * 4 * values


def test_fresh_examples_are_own_inputs():
    config = DataConfig(name="staircase", train_size=300, fresh=True)
    dataset = load(config)
    expected = dataset.train.sets.stored.numel() * 8
    assert own_input_bytes(config, 8) == 2 * expected


def test_a_second_core_is_of_no_use_to_cohorts_that_wait_for_each_other():
    for grid, seconds in (({"prune.fraction": [0, 0.8]}, 200), ({"model.width": [8, 16]}, 100)):
        estimate = estimate_sweep(
            expand(SweepSpec.parse({"name": "mine", "base": BASE, "grid": grid}), slots=2), slots=2
        )
        groups = [dataclasses.replace(group, seconds=100, measuring_seconds=0) for group in estimate.groups]
        timed = dataclasses.replace(estimate, groups=tuple(groups))
        assert timed.wall_seconds(1) - STARTUP_SECONDS == pytest.approx(200)
        assert timed.wall_seconds(2) - STARTUP_SECONDS == pytest.approx(seconds)
        assert timed.wall_seconds(2, to_limits=False) - STARTUP_SECONDS == pytest.approx(USUAL_SHARE * seconds)


def test_each_outcome_that_is_judged_has_its_price():
    assert report_seconds(100, 50, outcomes=3) > report_seconds(100, 50, outcomes=2) > report_seconds(100, 50)
