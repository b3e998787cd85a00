"""Batched layers against the plain modules of torch, one network after the other, in eager mode."""

import copy
import gc
import weakref

import pytest
import torch
from plain import check_bits, check_stack
from torch import nn

from benevolent.trainables.models.modules import Noise, Residual, Shift, ZeroPadShortcut
from benevolent.trainables.rng import StackGenerator, generator
from benevolent.trainables.stack import layers
from benevolent.trainables.stack.batched_module import is_batched
from benevolent.trainables.stack.layer_types import layer_type
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.network import Network


def conv_net(*middle: nn.Module, features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 6, 3, bias=False), *middle, nn.Flatten(), nn.Linear(features, 3))


def mlp(*middle: nn.Module, width: int = 20) -> nn.Sequential:
    return nn.Sequential(nn.Linear(7, width), *middle, nn.Linear(width, 3))


def test_network_is_freed_after_activations():
    built = Network(mlp())
    assert built.activations((7,)) == built.activations((7,)) == 7 + 20 + 3
    alive = weakref.ref(built)
    del built
    gc.collect()
    assert alive() is None


def hooked(module: nn.Module) -> nn.Module:
    """A module whose outputs a hook doubles."""
    module.register_forward_hook(lambda _, inputs, outputs: 2 * outputs)
    return module


ACTIVATION, TIED = nn.Tanh(), nn.Linear(3, 3)
NETWORKS = {
    "one activation twice": (nn.Sequential(nn.Linear(7, 5), ACTIVATION, nn.Linear(5, 3), ACTIVATION), (7,)),
    "batch norm": (mlp(nn.BatchNorm1d(20), nn.ReLU()), (7,)),
    "batch norm of one feature": (mlp(nn.BatchNorm1d(1), nn.ReLU(), width=1), (7,)),
    "batch norm first": (nn.Sequential(nn.BatchNorm1d(7), nn.Linear(7, 3)), (7,)),
    "batch norm without gains": (mlp(nn.BatchNorm1d(20, affine=False, momentum=0.4, eps=0.1), nn.Tanh()), (7,)),
    "batch norm of images": (conv_net(nn.BatchNorm2d(6), nn.ReLU(), features=96), (2, 6, 6)),
    "noisy batch norm": (mlp(nn.BatchNorm1d(20), Noise(), nn.ReLU()), (7,)),
    "noisy images": (conv_net(nn.BatchNorm2d(6), Noise(), nn.ReLU(), features=96), (2, 6, 6)),
    "dropout": (mlp(nn.ReLU(), nn.Dropout(0.4)), (7,)),
    "dropout of images": (conv_net(nn.Dropout(0.4), features=96), (2, 6, 6)),
    "max pooling": (conv_net(nn.LeakyReLU(0.2), nn.MaxPool2d(3, 2, 1), features=24), (2, 6, 6)),
    "mean pooling": (conv_net(nn.GELU(), nn.AvgPool2d(2), features=24), (2, 6, 6)),
    "mean of all pixels": (conv_net(nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), features=6), (2, 6, 6)),
    "padding": (conv_net(nn.ZeroPad2d((1, 0, 2, 0)), features=6 * 5 * 6), (2, 6, 6)),
    "shift": (nn.Sequential(nn.Flatten(), Shift(12), nn.ReLU(), nn.Linear(12, 3)), (3, 4)),
    "unflatten": (nn.Sequential(Shift(72), nn.Unflatten(1, (2, 6, 6)), conv_net(features=96)), (72,)),
    "residual": (
        conv_net(
            nn.BatchNorm2d(6),
            Residual(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())),
            Residual(nn.Conv2d(6, 8, 3, stride=2, padding=1), ZeroPadShortcut(2, 2)),
            Residual(nn.Conv2d(8, 4, 1), nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4))),
            features=16,
        ),
        (2, 6, 6),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_stack_training_equals_plain_modules(name):
    module, input_shape = NETWORKS[name]
    built = Network(copy.deepcopy(module))
    assert built.batched
    check_stack(built, input_shape)


@pytest.mark.parametrize("width", [1, 5, 8, 16, 30, 64, 100])
def test_normalized_mlps_are_equal_bit_for_bit_alone_and_in_a_stack(width):
    built = Network(mlp(nn.BatchNorm1d(width), Noise(), nn.ReLU(), nn.Dropout(0.2), width=width))
    check_bits(built, (7,))


def test_dropout_keeps_the_mean_and_zeroes_the_given_fraction():
    inputs = torch.ones(2, 200, 100)
    dropped = layers.dropout(nn.Dropout(0.3), {}, inputs, Mode(True, StackGenerator([0, 1], "layers", 0)))
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    for own in dropped:
        assert own.mean().item() == pytest.approx(1, abs=0.02) and (own == 0).float().mean() == pytest.approx(
            0.3, abs=0.01
        )
    assert not torch.equal(*dropped)
    assert not layers.dropout(nn.Dropout(1.0), {}, inputs, Mode(True, StackGenerator([0, 1], "layers", 0))).any()
    assert layers.dropout(nn.Dropout(0.3), {}, inputs, Mode()) is inputs


@pytest.mark.parametrize("kernel", ["batched", "loop"])
def test_networks_of_one_stack_may_have_different_dropout(kernel):
    built = Network(nn.Sequential(nn.Linear(1, 4000, bias=False), nn.Dropout(0.9), nn.Linear(4000, 1, bias=False)))
    rates = torch.tensor([0.2, 0.7], dtype=torch.float64)
    ones = {name: torch.ones(2, *shape) for name, shape in built.shapes.items()}
    views = built.parameters.views(built.parameters.rows(ones))
    mode = Mode(True, StackGenerator([0, 1], "layers", 0), dropout=rates, dropout_rates=rates.tolist())
    kept = built.logits(views, {}, torch.ones(2, 1, 1), kernel, mode).flatten() * (1 - rates) / 4000
    assert kept.tolist() == pytest.approx([0.8, 0.3], abs=0.03)
    own = {name: view[1:] for name, view in views.items()}
    mode = Mode(True, StackGenerator([1], "layers", 0), dropout=rates[1:], dropout_rates=rates[1:].tolist())
    alone = built.logits(own, {}, torch.ones(1, 1, 1), kernel, mode)
    assert alone.item() * 0.3 / 4000 == pytest.approx(kept[1].item())


@pytest.mark.parametrize("draws", [StackGenerator([0], "layers", 0), None])
def test_noise_changes_mean_and_variance_of_each_feature_at_each_step(draws):
    inputs = torch.from_numpy(generator(0, "x").standard_normal((1, 4000, 50))).float()
    torch.manual_seed(0)
    first, second = (layers.noise(Noise(), {}, inputs, Mode(True, draws))[0] for _ in range(2))
    means, stds = first.mean(0), first.std(0)
    assert means.abs().max() < 0.57 and means.std() == pytest.approx(1 / 12**0.5, rel=0.3)
    assert stds.min() > 0.99 and stds.max() < 1.32 and stds.mean() == pytest.approx(1.13, abs=0.03)
    assert (second.mean(0) - means).abs().mean() > 0.1
    assert Noise().eval()(inputs) is inputs
    plain = Noise()(inputs[0])
    assert plain.shape == inputs[0].shape and plain.mean(0).abs().max() < 0.57


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(3, momentum=None),
        nn.Flatten(0),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2d(2, return_indices=True),
        nn.LayerNorm(3),
        Residual(nn.LayerNorm(3)),
        nn.Sequential(TIED, nn.Tanh(), TIED),
        hooked(nn.Sequential(nn.Linear(3, 3))),
        hooked(Residual(nn.Linear(3, 3))),
    ],
)
def test_modules_without_batched_form_use_other_kernels(layer):
    assert not is_batched(nn.Sequential(layer))


@pytest.mark.parametrize("channels", [3, 4, 5])
def test_strided_pointwise_convolution_equals_torch_forward_and_backward(channels):
    """With channels last in memory torch's own ends in a segmentation fault, for these numbers of channels."""
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, 2 * channels, 1, stride=2, bias=False)
    weights = torch.randn(1, *layer.weight.shape).requires_grad_()
    inputs = torch.randn(1, 32, channels, 32, 32).requires_grad_()
    found = layers.conv2d(layer, {"weight": weights}, inputs, Mode(convolution="channels_last"))
    expected = torch.einsum("oc,nchw->nohw", weights[0, :, :, 0, 0], inputs[0, :, :, ::2, ::2])
    back = torch.randn_like(expected)
    both = [torch.autograd.grad(one, (weights, inputs), back.reshape(one.shape)) for one in (found, expected)]
    for own, plain in zip(*both, strict=True):
        assert (own - plain).norm() < 1e-5 * plain.norm()
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Flatten(),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(3, 4, 1, stride=2),
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        ZeroPadShortcut(2, channels=3),
    ],
)
@pytest.mark.parametrize("stack", [1, 2])
def test_gradients_lie_in_memory_as_their_tensors_do(layer, stack):
    """On a CPU, ReLU and BatchNorm take many times as long where they do not."""
    images = torch.randn(5, 8, 8, stack, 3).permute(3, 0, 4, 1, 2)
    images.requires_grad_()
    own = {name: torch.stack([value.detach()] * stack) for name, value in layer.named_parameters()}
    outputs = batched_form(layer)(layer, own, images, Mode(training=True, convolution="channels_last"))
    (gradient,) = torch.autograd.grad(outputs.square().sum(), images)
    assert _strides(gradient) == _strides(images)
    plain = torch.stack([layer(one) for one in images])
    (truth,) = torch.autograd.grad(plain.square().sum(), images)
    torch.testing.assert_close(gradient, truth)


def batched_form(layer: nn.Module) -> layers.BatchedFunction:
    batched = layer_type(layer).batched
    assert batched is not None
    return batched


def _strides(tensor: torch.Tensor) -> list[int]:
    return [stride for stride, side in zip(tensor.stride(), tensor.shape, strict=True) if side > 1]


@pytest.mark.parametrize("stack", [1, 2])
def test_convolutions_of_one_channel_have_outputs_with_channels_last(stack):
    layer = nn.Conv2d(1, 4, 3)
    images = torch.randn(stack, 5, 1, 8, 8)
    own = {name: torch.stack([value.detach()] * stack) for name, value in layer.named_parameters()}
    outputs = layers.conv2d(layer, own, images, Mode(convolution="channels_last"))
    assert outputs.stride(2) == 1
    torch.testing.assert_close(outputs, torch.stack([layer(one) for one in images]))
