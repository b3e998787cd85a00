"""Sums over paths through layers, which the path norms are computed from.

A path leads from an input or a bias to an output, and its product is that of the parameters along it. The sum over all
paths of the products to a power is computed layer by layer, from the sums at the inputs of a layer to those at its
outputs, with all parameters replaced by the power of their absolute value (Neyshabur et al. 2015). All sums are >= 0.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

#: `(layer, powers of its parameters by name, sums at its inputs (1, ...), power) -> sums at its outputs`.
PathSum = Callable[[Any, Mapping[str, Tensor], Tensor, int], Tensor]


def _always(layer: nn.Module) -> None:
    return None


@dataclass(frozen=True)
class PathRule:
    """A rule for the sums over paths through a layer.

    Attributes:
        sums: from the sums at the inputs to those at the outputs.
        why_not: the reason why a layer with other settings than the usual ones is not covered; None where it is.
    """

    sums: PathSum
    why_not: Callable[[Any], str | None] = _always


def _unchanged(layer: nn.Module, powers: Mapping[str, Tensor], paths: Tensor, power: int) -> Tensor:
    return layer(paths)


def _weighted(layer: nn.Linear, powers: Mapping[str, Tensor], paths: Tensor, power: int) -> Tensor:
    return functional.linear(paths, powers["weight"], powers.get("bias"))


def _convolved(layer: nn.Conv2d, powers: Mapping[str, Tensor], paths: Tensor, power: int) -> Tensor:
    weight = powers["weight"]
    bias = powers.get("bias")
    return functional.conv2d(paths, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def _zero_padding_only(layer: nn.Conv2d) -> str | None:
    if layer.padding_mode == "zeros":
        return None
    return f"needs zero padding, found {layer.padding_mode!r} in {type(layer).__name__}"


def _mean_pooled(layer: nn.AvgPool2d, powers: Mapping[str, Tensor], paths: Tensor, power: int) -> Tensor:
    count = layer.divisor_override or math.prod(_pair(layer.kernel_size))
    return layer(paths) / count ** (power - 1)


def _equal_counts_only(layer: nn.AvgPool2d) -> str | None:
    all_count = layer.count_include_pad or not any(_pair(layer.padding))
    if all_count and not layer.ceil_mode:
        return None
    return f"needs the same number of inputs in every mean, found another {type(layer).__name__}"


def _mean_of_all(layer: nn.AdaptiveAvgPool2d, powers: Mapping[str, Tensor], paths: Tensor, power: int) -> Tensor:
    count = math.prod(paths.shape[-2:])
    return layer(paths) / count ** (power - 1)


def _one_mean_only(layer: nn.AdaptiveAvgPool2d) -> str | None:
    if _pair(layer.output_size) == (1, 1):
        return None
    return f"needs one mean over the whole, found another {type(layer).__name__}"


def _max_pooled(layer: nn.MaxPool2d, powers: Mapping[str, Tensor], paths: Tensor, power: int) -> Tensor:
    return functional.avg_pool2d(
        paths, layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode, divisor_override=1
    )


def _dilation_one_only(layer: nn.MaxPool2d) -> str | None:
    if _pair(layer.dilation) == (1, 1):
        return None
    return f"needs dilation 1, found another in {type(layer).__name__}"


def _pair(value: Any) -> tuple[Any, ...]:
    """Return a setting of torch for two axes as a pair: it may be one number for both."""
    if isinstance(value, tuple | list):
        return tuple(value)
    return value, value


#: The layer lets every path pass, and only moves numbers or adds zeros: ReLU of sums >= 0, dropout in eval mode ...
UNCHANGED = PathRule(_unchanged)
WEIGHTED = PathRule(_weighted)
CONVOLVED = PathRule(_convolved, _zero_padding_only)
#: A mean over n inputs has n edges of weight 1 / n, so to the power p weights of 1 / n^p.
MEAN_POOLED = PathRule(_mean_pooled, _equal_counts_only)
MEAN_OF_ALL = PathRule(_mean_of_all, _one_mean_only)
#: Every input of a maximum is a path, so it counts as a sum (Gonon et al. 2024).
MAX_POOLED = PathRule(_max_pooled, _dilation_one_only)
