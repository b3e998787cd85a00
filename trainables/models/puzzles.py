"""The convolutional networks of Liao et al. 2018, 'Generalization puzzles in deep networks'."""

from __future__ import annotations

import itertools
from typing import Annotated

from pydantic import Field

from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import (
    Bias,
    Normalization,
    Positive,
    Shape,
    classifier,
    flat_size,
    has_bias,
    image,
    normalized,
)


def puzzles_cnn(
    input_shape: Shape,
    outputs: int,
    *,
    filters: Positive = 24,
    kernel: Positive = 5,
    stride: Positive = 1,
    padding: Annotated[int, Field(ge=0)] = 0,
    bias: Bias = "first",
) -> nn.Sequential:
    """Two convolutions and a linear layer.

    Source: Liao et al. 2018, 'Generalization puzzles in deep networks', appendix L.1: no pooling, and only the first
    layer has a bias. With 24 filters on 3 x 32 x 32 inputs it has 154,464 parameters (L.1.1), with 34 on 1 x 28 x 28 it
    has 165,784 (L.1.2). The network of figure 2, top, is `{filters: 64, stride: 2, padding: 2, bias: none}`: 148,160 by
    our count.

    `filters`: channels of each convolution. `kernel`: side of both convolutions. `stride`, `padding`: of both
    convolutions. `bias`: which layers have one.

    >>> from benevolent.trainables.models.parts import count
    >>> count(puzzles_cnn((3, 32, 32), 10)), count(puzzles_cnn((1, 28, 28), 10, filters=34))
    (154464, 165784)
    >>> count(puzzles_cnn((3, 32, 32), 10, filters=64, stride=2, padding=2, bias="none"))
    148160
    """
    channels, *_ = image("puzzles_cnn", input_shape)
    layers: list[nn.Module] = []
    for index, fan_in in enumerate([channels, filters]):
        convolution = nn.Conv2d(fan_in, filters, kernel, stride, padding, bias=has_bias(bias, index))
        layers += [convolution, nn.ReLU()]
    size = flat_size(layers, input_shape, f"model.kernel = {kernel}")
    last = nn.Linear(size, outputs, bias=has_bias(bias, 2))
    return classifier(layers, [], last)


def puzzles_bn(
    input_shape: Shape,
    outputs: int,
    *,
    width: Positive = 32,
    stride: Positive = 2,
    batch_norm: Normalization = "plain",
) -> nn.Sequential:
    """Four convolutions with BatchNorm.

    Source: Liao et al. 2018, appendix L.2: 3 x 3 convolutions of w, 2w, 2w and 4w channels (w = 32), and a linear
    layer. The text gives about 188,810 parameters but neither stride nor padding, and we found none that give this
    number. With stride 2 and padding 1 on 3 x 32 x 32 inputs there are 135,594 (no biases under BatchNorm).

    `width`: w, the channels of the first convolution. `stride`: of each convolution.
    `batch_norm`: before each ReLU nothing, BatchNorm, or BatchNorm and noise.

    >>> from benevolent.trainables.models.parts import count
    >>> count(puzzles_bn((3, 32, 32), 10))
    135594
    """
    channels, *_ = image("puzzles_bn", input_shape)
    layers: list[nn.Module] = []
    sizes = [channels, width, 2 * width, 2 * width, 4 * width]
    for fan_in, fan_out in itertools.pairwise(sizes):
        convolution = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=batch_norm == "none")
        layers += normalized(convolution, batch_norm)
        layers.append(nn.ReLU())
    size = flat_size(layers, input_shape, f"model.stride = {stride}")
    return classifier(layers, [], nn.Linear(size, outputs))


def narrow_cnn(input_shape: Shape, outputs: int, *, width: Positive = 16, depth: Positive = 5) -> nn.Sequential:
    """`depth` narrow convolutions.

    Source: Liao et al. 2018, figure 1: '5-layer convolutional network (i.e., no pooling) with 16 channels per hidden
    layer', about 10,000 parameters. Ours are 3 x 3 with stride 2 and padding 1, and a linear layer follows: 9,898
    parameters on 3 x 32 x 32 inputs.

    `width`: channels of each convolution. `depth`: number of convolutions.

    >>> from benevolent.trainables.models.parts import count
    >>> count(narrow_cnn((3, 32, 32), 10))
    9898
    """
    channels, *_ = image("narrow_cnn", input_shape)
    layers: list[nn.Module] = []
    for _ in range(depth):
        convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        layers += [convolution, nn.ReLU()]
        channels = width
    size = flat_size(layers, input_shape, f"model.depth = {depth}")
    return classifier(layers, [], nn.Linear(size, outputs))
