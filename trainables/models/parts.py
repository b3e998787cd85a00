"""Shared parts of the model families: types of their fields, normalization, and checks of the input shape."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn, torch
from benevolent.trainables.per_run_fields import PerRun

Positive = Annotated[int, Field(ge=1)]
#: Probability that a step leaves a unit out; runs of one stack may differ in it (`trainables.stack.layers.Mode`).
Dropout = Annotated[float, Field(ge=0, lt=1), PerRun]
Bias = Literal["all", "first", "none"]
Normalization = Literal["none", "plain", "noisy"]
Shape = tuple[int, ...]


def has_bias(policy: Bias, layer: int) -> bool:
    """Return True if the layer of this index has a bias."""
    return policy == "all" or (policy == "first" and layer == 0)


def normalized(layer: nn.Linear | nn.Conv2d, kind: Normalization) -> list[nn.Module]:
    """Return a layer and the normalization of its outputs: nothing, BatchNorm, or BatchNorm and `Noise`."""
    if kind == "none":
        return [layer]
    layers = [layer, _batch_norm(layer)]
    if kind == "noisy":
        from benevolent.trainables.models.modules import Noise

        layers.append(Noise())
    return layers


def _batch_norm(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    if isinstance(layer, nn.Conv2d):
        return nn.BatchNorm2d(layer.out_channels)
    return nn.BatchNorm1d(layer.out_features)


def identity_layer(size: int) -> list[nn.Module]:
    """Return a ReLU layer whose weights are fixed at the identity, so that only its bias is trained."""
    from benevolent.trainables.models.modules import Shift

    return [Shift(size), nn.ReLU()]


def classifier(features: list[nn.Module], hidden: list[nn.Module], last: nn.Linear) -> nn.Sequential:
    """Return the network of convolutional layers, hidden layers on all of their outputs, and a last layer."""
    return nn.Sequential(*features, nn.Flatten(), *hidden, last)


def image(family: str, input_shape: Shape) -> tuple[int, int, int]:
    """Return channels, height and width of one input.

    Raises:
        BadInput: inputs are not images.
    """
    if len(input_shape) != 3:
        raise BadInput(f"model.family = {family!r}: takes images (channels, height, width), not shape {input_shape}")
    channels, height, width = input_shape
    return channels, height, width


def flat_size(layers: list[nn.Module], input_shape: Shape, setting: str) -> int:
    """Return the size of the layers' outputs for one input.

    Raises:
        BadInput: the layers do not fit on inputs of this shape; the message begins with the `setting` that asks for
        them.
    """
    network = nn.Sequential(*layers).eval()
    try:
        with torch.no_grad():
            size = network(torch.zeros(1, *input_shape)).numel()
    except RuntimeError as error:
        raise BadInput(
            f"{setting}: does not fit on inputs of shape {input_shape}; allowed: a smaller value, or larger inputs"
        ) from error
    network.train()
    return size


def count(module: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
