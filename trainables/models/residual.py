"""Families of residual networks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import Positive, Shape, classifier, image


def resnet(
    input_shape: Shape, outputs: int, *, depth: Annotated[int, Field(ge=8)] = 20, width: Positive = 16
) -> nn.Sequential:
    """Residual network of `depth` = 6n + 2 layers.

    Source: He et al. 2015, section 4.2: three stages of w, 2w and 4w channels, with shortcuts without parameters
    (option A): 0.27M parameters at depth 20 and 0.85M at 56 on CIFAR-10; depth 56 is the ResNet of Liao et al. 2018,
    appendix L.3. Depth 8 is the smallest.

    `depth`: 6n + 2, with n blocks in each stage. `width`: w, the channels of the first stage.

    >>> from benevolent.trainables.models.parts import count
    >>> [count(resnet((3, 32, 32), 10, depth=depth)) for depth in (8, 20, 56)]
    [75290, 269722, 853018]
    """
    if depth % 6 != 2:
        raise BadInput(f"model.depth = {depth}: a resnet has 6 n + 2 layers, such as 8, 14, 20, 32, 44, 56")
    channels, *_ = image("resnet", input_shape)
    layers = _conv_norm(channels, width, 1)
    layers.append(nn.ReLU())
    channels = width
    for stage in range(3):
        features = width * 2**stage
        for block in range(depth // 6):
            stride = 2 if stage and not block else 1
            layers += [_block(channels, features, stride), nn.ReLU()]
            channels = features
    return classifier([*layers, nn.AdaptiveAvgPool2d(1)], [], nn.Linear(channels, outputs))


def _block(channels: int, features: int, stride: int) -> nn.Module:
    """Return two convolutions with BatchNorm and the shortcut around them."""
    from benevolent.trainables.models.modules import Residual, ZeroPadShortcut

    body = _conv_norm(channels, features, stride)
    body.append(nn.ReLU())
    body += _conv_norm(features, features, 1)
    shortcut = ZeroPadShortcut(stride, features - channels) if stride > 1 else None
    return Residual(nn.Sequential(*body), shortcut)


def preact_resnet(
    input_shape: Shape, outputs: int, *, depth: Annotated[int, Field(ge=2, le=18)] = 18, width: Positive = 64
) -> nn.Sequential:
    """Pre-activation ResNet-18, or its first layers.

    Source: He et al. 2016, 'Identity mappings in deep residual networks' (stages of w, 2w, 4w and 8w channels), and
    Nakkiran et al. 2019, section 4, who explain the 18-layer network by CNNs of its 2, 4 and 6 first layers. Their
    appendix B is not available to us: here `depth` counts the first convolution, two for each residual block, and the
    linear layer, so that `depth: 6` is the network cut after two blocks. It has 11,172,170 parameters on CIFAR-10, as
    is usual (the paper gives no count).

    `depth`: layers with weights that are left, from the first one. `width`: w, the channels of the first stage.

    >>> from benevolent.trainables.models.parts import count
    >>> [count(preact_resnet((3, 32, 32), 10, depth=depth)) for depth in (2, 4, 6, 18)]
    [2506, 76490, 150474, 11172170]
    """
    if depth % 2:
        raise BadInput(f"model.depth = {depth}: a preact_resnet has an even number of layers, since blocks have two")
    channels, *_ = image("preact_resnet", input_shape)
    layers: list[nn.Module] = [_conv(channels, width, 1)]
    channels = width
    for block in range((depth - 2) // 2):
        stage = block // 2
        features = width * 2**stage
        stride = 2 if block in (2, 4, 6) else 1
        layers += _preact_block(channels, features, stride)
        channels = features
    layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return classifier(layers, [], nn.Linear(channels, outputs))


def _preact_block(channels: int, features: int, stride: int) -> list[nn.Module]:
    """Return two convolutions, each after BatchNorm and ReLU, and the shortcut around them."""
    from benevolent.trainables.models.modules import Residual

    activation = [nn.BatchNorm2d(channels), nn.ReLU()]
    first = _conv(channels, features, stride)
    norm = nn.BatchNorm2d(features)
    second = _conv(features, features, 1)
    if stride == 1:
        return [Residual(nn.Sequential(*activation, first, norm, nn.ReLU(), second))]
    # The shortcut, a convolution, takes the activated inputs too.
    shortcut = nn.Conv2d(channels, features, 1, stride, bias=False)
    return [*activation, Residual(nn.Sequential(first, norm, nn.ReLU(), second), shortcut)]


def _conv(channels: int, features: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, features, 3, stride, padding=1, bias=False)


def _conv_norm(channels: int, features: int, stride: int) -> list[nn.Module]:
    return [_conv(channels, features, stride), nn.BatchNorm2d(features)]
