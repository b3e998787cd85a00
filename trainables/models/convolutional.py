"""Families of convolutional networks without shortcuts."""

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from benevolent.trainables.models.modules import Shift
from benevolent.trainables.models.parts import (
    Bias,
    Dropout,
    Normalization,
    Positive,
    Shape,
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
    layer has a bias. With 24 filters on 3 x 32 x 32
    inputs it has 154,464 parameters (L.1.1), with 34 on 1 x 28 x 28 it has 165,784 (L.1.2). The network of figure 2,
    top, is `{filters: 64, stride: 2, padding: 2, bias: none}`: 148,160 by our count.

    >>> from benevolent.trainables.models.parts import count
    >>> count(puzzles_cnn((3, 32, 32), 10)), count(puzzles_cnn((1, 28, 28), 10, filters=34))
    (154464, 165784)
    >>> count(puzzles_cnn((3, 32, 32), 10, filters=64, stride=2, padding=2, bias="none"))
    148160
    """
    channels, *_ = image("puzzles_cnn", input_shape)
    conv: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "padding": padding}
    layers: list[nn.Module] = [
        nn.Conv2d(channels, filters, bias=has_bias(bias, 0), **conv),
        nn.ReLU(),
        nn.Conv2d(filters, filters, bias=has_bias(bias, 1), **conv),
        nn.ReLU(),
    ]
    size = flat_size(layers, input_shape, f"model.kernel = {kernel}")
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, outputs, bias=has_bias(bias, 2)))


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
    layer. The text gives about 188,810 parameters but
    neither stride nor padding, and we found none that give this number. With stride 2 and padding 1 on 3 x 32 x 32
    inputs there are 135,594 (no biases under BatchNorm).

    >>> from benevolent.trainables.models.parts import count
    >>> count(puzzles_bn((3, 32, 32), 10))
    135594
    """
    channels, *_ = image("puzzles_bn", input_shape)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([channels, width, 2 * width, 2 * width, 4 * width]):
        conv = nn.Conv2d(fan_in, fan_out, 3, stride, padding=1, bias=batch_norm == "none")
        layers += [*normalized(conv, batch_norm), nn.ReLU()]
    size = flat_size(layers, input_shape, f"model.stride = {stride}")
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, outputs))


def narrow_cnn(input_shape: Shape, outputs: int, *, width: Positive = 16, depth: Positive = 5) -> nn.Sequential:
    """`depth` narrow convolutions.

    Source: Liao et al. 2018, figure 1: '5-layer convolutional network (i.e., no pooling) with 16 channels per hidden
    layer', about 10,000 parameters. Ours are 3 x 3 with stride 2 and padding 1, and a linear layer follows: 9,898
    parameters on 3 x 32 x 32 inputs.

    >>> from benevolent.trainables.models.parts import count
    >>> count(narrow_cnn((3, 32, 32), 10))
    9898
    """
    channels, *_ = image("narrow_cnn", input_shape)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([channels, *[width] * depth]):
        layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), nn.ReLU()]
    size = flat_size(layers, input_shape, f"model.depth = {depth}")
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, outputs))


def lenet5(input_shape: Shape, outputs: int) -> nn.Sequential:
    """LeNet-5 with ReLU and max-pooling.

    Source: LeCun et al. 1998, as in Li et al. 2018 (D = 44,426 on MNIST and 62,006 on CIFAR-10): 5 x 5 convolutions
    of 6 and 16 channels, each pooled, and linear layers of 120 and 84 units.

    >>> from benevolent.trainables.models.parts import count
    >>> count(lenet5((1, 28, 28), 10)), count(lenet5((3, 32, 32), 10))
    (44426, 62006)
    """
    channels, *_ = image("lenet5", input_shape)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([channels, 6, 16]):
        layers += [nn.Conv2d(fan_in, fan_out, 5), nn.ReLU(), nn.MaxPool2d(2)]
    size = flat_size(layers, input_shape, "model.family = 'lenet5'")
    return nn.Sequential(*layers, nn.Flatten(), *_dense(size, 120, 84), nn.Linear(84, outputs))


def frankle_conv(
    input_shape: Shape,
    outputs: int,
    *,
    depth: Literal[2, 4, 6] = 2,
    width: Positive = 64,
    units: Positive = 256,
    dropout: Dropout = 0.0,
) -> nn.Sequential:
    """Conv-2, Conv-4 and Conv-6 of lottery tickets.

    Source: Frankle and Carbin 2019, figure 2: pairs of 3 x 3 convolutions of w, 2w and 4w channels, each pair pooled,
    and three linear layers. `depth`: how many convolutions; `width`: channels of the first two;
    `units`: of the two hidden linear layers. On CIFAR-10 they give 4.3M parameters, 38K of them in convolutions
    (Conv-2), 2.4M and 260K (Conv-4), 1.7M and 1.1M (Conv-6). The last total cannot be reproduced: the network as they
    describe it has 2.3M. `dropout`: the probability that a hidden linear unit is left out of a training step; they
    train with 0.5, and where is not in the sources that we have.

    >>> from benevolent.trainables.models.parts import count
    >>> [count(frankle_conv((3, 32, 32), 10, depth=depth)) for depth in (2, 4, 6)]
    [4301642, 2425930, 2262602]
    >>> convolutions = [p for p in frankle_conv((3, 32, 32), 10, depth=6).parameters() if p.ndim == 4]
    >>> sum(p.numel() for p in convolutions)
    1144512
    """
    channels, *_ = image("frankle_conv", input_shape)
    layers: list[nn.Module] = []
    for stage in range(depth // 2):
        layers += _convolutions(channels, width * 2**stage, 2, "none")
        channels = width * 2**stage
    size = flat_size(layers, input_shape, f"model.depth = {depth}")
    return nn.Sequential(*layers, nn.Flatten(), *_dense(size, units, units, dropout=dropout), nn.Linear(units, outputs))


def vgg(
    input_shape: Shape,
    outputs: int,
    *,
    depth: Literal[5, 7, 9, 11, 13, 16, 19] = 11,
    width: Positive = 64,
    batch_norm: Normalization = "none",
) -> nn.Sequential:
    """VGG with one linear layer.

    Source: Simonyan and Zisserman 2015, table 1 (columns A, B, D, E: depths 11, 13, 16, 19): stages of 3 x 3
    convolutions of w, 2w, 4w, 8w and 8w channels, each pooled; one linear layer instead of three, as is usual on
    CIFAR-10.

    Santurkar et al. 2018 train it there with BatchNorm, without it, and with noise. Depths 5, 7 and 9 are VGG-11
    without its last stages, for small inputs.

    >>> from benevolent.trainables.models.parts import count
    >>> count(vgg((3, 32, 32), 10, depth=11)), count(vgg((3, 32, 32), 10, depth=16, batch_norm="plain"))
    (9225610, 14728266)
    """
    channels, *_ = image("vgg", input_shape)
    stages = {13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}.get(depth, [1, 1, 2, 2, 2][: depth // 2])
    layers: list[nn.Module] = []
    for stage, convolutions in enumerate(stages):
        features = width * min(2**stage, 8)
        layers += _convolutions(channels, features, convolutions, batch_norm)
        channels = features
    size = flat_size(layers, input_shape, f"model.depth = {depth}")
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, outputs))


def arpit_cnn(
    input_shape: Shape, outputs: int, *, width: Positive = 200, batch_norm: Normalization = "plain"
) -> nn.Sequential:
    """Two pooled convolutions with BatchNorm.

    Source: Arpit et al. 2017, the network for CIFAR-10: 5 x 5 convolutions pooled by 3, linear layers of 384 and 192
    units, BatchNorm before every ReLU. Their first layer, a crop of 2 pixels, is a field of the data: `data.crop: 2`.
    They give no count; 1,170,386 parameters on 3 x 28 x 28 inputs, without padding.

    >>> from benevolent.trainables.models.parts import count
    >>> count(arpit_cnn((3, 28, 28), 10))
    1170386
    """
    channels, *_ = image("arpit_cnn", input_shape)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([channels, width, width]):
        layers += [*normalized(nn.Conv2d(fan_in, fan_out, 5), batch_norm), nn.ReLU(), nn.MaxPool2d(3)]
    size = flat_size(layers, input_shape, "model.family = 'arpit_cnn'")
    dense = _dense(size, 384, 192, batch_norm=batch_norm)
    return nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(192, outputs))


def zhang_alexnet(input_shape: Shape, outputs: int, *, width: Positive = 64) -> nn.Sequential:
    """Small AlexNet.

    Source: Zhang et al. 2017, appendix A: twice a 5 x 5 convolution, a 3 x 3 pooling and local response normalization,
    then linear layers of 384 and 192 units; 1,387,786 parameters on the 28 x 28 center of CIFAR-10 (`data.crop: 2`).
    The count says that convolutions have w = 64 channels and keep the size, that poolings halve it, and that linear
    layers have 6 w and 3 w units. The constants of the normalization are not in the paper: here those of the CIFAR-10
    network that came with TensorFlow at the time (nine channels, 1 + 0.001 / 9 times their sum of squares, to the power
    of 0.75).

    >>> from benevolent.trainables.models.parts import count
    >>> count(zhang_alexnet((3, 28, 28), 10))
    1387786
    """
    channels, *_ = image("zhang_alexnet", input_shape)
    layers: list[nn.Module] = []
    for fan_in in (channels, width):
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75)  # torch divides alpha by the number of channels
        layers += [nn.Conv2d(fan_in, width, 5, padding=2), nn.ReLU(), pool, norm]
    size = flat_size(layers, input_shape, "model.family = 'zhang_alexnet'")
    return nn.Sequential(*layers, nn.Flatten(), *_dense(size, 6 * width, 3 * width), nn.Linear(3 * width, outputs))


def nakkiran_cnn(input_shape: Shape, outputs: int, *, width: Positive = 32, units: Positive = 2000) -> nn.Sequential:
    """Four convolutions and a wide linear layer.

    Source: Nakkiran, Kalimeris et al. 2019, section 3, as a public replication has it (their appendix B is not
    available to us): 3 x 3 convolutions of w channels, of which the first two are pooled by 2, and `units` linear
    units. Whether convolutions are padded is not in the sources; here they keep the size. With one output, 4,128,641
    parameters on 3 x 32 x 32 inputs.

    >>> from benevolent.trainables.models.parts import count
    >>> count(nakkiran_cnn((3, 32, 32), 1))
    4128641
    """
    channels, *_ = image("nakkiran_cnn", input_shape)
    layers: list[nn.Module] = []
    for index, fan_in in enumerate([channels, width, width, width]):
        layers += [nn.Conv2d(fan_in, width, 3, padding=1), nn.ReLU(), *([nn.MaxPool2d(2)] if index < 2 else [])]
    size = flat_size(layers, input_shape, "model.family = 'nakkiran_cnn'")
    return nn.Sequential(*layers, nn.Flatten(), *_dense(size, units), nn.Linear(units, outputs))


def loukas_cnn(input_shape: Shape, outputs: int, *, width: Positive = 96) -> nn.Sequential:
    """Convolutions behind an identity layer.

    Source: Loukas et al. 2021, the authors' code for two classes of CIFAR-10 and of MNIST: a bias on every pixel, 5 x
    5 convolutions of w and 4w channels pooled by 3, and 4w linear units; their last sigmoid is part of the loss here.
    With one output, 1,080,577 parameters on 3 x 32 x 32 inputs (the source gives no count).

    >>> from benevolent.trainables.models.parts import count
    >>> count(loukas_cnn((3, 32, 32), 1))
    1080577
    """
    shape = image("loukas_cnn", input_shape)
    size = math.prod(shape)
    layers: list[nn.Module] = [nn.Flatten(), Shift(size), nn.ReLU(), nn.Unflatten(1, shape)]
    for fan_in, fan_out in itertools.pairwise([shape[0], width, 4 * width]):
        layers += [nn.Conv2d(fan_in, fan_out, 5), nn.ReLU(), nn.MaxPool2d(3)]
    size = flat_size(layers, input_shape, "model.family = 'loukas_cnn'")
    return nn.Sequential(*layers, nn.Flatten(), *_dense(size, 4 * width), nn.Linear(4 * width, outputs))


def _convolutions(channels: int, features: int, convolutions: int, batch_norm: Normalization) -> list[nn.Module]:
    """3 x 3 convolutions that keep the size, with ReLU, and a pooling that halves it."""
    layers: list[nn.Module] = []
    for fan_in in [channels, *[features] * (convolutions - 1)]:
        layers += [*normalized(nn.Conv2d(fan_in, features, 3, padding=1), batch_norm), nn.ReLU()]
    return [*layers, nn.MaxPool2d(2)]


def _dense(*sizes: int, batch_norm: Normalization = "none", dropout: float = 0.0) -> list[nn.Module]:
    """Linear layers with ReLU, and dropout after it."""
    layers: list[nn.Module] = []
    for pair in itertools.pairwise(sizes):
        layers += [*normalized(nn.Linear(*pair), batch_norm), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
    return layers
