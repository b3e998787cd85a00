"""A user's own module in a sweep: what it draws, counts and brings along belongs to each run."""

import random
import types

import numpy as np
import pytest
import torch
from test_training import SMALL, run
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import built_network


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


class OwnGenerator(Flat):
    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def features(self, inputs):
        hidden = super().features(inputs)
        return hidden + self.training * torch.randn(hidden.shape, generator=self.generator)


class Remembers(Flat):
    """Adds what it saw last, as a network with a hidden state does."""

    def __init__(self):
        super().__init__()
        self.last = torch.zeros(8)

    def features(self, inputs):
        hidden = super().features(inputs) + self.training * self.last
        self.last = hidden.detach().mean(0)
        return hidden


class CountsCalls(Flat):
    """Counts in a number of Python, and does something else later."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def features(self, inputs):
        self.calls += self.training
        return super().features(inputs) * (0.5 if self.calls > 1000 else 1)


class CountsInADictionary(Flat):
    def __init__(self):
        super().__init__()
        self.memory = {}

    def features(self, inputs):
        self.memory["calls"] = self.memory.get("calls", 0) + 1
        return super().features(inputs) / (self.memory["calls"] if self.memory["calls"] % 100 == 0 else 1)


class FollowsASchedule(Flat):
    def __init__(self):
        super().__init__()
        self.rates = [0.0]

    def features(self, inputs):
        self.rates[0] = min(self.rates[0] + 0.01 * self.training, 0.5)
        return super().features(inputs) * (1 - self.rates[0] * self.training)


class CountsInAnObject(Flat):
    def __init__(self):
        super().__init__()
        self.state = types.SimpleNamespace(calls=0)

    def features(self, inputs):
        self.state.calls += 1
        return super().features(inputs) * (2 if self.state.calls > 500 else 1)


class CentersByTheFirstBatch(Flat):
    def __init__(self):
        super().__init__()
        self.center = None

    def features(self, inputs):
        if self.center is None:
            self.center = inputs.mean()
        return super().features(inputs - self.center)


class CountsEvaluations(Flat):
    def __init__(self):
        super().__init__()
        self.evaluations = 0

    def features(self, inputs):
        self.evaluations += not self.training
        return super().features(inputs) * (0.5 if self.evaluations == 10_000 else 1)


class Alternates(Flat):
    def __init__(self):
        super().__init__()
        self.turn = "odd"

    def features(self, inputs):
        self.turn = "even" if self.turn == "odd" else "odd"
        return super().features(inputs) * (0.5 if self.turn == "even" and self.training else 1)


class KeepsForOthers(Flat):
    """Counts, keeps features and fills a cache, as people do who look at them; outputs do not depend on it."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.means = []
        self.kept = None
        self.steps = {}
        self.about = types.SimpleNamespace(largest=0.0)

    def features(self, inputs):
        hidden = super().features(inputs)
        self.calls += 1
        self.means.append(hidden.detach().mean())
        self.kept = hidden
        if hidden.shape[-1] not in self.steps:
            self.steps[hidden.shape[-1]] = torch.arange(hidden.shape[-1])
        self.about.largest = len(hidden) / 7
        return hidden + 0 * self.steps[hidden.shape[-1]]


class CentersBatches(Flat):
    def features(self, inputs):
        hidden = super().features(inputs)
        return hidden - hidden.mean(0)


class ClampsWeights(Flat):
    def features(self, inputs):
        with torch.no_grad():
            self.hidden.weight.clamp_(-0.01, 0.01)
        return super().features(inputs)


class HookedGradient(Flat):
    def __init__(self):
        super().__init__()
        self.hidden.weight.register_hook(lambda gradient: gradient.clamp(-100, 100))


class LostGradient(Flat):
    def __init__(self):
        super().__init__()
        self.held = [self.hidden.weight]  # read in another way than by its name

    def features(self, inputs):
        return super().features(inputs) + functional.linear(inputs.flatten(1), self.held[0])


class LostHalfAPercent(LostGradient):
    def features(self, inputs):
        return Flat.features(self, inputs) + 0.005 * functional.linear(inputs.flatten(1), self.held[0])


class NormalizesTwice(Flat):
    """Of two inputs nothing is left but their order, so that gradients are rounding."""

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm1d(8)
        self.second = nn.BatchNorm1d(8, eps=1e-12)

    def features(self, inputs):
        return self.second(self.first(super().features(inputs)) ** 3)


class HalfPrecision(Flat):
    def features(self, inputs):
        with torch.autocast("cpu", torch.bfloat16):
            return super().features(inputs).float()


class DoublePrecision(Flat):
    def __init__(self):
        super().__init__()
        self.double()

    def forward(self, inputs):
        return super().forward(inputs.to(self.hidden.weight.dtype))


class HalfWeights(DoublePrecision):
    def __init__(self):
        super().__init__()
        self.bfloat16()


class Deep(Flat):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.LayerNorm(8)) for _ in range(20)))

    def features(self, inputs):
        return self.body(super().features(inputs))


class Recomputes(Flat):
    def features(self, inputs):
        return checkpoint(super().features, inputs, use_reentrant=False)


class Complex(Flat):
    def __init__(self):
        super().__init__()
        self.phases = nn.Parameter(torch.ones(8, dtype=torch.cfloat))


class Fails(Flat):
    def forward(self, inputs):
        raise ValueError("not these\nand not those")


class ReplacesBuffers(Flat):
    """Counts its batches and averages its features, in new tensors each time, and in eval mode, too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(8), persistent=False)

    def features(self, inputs):
        hidden = super().features(inputs)
        self.calls += 1
        if self.training:
            self.batches = self.batches + 1
            self.mean = self.mean + hidden.detach().mean(0)
        return hidden / self.batches.clamp(min=1).sqrt()


class UsesNotAll(Flat):
    def __init__(self):
        super().__init__()
        self.unused = nn.Linear(3, 3)


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.LazyLinear(8)
        self.head = nn.Linear(8, 10)

    def forward(self, inputs):
        return self.head(self.hidden(inputs.flatten(1)).relu())


class OneLayerUnderTwoNames(Flat):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 8)
        self.again = self.inner

    def features(self, inputs):
        return self.again(self.inner(super().features(inputs)).relu())


class CompiledPart(Flat):
    def __init__(self):
        super().__init__()
        self.hidden = torch.compile(self.hidden)


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


def test_what_a_module_keeps_for_others_changes_nothing(cohort):
    finals = []
    for module in (Flat, KeepsForOthers):
        trained = cohort(module.__name__, [of(module, seed) for seed in range(2)]).train()
        finals.append([trained.final()[run_id] for run_id in trained.run_ids])
    for plain, keeping in zip(*finals, strict=True):
        for name, value in plain.items():
            torch.testing.assert_close(keeping[name], value, rtol=1e-5, atol=1e-6)


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
        built = built_network.build(config.model, (1, 8, 8), 10)
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
        (OwnGenerator, "in training, gives other outputs for the same inputs and the same state of torch's generator"),
        (
            Remembers,
            "a forward pass changes its attribute 'last', on which outputs depend, and which no checkpoint keeps",
        ),
        (
            CountsCalls,
            "a forward pass changes its attribute 'calls', on which outputs depend, and which no checkpoint keeps",
        ),
        (CentersBatches, "in eval mode, its outputs for an input depend on the other inputs of the batch"),
        (ClampsWeights, "a forward pass changes its parameter 'hidden.weight'; expected that only the optimizer does"),
        (HookedGradient, "the parameter 'hidden.weight' has a hook, which a stack does not call; expected none"),
        (LostHalfAPercent, "after a step in a stack the gradient of 'hidden.weight' differs from that of the module"),
        (LostGradient, "after a step in a stack the gradient of 'hidden.weight' differs from that of the module"),
        (Recomputes, "cannot be trained in a stack: torch.utils.checkpoint: "),
        (Complex, "the parameter 'phases' is complex; expected real parameters"),
        (Fails, "fails on inputs of shape (2, 1, 8, 8): not these"),
    ],
)
def test_what_no_seed_decides_is_refused_in_one_line(module, line):
    config = RunConfig.parse(of(module, 0))
    with pytest.raises(BadInput) as refused:
        built_network.build(config.model, (1, 8, 8), 10)
    assert line in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("module", [NormalizesTwice, HalfPrecision, DoublePrecision, HalfWeights, Deep])
def test_what_rounding_changes_is_not_refused(module):
    config = RunConfig.parse(of(module, 0))
    assert built_network.build(config.model, (1, 8, 8), 10).shapes


def test_buffers_that_are_replaced_are_kept_and_eval_mode_changes_none(cohort):
    trained = cohort("c", [of(ReplacesBuffers, seed) for seed in range(2)]).train()
    steps = trained.configs[0].steps_per_epoch * 2
    first, second = (trained.final()[run_id] for run_id in trained.run_ids)
    assert first["batches"] == second["batches"] == first["calls"] == steps
    assert first["mean"].sum() > 0 and not torch.equal(first["mean"], second["mean"])


def test_a_parameter_that_is_not_used_has_the_gradient_zero(cohort):
    trained = cohort("c", [of(UsesNotAll, 0)]).train()
    end = trained.final()[trained.run_ids[0]]
    start = trained.checkpoint("train")[trained.run_ids[0]]
    assert torch.equal(end["unused.weight"], start["unused.weight"])
    assert not torch.equal(end["hidden.weight"], start["hidden.weight"])


@pytest.mark.parametrize("module", [Lazy, OneLayerUnderTwoNames, CompiledPart])
def test_a_trial_leaves_the_module_as_it_was(module):
    config = RunConfig.parse(of(module, 0))
    built = built_network.build(config.model, (1, 8, 8), 10)
    assert not any("_orig_mod" in name for name in built.shapes)
    start = built.initial(config.init, 0)
    rows = built.parameters.rows({name: value.float().unsqueeze(0) for name, value in start.items()})
    inputs = torch.ones(1, 3, 1, 8, 8)
    logits = built.logits(built.parameters.views(rows), {}, inputs, "loop")
    assert logits.shape == (1, 3, 10) and all(value.is_leaf for value in built.module.parameters())
    again = built.initial(config.init, 0)
    assert all(torch.equal(value, again[name]) for name, value in start.items())
