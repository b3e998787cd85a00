"""Families of fully connected networks."""

from __future__ import annotations

import itertools
import math
from typing import Literal

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import (
    Bias,
    Dropout,
    Normalization,
    Positive,
    Shape,
    has_bias,
    identity_layer,
    normalized,
)


def mlp(
    input_shape: Shape,
    outputs: int,
    *,
    width: Positive = 64,
    depth: Positive = 3,
    bias: Bias = "all",
    first: Literal["dense", "identity"] = "dense",
    dropout: Dropout = 0.0,
    batch_norm: Normalization = "none",
) -> nn.Sequential:
    """ReLU perceptron of `depth` linear layers.

    Source: Zhang et al. 2017, hidden layers 3 x 512 and 1 x 512 on 28 x 28 color images (1,735,178 and 1,209,866
    parameters), and Li et al. 2018, 784-200-200-10 and 3072-200-200-10 (199,210 and 656,810).

    `width`: units of each hidden layer. `depth`: number of linear layers. `bias`: which layers have one; with `first`
    or `none` the network is positively homogeneous in the weights of every later layer, as the normalized losses of
    Liao et al. 2018 need. `first`: the weights of the first layer are trained, or are the identity, so that only its
    bias is, as in Loukas et al. 2021 (`trainables.models.modules.Shift`). `dropout`: the probability that a hidden unit
    is left out of a training step. `batch_norm`: before each ReLU nothing, BatchNorm, or BatchNorm and noise, as in
    Santurkar et al. 2018 (`trainables.models.modules.Noise`); not after an identity.

    >>> from benevolent.trainables.models.parts import count
    >>> count(mlp((1, 28, 28), 10, width=200)), count(mlp((3, 32, 32), 10, width=200))
    (199210, 656810)
    >>> count(mlp((3, 28, 28), 10, width=512, depth=4)), count(mlp((3, 28, 28), 10, width=512, depth=2))
    (1735178, 1209866)
    >>> [tuple(p.shape) for p in mlp((10,), 1, width=32, depth=3, first="identity").parameters()]
    [(10,), (32, 10), (32,), (1, 32), (1,)]
    """
    if first == "identity" and depth < 2:
        raise BadInput("model.depth = 1: a first layer fixed at the identity needs another layer after it")
    if first == "identity" and bias == "none":
        raise BadInput("model.bias = 'none': of a first layer fixed at the identity only the bias is trained")
    size = math.prod(input_shape)
    hidden = [width] * (depth - 1)
    if first == "identity":
        hidden[0] = size
    sizes = [size, *hidden, outputs]
    layers: list[nn.Module] = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        if index == 0 and first == "identity":
            layers += identity_layer(size)
            continue
        layer = nn.Linear(fan_in, fan_out, bias=has_bias(bias, index))
        if index == depth - 1:
            layers.append(layer)
            continue
        layers += [*normalized(layer, batch_norm), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return _flattened(input_shape, layers)


def linear(input_shape: Shape, outputs: int, *, bias: Literal["all", "none"] = "all") -> nn.Sequential:
    """One linear layer.

    Source: Nakkiran et al. 2019, sections 2 and 3: the simplest model that a network is compared with.

    `bias`: it has one, or not.

    >>> [tuple(p.shape) for p in linear((1, 28, 28), 1).parameters()]
    [(1, 784), (1,)]
    """
    size = math.prod(input_shape)
    layer = nn.Linear(size, outputs, bias=has_bias(bias, 0))
    return _flattened(input_shape, [layer])


def deep_linear(
    input_shape: Shape,
    outputs: int,
    *,
    width: Positive = 64,
    depth: Positive = 25,
    batch_norm: Normalization = "none",
) -> nn.Sequential:
    """`depth` linear layers without activations.

    Source: the 25-layer deep linear network of Santurkar et al. 2018, section 2.2, in which they measure internal
    covariate shift; its width is not in the sources that we have.

    `width`: units of each hidden layer. `depth`: number of layers. `batch_norm`: after each hidden layer nothing,
    BatchNorm, or BatchNorm and noise.

    >>> from benevolent.trainables.models.parts import count
    >>> count(deep_linear((64,), 10, width=64)) == 24 * (64 * 64 + 64) + 64 * 10 + 10
    True
    """
    sizes = [math.prod(input_shape), *[width] * (depth - 1)]
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += normalized(nn.Linear(fan_in, fan_out), batch_norm)
    layers.append(nn.Linear(sizes[-1], outputs))
    return _flattened(input_shape, layers)


def lenet_300_100(input_shape: Shape, outputs: int, *, bias: Bias = "all") -> nn.Sequential:
    """ReLU perceptron, 300 and 100 hidden units.

    Source: LeCun et al. 1998, as in Frankle and Carbin 2019, figure 2 (266K weights on MNIST; 266,610 with biases).

    `bias`: which layers have one.

    >>> from benevolent.trainables.models.parts import count
    >>> count(lenet_300_100((1, 28, 28), 10)), count(lenet_300_100((1, 28, 28), 10, bias="none"))
    (266610, 266200)
    """
    sizes = [math.prod(input_shape), 300, 100, outputs]
    layers: list[nn.Module] = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(fan_in, fan_out, bias=has_bias(bias, index))
        layers += [layer, nn.ReLU()]
    return _flattened(input_shape, layers[:-1])


def _flattened(input_shape: Shape, layers: list[nn.Module]) -> nn.Sequential:
    """Return the layers as a network, after `nn.Flatten` if an input has several axes."""
    if len(input_shape) > 1:
        layers = [nn.Flatten(), *layers]
    return nn.Sequential(*layers)
