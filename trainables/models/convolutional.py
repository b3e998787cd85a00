"""Families of convolutional networks without shortcuts."""

from __future__ import annotations

import itertools
import math
from typing import Literal

from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import (
    Dropout,
    Normalization,
    Positive,
    Shape,
    classifier,
    flat_size,
    identity_layer,
    image,
    normalized,
)

#: Convolutions of the stages of VGG (Simonyan and Zisserman 2015, table 1) by depth; 5 to 9 are VGG-11 without its
#: last.
VGG_STAGES = {
    5: [1, 1],
    7: [1, 1, 2],
    9: [1, 1, 2, 2],
    11: [1, 1, 2, 2, 2],
    13: [2, 2, 2, 2, 2],
    16: [2, 2, 3, 3, 3],
    19: [2, 2, 4, 4, 4],
}


def lenet5(input_shape: Shape, outputs: int, *, kernel: Positive = 5) -> nn.Sequential:
    """LeNet-5 with ReLU and max-pooling.

    Source: LeCun et al. 1998, as in Li et al. 2018 (D = 44,426 on MNIST and 62,006 on CIFAR-10): 5 x 5 convolutions
    of 6 and 16 channels, each pooled, and linear layers of 120 and 84 units. `kernel`: side of the convolutions; 3 fits
    images of 14 x 14.

    >>> from benevolent.trainables.models.parts import count
    >>> count(lenet5((1, 28, 28), 10)), count(lenet5((3, 32, 32), 10))
    (44426, 62006)
    >>> count(lenet5((1, 14, 14), 10, kernel=3))
    19754
    """
    channels, *_ = image("lenet5", input_shape)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([channels, 6, 16]):
        convolution = nn.Conv2d(fan_in, fan_out, kernel)
        layers += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
    size = flat_size(layers, input_shape, "model.family = 'lenet5'")
    return classifier(layers, _dense(size, 120, 84), nn.Linear(84, outputs))


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
    and three linear layers. `depth`: number of convolutions. `width`: channels of the first two. `units`: of
    the two hidden linear layers. On CIFAR-10 they give 4.3M parameters, 38K of them in convolutions
    (Conv-2), 2.4M and 260K (Conv-4), 1.7M and 1.1M (Conv-6). The last total cannot be reproduced: the network as they
    describe it has 2.3M. `dropout`: the probability that a hidden linear unit is left out of a training step; they
    train with 0.5; the sources that we have do not say where.

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
        features = width * 2**stage
        layers += _convolutions(channels, features, 2, "none")
        channels = features
    size = flat_size(layers, input_shape, f"model.depth = {depth}")
    dense = _dense(size, units, units, dropout=dropout)
    return classifier(layers, dense, nn.Linear(units, outputs))


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

    `depth`: number of layers with weights in the source. `width`: w, the channels of the first stage.
    `batch_norm`: before each ReLU nothing, BatchNorm, or BatchNorm and noise.

    >>> from benevolent.trainables.models.parts import count
    >>> count(vgg((3, 32, 32), 10, depth=11)), count(vgg((3, 32, 32), 10, depth=16, batch_norm="plain"))
    (9225610, 14728266)
    """
    channels, *_ = image("vgg", input_shape)
    layers: list[nn.Module] = []
    for stage, convolutions in enumerate(VGG_STAGES[depth]):
        features = width * min(2**stage, 8)
        layers += _convolutions(channels, features, convolutions, batch_norm)
        channels = features
    size = flat_size(layers, input_shape, f"model.depth = {depth}")
    return classifier(layers, [], nn.Linear(size, outputs))


def arpit_cnn(
    input_shape: Shape, outputs: int, *, width: Positive = 200, batch_norm: Normalization = "plain"
) -> nn.Sequential:
    """Two pooled convolutions with BatchNorm.

    Source: Arpit et al. 2017, the network for CIFAR-10: 5 x 5 convolutions pooled by 3, linear layers of 384 and 192
    units, BatchNorm before every ReLU. Their first layer, a crop of 2 pixels, is a field of the data: `data.crop: 2`.
    They give no count; 1,170,386 parameters on 3 x 28 x 28 inputs, without padding.

    `width`: channels of both convolutions.
    `batch_norm`: before each ReLU nothing, BatchNorm, or BatchNorm and noise.

    >>> from benevolent.trainables.models.parts import count
    >>> count(arpit_cnn((3, 28, 28), 10))
    1170386
    """
    channels, *_ = image("arpit_cnn", input_shape)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([channels, width, width]):
        convolution = nn.Conv2d(fan_in, fan_out, 5)
        layers += normalized(convolution, batch_norm)
        layers += [nn.ReLU(), nn.MaxPool2d(3)]
    size = flat_size(layers, input_shape, "model.family = 'arpit_cnn'")
    dense = _dense(size, 384, 192, batch_norm=batch_norm)
    return classifier(layers, dense, nn.Linear(192, outputs))


def zhang_alexnet(input_shape: Shape, outputs: int, *, width: Positive = 64) -> nn.Sequential:
    """Small AlexNet.

    Source: Zhang et al. 2017, appendix A: twice a 5 x 5 convolution, a 3 x 3 pooling and local response normalization,
    then linear layers of 384 and 192 units; 1,387,786 parameters on the 28 x 28 center of CIFAR-10 (`data.crop: 2`).
    The count says that convolutions have w = 64 channels and keep the size, that poolings halve it, and that linear
    layers have 6 w and 3 w units. The constants of the normalization are not in the paper: here those of the CIFAR-10
    network that came with TensorFlow at the time (nine channels, 1 + 0.001 / 9 times their sum of squares, to the power
    of 0.75).

    `width`: w, the channels of both convolutions.

    >>> from benevolent.trainables.models.parts import count
    >>> count(zhang_alexnet((3, 28, 28), 10))
    1387786
    """
    channels, *_ = image("zhang_alexnet", input_shape)
    layers: list[nn.Module] = []
    for fan_in in (channels, width):
        convolution = nn.Conv2d(fan_in, width, 5, padding=2)
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75)  # torch divides alpha by the number of channels
        layers += [convolution, nn.ReLU(), pool, norm]
    size = flat_size(layers, input_shape, "model.family = 'zhang_alexnet'")
    dense = _dense(size, 6 * width, 3 * width)
    return classifier(layers, dense, nn.Linear(3 * width, outputs))


def nakkiran_cnn(input_shape: Shape, outputs: int, *, width: Positive = 32, units: Positive = 2000) -> nn.Sequential:
    """Four convolutions and a wide linear layer.

    Source: Nakkiran, Kalimeris et al. 2019, section 3, as a public replication has it (their appendix B is not
    available to us): 3 x 3 convolutions of w channels, of which the first two are pooled by 2, and `units` linear
    units. Whether convolutions are padded is not in the sources; here they keep the size. With one output, 4,128,641
    parameters on 3 x 32 x 32 inputs.

    `width`: channels of each convolution. `units`: of the wide linear layer.

    >>> from benevolent.trainables.models.parts import count
    >>> count(nakkiran_cnn((3, 32, 32), 1))
    4128641
    """
    channels, *_ = image("nakkiran_cnn", input_shape)
    layers: list[nn.Module] = []
    for index, fan_in in enumerate([channels, width, width, width]):
        convolution = nn.Conv2d(fan_in, width, 3, padding=1)
        layers += [convolution, nn.ReLU()]
        if index < 2:
            layers.append(nn.MaxPool2d(2))
    size = flat_size(layers, input_shape, "model.family = 'nakkiran_cnn'")
    return classifier(layers, _dense(size, units), nn.Linear(units, outputs))


def loukas_cnn(input_shape: Shape, outputs: int, *, width: Positive = 96) -> nn.Sequential:
    """Convolutions behind an identity layer.

    Source: Loukas et al. 2021, the authors' code for two classes of CIFAR-10 and of MNIST: a bias on every pixel, 5 x
    5 convolutions of w and 4w channels pooled by 3, and 4w linear units; their last sigmoid is part of the loss here.
    With one output, 1,080,577 parameters on 3 x 32 x 32 inputs (the source gives no count).

    `width`: w, the channels of the first convolution.

    >>> from benevolent.trainables.models.parts import count
    >>> count(loukas_cnn((3, 32, 32), 1))
    1080577
    """
    shape = image("loukas_cnn", input_shape)
    size = math.prod(shape)
    layers: list[nn.Module] = [nn.Flatten(), *identity_layer(size)]
    layers.append(nn.Unflatten(1, shape))
    sizes = [shape[0], width, 4 * width]
    for fan_in, fan_out in itertools.pairwise(sizes):
        convolution = nn.Conv2d(fan_in, fan_out, 5)
        layers += [convolution, nn.ReLU(), nn.MaxPool2d(3)]
    size = flat_size(layers, input_shape, "model.family = 'loukas_cnn'")
    dense = _dense(size, 4 * width)
    return classifier(layers, dense, nn.Linear(4 * width, outputs))


def _convolutions(channels: int, features: int, convolutions: int, batch_norm: Normalization) -> list[nn.Module]:
    """Return 3 x 3 convolutions that keep the size, with ReLU, and a pooling that halves it."""
    layers: list[nn.Module] = []
    for _ in range(convolutions):
        convolution = nn.Conv2d(channels, features, 3, padding=1)
        layers += normalized(convolution, batch_norm)
        layers.append(nn.ReLU())
        channels = features
    return [*layers, nn.MaxPool2d(2)]


def _dense(*sizes: int, batch_norm: Normalization = "none", dropout: float = 0.0) -> list[nn.Module]:
    """Return linear layers with ReLU, and dropout after it."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += normalized(nn.Linear(fan_in, fan_out), batch_norm)
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
    return layers
