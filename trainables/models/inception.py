"""Inception networks, whose modules apply filters of several sizes to the same inputs."""

from __future__ import annotations

from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import Normalization, Positive, Shape, classifier, image, normalized

#: Modules of Zhang et al. 2017, figure 3, after the first convolution, by their channels in units of 16: those of the
#: 1 x 1 and the 3 x 3 convolution of an inception module, and of the 3 x 3 convolution of a downsampling module.
MODULES: tuple[tuple[int, int] | int, ...] = (
    (2, 2), (2, 3), 5, (7, 3), (6, 4), (5, 5), (3, 6), 6, (11, 10), (11, 10)
)  # fmt: skip


def zhang_inception(
    input_shape: Shape, outputs: int, *, width: Positive = 16, batch_norm: Normalization = "plain"
) -> nn.Sequential:
    """Small Inception.

    Source: Zhang et al. 2017, appendix A and figure 3: a 3 x 3 convolution of 96 channels, eight inception modules
    (1 x 1 and 3 x 3 convolutions of the same inputs) in three stages, between them a downsampling module (a convolution
    with stride 2 beside a 3 x 3 pooling), the mean of all pixels and one linear layer; 1,649,402 weights and biases on
    the 28 x 28 center of CIFAR-10 (`data.crop: 2`).

    `width`: the unit of all channel numbers; the first convolution has six units. `batch_norm`: as in the paper
    before each ReLU, or nothing ('Inception w/o BatchNorm'). Under BatchNorm its offsets are the biases, and its 1,712
    gains come on top.

    >>> from benevolent.trainables.models.parts import count
    >>> count(zhang_inception((3, 28, 28), 10, batch_norm="none")), count(zhang_inception((3, 28, 28), 10))
    (1649402, 1651114)
    """
    from benevolent.trainables.models.modules import Branches

    channels, *_ = image("zhang_inception", input_shape)

    def convolution(features: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        padding = kernel // 2
        layer = nn.Conv2d(channels, features, kernel, stride, padding, bias=batch_norm == "none")
        return [*normalized(layer, batch_norm), nn.ReLU()]

    layers = convolution(6 * width, 3)
    channels = 6 * width
    for units in MODULES:
        if isinstance(units, tuple):
            small = width * units[0]
            large = width * units[1]
            small_branch = nn.Sequential(*convolution(small, 1))
            large_branch = nn.Sequential(*convolution(large, 3))
            layers.append(Branches(small_branch, large_branch))
            channels = small + large
        else:
            added = width * units
            down = nn.Sequential(*convolution(added, 3, 2))
            pool = nn.MaxPool2d(3, 2, padding=1)
            layers.append(Branches(down, pool))
            channels += added
    layers.append(nn.AdaptiveAvgPool2d(1))
    return classifier(layers, [], nn.Linear(channels, outputs))
