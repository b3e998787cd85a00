"""Every fact about a layer type, checked against torch on an example of it."""

import copy

import pytest
import torch
from plain import gaussian
from torch import nn

from benevolent.trainables.models.modules import (
    FixedSigns,
    Noise,
    PatternDetector,
    RandomFeatures,
    Shift,
    ZeroPadShortcut,
)
from benevolent.trainables.stack.batchnorm_folding import fold_batchnorm
from benevolent.trainables.stack.layer_types import LAYER_TYPES, UNKNOWN, draws_random_numbers, layer_type
from benevolent.trainables.stack.network import Network

IMAGE = (2, 6, 6)
EXAMPLES = {
    nn.Linear: (nn.Linear(7, 4), (7,)),
    FixedSigns: (FixedSigns(7, 4), (7,)),
    nn.Conv2d: (nn.Conv2d(2, 3, 3, stride=2, padding=1), IMAGE),
    nn.Conv1d: (nn.Conv1d(2, 3, 3), (2, 6)),
    nn.Conv3d: (nn.Conv3d(2, 3, 3), (2, 4, 4, 4)),
    Shift: (Shift(7), (7,)),
    PatternDetector: (PatternDetector(3), (5, 2)),
    RandomFeatures: (RandomFeatures(7, 3, 0.1), (7,)),
    nn.BatchNorm1d: (nn.BatchNorm1d(7), (7,)),
    nn.BatchNorm2d: (nn.BatchNorm2d(2), IMAGE),
    nn.LocalResponseNorm: (nn.LocalResponseNorm(3), IMAGE),
    nn.Dropout: (nn.Dropout(0.5), (7,)),
    Noise: (Noise(), (7,)),
    nn.ReLU: (nn.ReLU(), (7,)),
    nn.LeakyReLU: (nn.LeakyReLU(0.2), (7,)),
    nn.Tanh: (nn.Tanh(), (7,)),
    nn.Sigmoid: (nn.Sigmoid(), (7,)),
    nn.GELU: (nn.GELU(), (7,)),
    nn.MaxPool2d: (nn.MaxPool2d(3, 2, 1), IMAGE),
    nn.AvgPool2d: (nn.AvgPool2d(2), IMAGE),
    nn.AdaptiveAvgPool2d: (nn.AdaptiveAvgPool2d(1), IMAGE),
    nn.Identity: (nn.Identity(), (7,)),
    nn.Flatten: (nn.Flatten(), IMAGE),
    nn.Unflatten: (nn.Unflatten(1, (2, 3)), (6,)),
    nn.ZeroPad2d: (nn.ZeroPad2d((1, 0, 2, 0)), IMAGE),
    ZeroPadShortcut: (ZeroPadShortcut(2, 1), IMAGE),
}


def example(kind: type[nn.Module]) -> tuple[nn.Module, torch.Tensor]:
    layer, input_shape = EXAMPLES[kind]
    layer = copy.deepcopy(layer).double().eval()
    return layer, gaussian(8, *input_shape)


def with_fact(fact: str) -> list[type[nn.Module]]:
    return [kind for kind, facts in LAYER_TYPES.items() if getattr(facts, fact)]


def test_every_layer_type_has_an_example():
    assert set(EXAMPLES) == set(LAYER_TYPES)


@pytest.mark.parametrize("kind", with_fact("batched"))
def test_the_batched_form_equals_the_layer(kind):
    layer, inputs = example(kind)
    built = Network(layer)
    assert built.batched
    tensors = dict(built.module.named_parameters()) | dict(built.module.named_buffers())
    both = {name: torch.stack([value.detach()] * 2) for name, value in tensors.items()}
    parameters = built.parameters.views(built.parameters.rows(both).double())
    buffers = built.buffers.views(built.buffers.rows(both).double())
    stacked = torch.stack([inputs, 2 * inputs])
    found = built.logits(parameters, buffers, stacked, "batched")
    torch.testing.assert_close(found, torch.stack([layer(inputs), layer(2 * inputs)]))


@pytest.mark.parametrize("kind", with_fact("homogeneous"))
def test_homogeneous_layers_scale_with_their_inputs(kind):
    layer, inputs = example(kind)
    if getattr(layer, "bias", None) is not None:
        layer.bias.data.zero_()
    torch.testing.assert_close(layer(3 * inputs), 3 * layer(inputs))


@pytest.mark.parametrize("kind", with_fact("affine_given_relus"))
def test_affine_layers_are_affine_where_the_relus_stay_on(kind):
    layer, inputs = example(kind)
    start, step = inputs.abs(), inputs.abs().flip(0)  # all positive, so that no ReLU switches
    middle = (layer(start) + layer(start + 2 * step)) / 2
    torch.testing.assert_close(layer(start + step), middle)


@pytest.mark.parametrize("kind", LAYER_TYPES)
def test_random_layers_are_those_whose_outputs_differ_between_calls(kind):
    layer, inputs = example(kind)
    differs = not torch.equal(layer.train()(inputs), layer(inputs))
    assert differs == LAYER_TYPES[kind].random


@pytest.mark.parametrize("kind", with_fact("weights"))
def test_weights_are_applied_as_a_matrix_or_a_kernel(kind):
    layer, inputs = example(kind)
    weight, bias = layer.weight, layer.bias
    if LAYER_TYPES[kind].weights == "matrix":
        expected = inputs @ weight.T + (0 if bias is None else bias)
    else:
        expected = nn.functional.conv2d(inputs, weight, bias, layer.stride, layer.padding)
    torch.testing.assert_close(layer(inputs), expected)


@pytest.mark.parametrize("kind", with_fact("identity_weights"))
def test_layers_with_identity_weights_only_add_a_bias(kind):
    layer, inputs = example(kind)
    layer.bias.data.uniform_()
    torch.testing.assert_close(layer(inputs), inputs + layer.bias)


@pytest.mark.parametrize("kind", with_fact("absorbs_batch_norm"))
def test_batch_norm_is_folded_into_the_layers_that_absorb_it(kind):
    layer, inputs = example(kind)
    norms = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    module = nn.Sequential(layer, norms[inputs.ndim](len(layer.weight))).double()
    module(inputs)
    folded = fold_batchnorm(module)
    assert isinstance(folded[1], nn.Identity)
    torch.testing.assert_close(folded(inputs), module.eval()(inputs))


@pytest.mark.parametrize("kind", with_fact("paths"))
@pytest.mark.parametrize("power", [1, 2])
def test_sums_over_paths_are_those_of_the_jacobian(kind, power):
    """Without a bias the sum over the paths to an output is that of the absolute Jacobian's entries to the power."""
    layer, inputs = example(kind)
    rule = LAYER_TYPES[kind].paths
    assert rule.why_not(layer) is None
    if getattr(layer, "bias", None) is not None:
        layer.bias.data.zero_()
    point = inputs[:1].abs()
    powers = {name: value.detach().abs() ** power for name, value in layer.named_parameters()}
    found = rule.sums(layer, powers, torch.ones_like(point), power)
    if kind is nn.MaxPool2d:  # every input of a maximum is a path
        ones = torch.ones_like(point)
        expected = nn.functional.avg_pool2d(ones, 3, 2, 1, divisor_override=1)
    else:
        jacobian = torch.autograd.functional.jacobian(layer, point)
        expected = (jacobian.abs() ** power).flatten(-point.ndim).sum(-1)
    torch.testing.assert_close(found, expected)


class Renamed(nn.ReLU):
    pass


class Changed(nn.ReLU):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.cos()


def test_a_subclass_has_the_facts_of_its_base_only_if_it_keeps_the_forward_pass():
    assert layer_type(Renamed()).homogeneous and layer_type(Renamed()).batched is None
    assert layer_type(Changed()) == UNKNOWN == layer_type(nn.LayerNorm(3))


def test_anything_called_dropout_is_taken_to_draw_random_numbers():
    assert draws_random_numbers(nn.AlphaDropout()) and not draws_random_numbers(nn.LayerNorm(3))
