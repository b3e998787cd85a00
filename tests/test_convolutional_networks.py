"""Plain sequences of convolutions train without autograd: their logits and gradients are those of autograd."""

import pytest
import torch
from torch import nn

from benevolent.trainables.models.convolutional import arpit_cnn, lenet5, vgg, zhang_alexnet
from benevolent.trainables.models.puzzles import narrow_cnn, puzzles_bn, puzzles_cnn
from benevolent.trainables.models.residual import resnet
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.module_structure import forward_calls
from benevolent.trainables.stack.network import Network

#: Name: network, shape of its inputs.
FAMILIES = {
    "LeNet-5": (lambda: lenet5((1, 28, 28), 10), (1, 28, 28)),
    "no biases": (lambda: puzzles_cnn((3, 16, 16), 10), (3, 16, 16)),
    "strides": (lambda: puzzles_cnn((1, 16, 16), 10, filters=6, stride=2, padding=2, bias="all"), (1, 16, 16)),
    "BatchNorm": (lambda: puzzles_bn((3, 32, 32), 10, width=5), (3, 32, 32)),
    "BatchNorm and pooling": (lambda: vgg((3, 16, 16), 10, depth=7, width=4, batch_norm="plain"), (3, 16, 16)),
    "one channel in the end": (lambda: narrow_cnn((1, 12, 12), 3, width=1, depth=2), (1, 12, 12)),
    "BatchNorm without weights": (lambda: normalized(affine=False), (2, 6, 6)),
    "BatchNorm without statistics": (lambda: normalized(track_running_stats=False), (2, 6, 6)),
    "groups": (lambda: sequence(nn.Conv2d(4, 6, 3, groups=2, dilation=2), nn.ReLU()), (4, 9, 9)),
    "single pixels": (lambda: sequence(nn.Conv2d(3, 4, 1), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()), (3, 8, 8)),
    "nested": (lambda: nn.Sequential(sequence(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.ReLU()), (1, 6, 6)),
}

#: Networks whose last image is one pixel.
ONE_PIXEL = {
    "narrow": (lambda: narrow_cnn((1, 8, 8), 10), (1, 8, 8)),
    "BatchNorm": (lambda: puzzles_bn((1, 8, 8), 10, width=5), (1, 8, 8)),
}


def sequence(*images):
    return nn.Sequential(*images, nn.Flatten(), nn.LazyLinear(3))


def normalized(**settings):
    return sequence(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, **settings), nn.ReLU())


def network_of(build, shape):
    module = build()
    module(torch.zeros(2, *shape))  # gives linear layers their sizes
    return Network(module)


def both_ways(network, shape, networks, examples):
    """Return logits, gradients and buffers by autograd, and without."""
    torch.manual_seed(0)
    drawn = {name: 0.3 * torch.randn(networks, *own) for name, own in network.shapes.items()}
    views = network.parameters.views(network.parameters.rows(drawn))
    statistics = {name: torch.rand(networks, *own) for name, own in network.buffers.shapes.items()}
    inputs = torch.randn(networks, examples, *shape)
    before = inputs.clone()
    leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
    buffers = network.buffers.views(network.buffers.rows(statistics))
    logits = network.logits(leaves, buffers, inputs, "channels_last", Mode(training=True))
    derivatives = torch.randn_like(logits)
    gradients = torch.autograd.grad(logits.flatten().dot(derivatives.flatten()), list(leaves.values()))
    named = network.batched_tensors(dict(zip(leaves, gradients, strict=True)), {})
    by_autograd = [logits.detach(), *named.values(), *buffers.values()]

    buffers = network.buffers.views(network.buffers.rows(statistics))
    own = network.without_autograd("channels_last")
    tensors = network.batched_tensors(views, buffers)
    without = [own.logits(tensors, inputs), *own.gradients(tensors, derivatives, network.shapes), *buffers.values()]
    assert torch.equal(inputs, before)
    return by_autograd, without


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("networks", "examples"), [(1, 2), (1, 32), (2, 5), (3, 7)])
def test_gradients_are_those_of_autograd(name, networks, examples):
    build, shape = FAMILIES[name]
    by_autograd, without = both_ways(network_of(build, shape), shape, networks, examples)
    for expected, found in zip(by_autograd, without, strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("networks", [1, 2])
def test_gradients_of_one_example_are_those_of_autograd_up_to_rounding(name, networks):
    # The strides of a single image do not say where its channels are, and autograd's are sometimes taken to be first.
    build, shape = FAMILIES[name]
    for expected, found in zip(*both_ways(network_of(build, shape), shape, networks, 1), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ONE_PIXEL)
@pytest.mark.parametrize(("networks", "examples"), [(1, 2), (1, 32), (2, 5), (3, 7)])
def test_gradients_of_images_of_one_pixel_are_those_of_autograd_up_to_rounding(name, networks, examples):
    build, shape = ONE_PIXEL[name]
    network = network_of(build, shape)
    *_, last = (call for call in forward_calls(network.module.eval(), shape) if isinstance(call.layer, nn.Conv2d))
    assert last.output_shape[2:] == (1, 1)
    for expected, found in zip(*both_ways(network, shape, networks, examples), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("settings", "examples"), [({}, 1), ({"affine": False}, 1), ({"eps": 0.0}, 2)])
@pytest.mark.parametrize("networks", [1, 3])
def test_batches_that_torch_refuses_to_normalize_are_refused_in_its_words(networks, settings, examples):
    module = sequence(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, **settings), nn.ReLU()).eval()  # for a pass of `network_of`
    network = network_of(lambda: module, (2, 3, 3))
    views = network.parameters.views(torch.ones(networks, network.parameters.width))
    buffers = network.buffers.views(torch.ones(networks, network.buffers.width))
    tensors = network.batched_tensors(views, buffers)
    inputs = torch.ones(networks, examples, 2, 3, 3)
    with pytest.raises(ValueError) as by_autograd:
        network.logits(views, buffers, inputs, "channels_last", Mode(training=True))
    with pytest.raises(ValueError) as without:
        network.without_autograd("channels_last").logits(tensors, inputs)
    assert str(without.value) == str(by_autograd.value)
    assert all((value == 1).all() for value in buffers.values())


def test_undefined_numbers_are_those_of_autograd():
    build, shape = FAMILIES["LeNet-5"]
    network = network_of(build, shape)
    views = network.parameters.views(network.parameters.rows({n: torch.ones(1, *s) for n, s in network.shapes.items()}))
    views["0.bias"][0, 0] = torch.nan
    inputs = torch.ones(1, 2, *shape)
    logits = network.logits(views, {}, inputs, "channels_last", Mode(training=True))
    own = network.without_autograd("channels_last")
    found = own.logits(network.batched_tensors(views, {}), inputs)
    torch.testing.assert_close(found, logits, rtol=0, atol=0, equal_nan=True)


OTHERS = {
    "shortcuts": lambda: resnet((3, 8, 8), 10, depth=8),
    "response normalization": lambda: zhang_alexnet((3, 28, 28), 10, width=4),
    "BatchNorm of vectors": lambda: arpit_cnn((3, 28, 28), 10, width=4),
    "ReLU first": lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)),
    "BatchNorm first": lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)),
    "smooth": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 2)),
    "no linear layer": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()),
    "single pixels with strides": lambda: nn.Sequential(nn.Conv2d(3, 2, 1, 2), nn.Flatten(), nn.Linear(8, 2)),
    "frozen": lambda: nn.Sequential(nn.Conv2d(1, 2, 3).requires_grad_(False), nn.Flatten(), nn.Linear(8, 2)),
    "perceptron": lambda: nn.Sequential(nn.Flatten(), nn.Linear(8, 2)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_train_by_autograd(name):
    assert Network(OTHERS[name]()).without_autograd("channels_last") is None


@pytest.mark.parametrize("kernel", ["batched", "matmul", "loop"])
def test_other_kernels_train_by_autograd(kernel):
    assert network_of(*FAMILIES["LeNet-5"]).without_autograd(kernel) is None


def test_rounded_arithmetic_is_trained_by_autograd():
    assert Network(lenet5((1, 28, 28), 10), arithmetic="bf16").without_autograd("channels_last") is None
