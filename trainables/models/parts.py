"""What the model families share: the types of their fields, normalization, and what is said where they do not fit."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from benevolent.trainables.config.base import PerRun
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models.modules import Noise

Positive = Annotated[int, Field(ge=1)]
#: Of units that a step leaves out; runs of one stack may differ in it (`trainables.stack.layers.Mode`).
Dropout = Annotated[float, Field(ge=0, lt=1), PerRun]
Bias = Literal["all", "first", "none"]
Normalization = Literal["none", "plain", "noisy"]
Shape = tuple[int, ...]


def has_bias(policy: Bias, layer: int) -> bool:
    """Whether the layer of this index has a bias."""
    return policy == "all" or (policy == "first" and layer == 0)


def normalized(layer: nn.Linear | nn.Conv2d, kind: Normalization) -> list[nn.Module]:
    """A layer and what normalizes its outputs: nothing, BatchNorm, or BatchNorm and `Noise`."""
    if kind == "none":
        return [layer]
    norm: nn.Module = (
        nn.BatchNorm2d(layer.out_channels) if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d(layer.out_features)
    )
    return [layer, norm, Noise()] if kind == "noisy" else [layer, norm]


def image(family: str, input_shape: Shape) -> tuple[int, int, int]:
    """Channels, height and width of one input.

    Raises:
        BadInput: inputs are no images.
    """
    if len(input_shape) != 3:
        raise BadInput(f"model.family = {family!r}: takes images (channels, height, width), not shape {input_shape}")
    channels, height, width = input_shape
    return channels, height, width


def flat_size(layers: list[nn.Module], input_shape: Shape, setting: str) -> int:
    """How many numbers the layers make of one input.

    Raises:
        BadInput: they do not fit on inputs of this shape; the line begins with the `setting` that asks for them.
    """
    network = nn.Sequential(*layers).eval()
    try:
        with torch.no_grad():
            size = network(torch.zeros(1, *input_shape)).numel()
    except RuntimeError as error:
        raise BadInput(
            f"{setting}: does not fit on inputs of shape {input_shape}; allowed: less of it, or larger inputs"
        ) from error
    network.train()
    return size


def count(module: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
