"""What `bth plan` says of runs that start from others, and of runs in a subspace."""

import pytest
import torch

from benevolent.orchestrator.estimates.network_cost import network_cost
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack.network import build
from benevolent.trainables.stack.subspace import PROJECTIONS, generator

BASE = {"data": {"train_size": 60, "validation_size": 40, "test_size": 50}, "model": {"width": 8, "depth": 2}}


def estimated(**keys):
    return estimate_sweep(SweepSpec.parse({"name": "mine", "base": BASE, "seeds": 2} | keys))


def test_rounds_of_pruning_that_no_axis_names_are_parents():
    summary = estimated(base=BASE | {"prune": {"fraction": 0.2}}, grid={"prune.rounds": [3]})
    assert (summary.runs, summary.parents) == (2, 6)  # dense, and two rounds before


def test_runs_with_layers_reset_train_nothing_beyond_their_parents():
    summary = estimated(grid={"reset.layers": [[1], [2]]})
    alone = estimated()
    assert (summary.runs, summary.parents) == (4, 2)
    assert sum(group.flops for group in summary.groups) == sum(group.flops for group in alone.groups)


@pytest.mark.parametrize("projection", ["dense", "sparse", "fastfood"])
def test_the_matrices_of_subspaces_are_in_the_memory(projection):
    config = RunConfig.parse(BASE | {"subspace": {"dimension": 50, "projection": projection}})
    found = build(config.model, (1, 8, 8), 10)
    made = PROJECTIONS[projection](found.size, 50, generator(0, "subspace"), torch.zeros(1))
    stored = 0
    for value in vars(made).values():
        if isinstance(value, torch.Tensor):
            parts = [value.indices(), value.values()] if value.is_sparse else [value]
            stored += sum(part.numel() * part.element_size() for part in parts)
    expected = network_cost(config).subspace_bytes(config.subspace, 3)
    assert expected == pytest.approx(3 * stored, rel=0.15)
    plain, inside = (
        estimated(base=BASE | extra).memory_bytes for extra in ({}, {"subspace": config.subspace.model_dump()})
    )
    assert inside - plain == network_cost(config).subspace_bytes(config.subspace, 2)
