"""Perceptrons train without autograd: their logits and gradients are those of autograd, bit for bit."""

import itertools
import math

import pytest
import torch
from torch import nn

from benevolent.trainables.models import mlp
from benevolent.trainables.stack.dense_networks import DenseNetworks
from benevolent.trainables.stack.layers import Mode
from benevolent.trainables.stack.network import Network

SHAPES = (((64,), (64, 64, 10)), ((5,), (7, 3)), ((1, 8, 8), (33, 17, 1)), ((2,), (300, 2)))


def perceptron(shape, widths, bias):
    layers = [nn.Flatten()] if len(shape) > 1 else []
    for fan_in, fan_out in itertools.pairwise([math.prod(shape), *widths]):
        layers += [nn.Linear(fan_in, fan_out, bias=bias), nn.ReLU()]
    return Network(nn.Sequential(*layers[:-1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("examples", [1, 2, 32, 100])
@pytest.mark.parametrize("networks", [1, 2, 8])
def test_gradients_are_those_of_autograd(networks, examples, dtype):
    torch.manual_seed(0)
    for (shape, widths), bias in itertools.product(SHAPES, (True, False)):
        network = perceptron(shape, widths, bias)
        drawn = {name: 0.3 * torch.randn(networks, *own) for name, own in network.shapes.items()}
        views = network.parameters.views(network.parameters.rows(drawn).to(dtype))
        inputs = torch.randn(networks, examples, *shape, dtype=dtype)
        derivatives = torch.randn(networks, examples, widths[-1], dtype=dtype)
        leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
        logits = network.logits(leaves, {}, inputs, "batched", Mode(training=True))
        expected = torch.autograd.grad(logits.flatten().dot(derivatives.flatten()), list(leaves.values()))

        dense = DenseNetworks(network.dense_layers)
        assert torch.equal(dense.logits(views, inputs), logits)
        found = dense.gradients(views, derivatives, views)
        assert len(found) == len(expected)
        for own, theirs in zip(found, expected, strict=True):
            assert torch.equal(own, theirs)


def test_infinite_and_undefined_numbers_are_those_of_autograd():
    network = perceptron((3,), (4, 2), True)
    drawn = {name: torch.ones(1, *own) for name, own in network.shapes.items()}
    drawn["0.weight"][0, 0, 0] = torch.inf
    drawn["2.weight"][0, 0, 1] = torch.nan
    views = network.parameters.views(network.parameters.rows(drawn))
    inputs = torch.ones(1, 2, 3)
    leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
    logits = network.logits(leaves, {}, inputs, "batched", Mode(training=True))
    expected = torch.autograd.grad(logits.sum(), list(leaves.values()))
    dense = DenseNetworks(network.dense_layers)
    dense.logits(views, inputs)
    for own, theirs in zip(dense.gradients(views, torch.ones(1, 2, 2), views), expected, strict=True):
        torch.testing.assert_close(own, theirs, rtol=0, atol=0, equal_nan=True)


def frozen():
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    module[0].weight.requires_grad_(False)
    return module


OTHERS = {
    "smooth": lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)),
    "two ReLUs": lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.ReLU(), nn.Linear(4, 2)),
    "ReLU first": lambda: nn.Sequential(nn.ReLU(), nn.Linear(4, 2)),
    "one input": lambda: nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 2)),
    "images": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)),
    "frozen": frozen,
    "dropout": lambda: mlp((4,), 2, width=4, dropout=0.5),
    "BatchNorm": lambda: mlp((4,), 2, width=4, batch_norm="plain"),
    "identity": lambda: mlp((4,), 2, width=4, first="identity"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_train_by_autograd(name):
    assert not Network(OTHERS[name]()).dense_layers


def test_perceptrons_of_the_family_are_dense():
    assert len(Network(mlp((1, 8, 8), 10, width=16, depth=3)).dense_layers) == 3
