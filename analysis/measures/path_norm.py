"""The path norms, and the layers through which it is known how paths run."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benevolent.analysis.measures.subject import Parameters, Subject
from benevolent.trainables.models.modules import Noise

#: Layers that a path runs through unchanged: ReLU lets every path of the sum pass, the others do nothing in eval mode.
UNCHANGED = (nn.ReLU, nn.Identity, nn.Flatten, nn.Dropout, Noise)


def path_norm(subject: Subject) -> Tensor:
    """The L2 path norm: the root of the sum, over all paths to an output, of the squared product of their parameters.

    A path begins at an input or a bias. For Linear, Conv2d and ReLU the sum is that of the outputs of the network
    with squared parameters on an input of ones (Neyshabur et al. 2015). A mean over n has n edges of weight 1 / n, so
    squared weights 1 / n^2. Through a maximum every one of its inputs is a path, so it counts as a sum (Gonon et al.
    2024). Other layers: not applicable; of a leaky ReLU, for one, the norm says nothing of the negative slope.
    """
    return _sum_over_paths(subject, 2).sqrt()


def path_norm_l1(subject: Subject) -> Tensor:
    """The L1 path norm: the sum, over all paths to an output, of the absolute product of their parameters."""
    return _sum_over_paths(subject, 1)


def _sum_over_paths(subject: Subject, power: int) -> Tensor:
    """The sum of the paths' products to a power."""
    powers = {name: value.double().abs() ** power for name, value in subject.folded.items()}
    stored = subject.train.sets.stored
    ones = torch.ones(1, *stored.shape[2:], dtype=torch.float64, device=stored.device)
    return _through(subject.architecture.module, "", powers, ones, power).sum()


def why_no_paths(module: nn.Module) -> str | None:
    """Why the path norm of a module is not known; None where it is."""
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return next(filter(None, map(why_no_paths, module)), None)
    name = type(module).__name__
    if isinstance(module, nn.Conv2d):
        return (
            None if module.padding_mode == "zeros" else f"needs zero padding, found {module.padding_mode!r} in {name}"
        )
    if isinstance(module, nn.AvgPool2d):
        plain = not module.ceil_mode and (module.count_include_pad or not any(_pair(module.padding)))
        return None if plain else f"needs the same number of inputs in every mean, found another {name}"
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return None if _pair(module.output_size) == (1, 1) else f"needs one mean over the whole, found another {name}"
    if isinstance(module, nn.MaxPool2d):
        return None if _pair(module.dilation) == (1, 1) else f"needs dilation 1, found another in {name}"
    if isinstance(module, (nn.Linear, *UNCHANGED)):
        return None
    return f"needs nn.Sequential of Linear, Conv2d, ReLU, max and mean pooling, found {name}"


def _through(layer: nn.Module, at: str, powers: Parameters, paths: Tensor, power: int) -> Tensor:
    """From the sums over paths to a layer's inputs `(1, ...)` to those to its outputs."""
    if isinstance(layer, nn.Sequential):
        for name, child in layer.named_children():
            paths = _through(child, f"{at}{name}.", powers, paths, power)
        return paths
    if isinstance(layer, nn.Linear):
        return functional.linear(paths, powers[f"{at}weight"], powers.get(f"{at}bias"))
    if isinstance(layer, nn.Conv2d):
        weight, bias = powers[f"{at}weight"], powers.get(f"{at}bias")
        return functional.conv2d(paths, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
    if isinstance(layer, nn.AvgPool2d):
        return layer(paths) / (layer.divisor_override or math.prod(_pair(layer.kernel_size))) ** (power - 1)
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return layer(paths) / math.prod(paths.shape[-2:]) ** (power - 1)
    if isinstance(layer, nn.MaxPool2d):
        return functional.avg_pool2d(
            paths, layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode, divisor_override=1
        )
    return paths.flatten(layer.start_dim, layer.end_dim) if isinstance(layer, nn.Flatten) else paths


def _pair(value: Any) -> tuple[Any, ...]:
    """What torch takes for a pair: a number for both, or two."""
    return tuple(value) if isinstance(value, tuple | list) else (value, value)
