"""A user's own module in a sweep: what it draws, counts and brings along belongs to each run."""

import random

import numpy as np
import pytest
import torch
from test_training import SMALL, run
from torch import nn
from torch.nn import functional

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import network


class Flat(nn.Module):
    """An MLP on digits; subclasses change a detail."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 8)
        self.head = nn.Linear(8, 10)

    def features(self, inputs):
        return self.hidden(inputs.flatten(1)).relu()

    def forward(self, inputs):
        return self.head(self.features(inputs))


class FunctionalDropout(Flat):
    def features(self, inputs):
        return functional.dropout(super().features(inputs), 0.5, self.training)


class CumulativeBatchNorm(Flat):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(8, momentum=None)

    def features(self, inputs):
        return self.norm(super().features(inputs))


class Pretrained(Flat):
    """Its hidden layer comes with weights, of which the bias is frozen."""

    def __init__(self):
        super().__init__()
        values = torch.linspace(-1, 1, 8 * 64).view(8, 64)
        self.hidden.weight.data.copy_(values)
        self.hidden.bias.requires_grad_(False)


class InPlace(Flat):
    def forward(self, inputs):
        inputs += 1
        return super().forward(inputs)


class Shifted(Flat):
    def forward(self, inputs):
        return super().forward(inputs + 1)


class GivesTupleInTraining(Flat):
    def forward(self, inputs):
        logits = super().forward(inputs)
        return (logits, logits) if self.training else logits


class PythonsGenerator(Flat):
    def forward(self, inputs):
        return super().forward(inputs) * (1 + self.training * random.random())


class NumpysGenerator(Flat):
    def forward(self, inputs):
        return super().forward(inputs) * (1 + self.training * float(np.random.rand()))  # noqa: NPY002


def of(module: type, seed: int, **sections) -> dict:
    model = {"family": "module", "path": f"test_user_modules:{module.__name__}", **sections.pop("model", {})}
    return run(seed, model=model, data=SMALL, stop={"train_loss": None, "max_epochs": 2}, **sections)


@pytest.mark.parametrize("module", [FunctionalDropout, CumulativeBatchNorm])
def test_a_run_is_the_same_alone_and_beside_others(module, cohort):
    together = cohort("together", [of(module, seed) for seed in range(3)]).train()
    alone = cohort("alone", [of(module, 1)]).train()
    run_id = alone.run_ids[0]
    expected = alone.final()[run_id]
    for name, value in together.final()[run_id].items():
        assert torch.equal(value, expected[name]), name


def test_a_forward_pass_that_changes_its_inputs_changes_a_copy(cohort):
    whole_split = {"batch_size": "full", "lr": 0.01}
    finals = []
    for module in (InPlace, Shifted):
        trained = cohort(module.__name__, [of(module, seed, optimizer=whole_split) for seed in range(2)]).train()
        finals.append([trained.final()[run_id] for run_id in trained.run_ids])
    for in_place, shifted in zip(*finals, strict=True):
        assert all(torch.equal(value, shifted[name]) for name, value in in_place.items())


def test_functional_dropout_drops_other_units_in_other_runs(cohort):
    seeds = cohort("c", [of(FunctionalDropout, seed, init={"scheme": "zeros"}) for seed in range(2)]).train()
    first, second = (seeds.final()[run_id]["head.bias"] for run_id in seeds.run_ids)
    assert not torch.equal(first, second)


def test_a_cumulative_mean_counts_the_batches_of_its_own_network(cohort):
    trained = cohort("c", [of(CumulativeBatchNorm, seed) for seed in range(3)]).train()
    config = trained.configs[0]
    steps = config.steps_per_epoch * 2
    for run_id in trained.run_ids:
        assert trained.final()[run_id]["norm.num_batches_tracked"] == steps


def test_pretrained_and_frozen_parameters_start_as_the_constructor_leaves_them():
    def initial(seed, **fields):
        config = RunConfig.parse(of(Pretrained, seed, model=fields))
        built = network.build(config.model, (1, 8, 8), 10)
        return built, built.initial(config.init, seed)

    own = Pretrained()
    built, first = initial(0)
    _, second = initial(1)
    assert torch.equal(first["hidden.weight"], own.hidden.weight.double())
    assert torch.equal(first["hidden.weight"], second["hidden.weight"])
    assert torch.equal(first["hidden.bias"], second["hidden.bias"]) and first["hidden.bias"].any()
    assert not torch.equal(first["head.weight"], second["head.weight"])
    assert "hidden.bias" not in built.shapes
    _, redrawn = initial(0, redraw=True)
    assert not torch.equal(redrawn["hidden.weight"], first["hidden.weight"])


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (GivesTupleInTraining, "in training, gives tuple for 2 inputs, expected a tensor (2, 10)"),
        (PythonsGenerator, "draws random numbers from Python's or numpy's generator; expected torch's"),
        (NumpysGenerator, "draws random numbers from Python's or numpy's generator; expected torch's"),
    ],
)
def test_what_no_seed_decides_is_refused_in_one_line(module, line):
    config = RunConfig.parse(of(module, 0))
    with pytest.raises(BadInput) as refused:
        network.build(config.model, (1, 8, 8), 10)
    assert line in str(refused.value) and "\n" not in str(refused.value)
