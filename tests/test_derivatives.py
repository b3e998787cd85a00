"""Derivatives are tried at one point, and at further ones where that shows nothing; wrong ones are wrong at all."""

import pytest
import torch
from awkward_networks import LABELS, Of, built, linear
from fuzz_cases import findings
from torch import nn

from benevolent.analysis import measure_network
from benevolent.analysis.measures import derivative_trial, derivatives
from benevolent.analysis.measures.derivatives import Derivatives, try_derivatives
from benevolent.analysis.measures.difference_quotient import agreement
from benevolent.trainables.stack.module_calls import call_with
from benevolent.trainables.stack.module_structure import first_layer

NEEDS = "not applicable: needs derivatives of the outputs by the "
ONE = torch.ones(1, dtype=torch.float64)


def statuses(module, *names):
    inputs = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))
    return measure_network(module, inputs, LABELS, measures=list(names))["status"].tolist()


FUNCTIONS = {
    "linear": (lambda t: 3 * t, 3.0, (True, True)),
    "another slope": (lambda t: 3 * t, 2.9, (False, True)),
    "a lost slope": (lambda t: 3 * t, 0.0, (False, True)),
    "rounding": (lambda t: 1 + 1e-16 * torch.sin(1e9 * t), 0.0, (True, False)),
    "a slope of its own": (lambda t: 1 + 0 * t, 1.0, (False, True)),
    "one side of a kink": (lambda t: t.relu(), 1.0, (False, False)),
    "the other side": (lambda t: t.relu(), 0.0, (False, False)),
    "beyond the kink": (lambda t: t.relu(), 2.0, (False, True)),
    "a lost slope at a kink": (lambda t: t.relu() + 3 * t, 1.0, (False, True)),
    "a jump": (lambda t: (t >= 0).double(), 0.0, (False, False)),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_gradient_is_compared_with_both_sides_of_a_point(kind):
    function, slope, expected = FUNCTIONS[kind]
    found = agreement(slope * ONE, ONE, lambda distance: function(distance * ONE[0]), 1e-6, 1e-3)
    assert (found.is_right, found.is_certain) == expected


def narrow(self, x):
    return self.c(self.b(self.a(x).relu()).relu().detach()) + x[:, :3]


DETACHED = {
    "detached": lambda: built("detached part"),
    "without gradients": lambda: built("part without gradients"),
    "rounded": lambda: built("rounding with a gradient"),
    "beside others": lambda: Of(narrow, a=linear(6, 8), b=linear(8, 8), c=linear(8, 3)),
    "one input": lambda: Of(lambda self, x: self.a(torch.cat([x[:, :1].detach(), x[:, 1:]], 1)), a=linear(6, 3)),
}


@pytest.mark.parametrize("seed", derivatives.POINTS)
@pytest.mark.parametrize("name", DETACHED)
def test_what_is_detached_is_found_at_each_point(name, seed, monkeypatch):
    monkeypatch.setattr(derivatives, "POINTS", (seed,))
    torch.manual_seed(0)
    (status,) = statuses(DETACHED[name](), "lipschitz_max")
    assert status.startswith(NEEDS)


@pytest.mark.parametrize("sign", [1, -1])  # with one of them, the first point shows nothing
def test_a_detached_part_that_the_first_point_does_not_show_is_found_at_another(sign):
    def logits(parameters, inputs):
        return 1 + (sign * parameters["weight"] * inputs).relu().detach()

    found = try_derivatives(logits, {"weight": torch.ones(1)}, torch.zeros(1, 1), None, 1)
    assert found.no_slopes and found.no_gradients


def test_a_function_that_no_point_moves_has_derivatives():
    found = try_derivatives(lambda own, x: 1 + 0 * own["weight"] * x, {"weight": ONE}, torch.zeros(2, 1), None, 1)
    assert found.no_slopes is None and found.no_gradients is None


def test_outputs_that_do_not_depend_on_the_inputs_but_for_rounding_have_slopes():
    """The network of seed 141 has one channel in each group of a normalization, behind which nothing is left."""
    network, found = findings(141)
    assert not [finding.described(141, network) for finding in found if finding.is_problem]


def test_a_network_with_a_kink_at_every_trial_is_refused():
    """Its derivatives may be right, but nothing shows it."""

    def saw(self, x):
        tooth = 2 * derivative_trial.PRECISE[0] / 7
        return self.c(((self.a(x) / tooth) % 1 - 0.5).abs() * tooth)

    (status,) = statuses(Of(saw, a=linear(6, 4), c=linear(4, 3)), "lipschitz_max")
    assert status.startswith(NEEDS)


def hooked():
    """A backward hook that doubles gradients."""
    module = nn.Sequential(linear(6, 4), nn.ReLU(), linear(4, 3))
    module[1].register_full_backward_hook(lambda layer, gradients, _: (2 * gradients[0],))
    return module


IMAGES = (1, 6, 6)
SEQUENCES = {
    "dense": (lambda: nn.Sequential(linear(6, 8), nn.ReLU(), linear(8, 3)), (6,)),
    "one layer": (lambda: linear(6, 3), (6,)),
    "smooth": (lambda: nn.Sequential(nn.Flatten(), linear(6, 8), nn.Tanh(), linear(8, 4), nn.GELU()), (2, 3)),
    "images": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Flatten()), IMAGES),
    "means": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()), IMAGES),
    "words": (lambda: nn.Sequential(linear(6, 4), nn.ReLU(), nn.Flatten(), linear(8, 3)), (2, 6)),
    "ReLU first": (lambda: nn.Sequential(nn.ReLU(), linear(6, 4), nn.Tanh(), linear(4, 3)), (6,)),
    "hooked": (hooked, (6,)),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_derivatives_that_are_known_are_those_that_a_trial_finds(name):
    torch.manual_seed(0)
    build, shape = SEQUENCES[name]
    module = build()
    examples = torch.randn(4, *shape)
    parameters = {key: value.detach() for key, value in module.named_parameters()}
    first = first_layer(module)
    layer = module.get_submodule(first)
    prefix = f"{first}." if first else ""
    dense = (f"{prefix}bias", f"{prefix}weight") if isinstance(layer, nn.Linear) else None

    def logits(own, inputs):
        return call_with(module, own, inputs)

    tried = try_derivatives(logits, parameters, examples, dense, 100)
    assert try_derivatives(logits, parameters, examples, dense, 100, module) == tried
    assert bool(tried.no_gradients) == (name == "hooked")
    assert tried.first_carries_inputs == (name not in {"words", "ReLU first", "hooked"})


def test_known_derivatives_are_not_tried():
    calls = []

    def logits(own, inputs):
        calls.append(inputs)
        return call_with(module, own, inputs)

    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    parameters = {key: value.detach() for key, value in module.named_parameters()}
    assert try_derivatives(logits, parameters, torch.ones(1, 2), ("0.bias", "0.weight"), 5, module) == Derivatives()
    assert not calls
