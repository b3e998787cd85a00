"""Initial parameters of one network, drawn from a seed."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.rng import RandomStream
from benevolent.trainables.stack.computed_weights import computed_weights, drawn_sources
from benevolent.trainables.stack.layer_types import layer_type

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


def initial_parameters(
    module: nn.Module, init: InitConfig, seed: int, stream: str, kept: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return the initial parameters of a module in float64, `name -> (...)`.

    Parameters with two axes or more are weights: drawn as `init` says, or as their layer says in a method
    `draw(name, rng)`. Of the others, those called `bias` are drawn as `init` says if their layer has weights, and
    are zero otherwise; the rest (the gains of a normalization layer) keep the values of the module's constructor.

    A weight or bias that is computed (by a parametrization, or a hook of `torch.nn.utils`) is drawn like one that is
    not. What it is computed from are then the values that stand for it: direction and length of the drawn weight for
    `weight_norm`, the nearest orthogonal matrix for `orthogonal`. Buffers of the parametrization are returned too.

    Args:
        module: the architecture.
        init: scheme and scales.
        seed: of the run.
        stream: name of the random stream; each parameter draws from its own part of it.
        kept: names of the parameters, and of computed weights, that keep the values of the module's constructor.

    Raises:
        BadInput: a parametrization cannot stand for the weights that are drawn.
    """
    values: dict[str, Tensor] = {}
    drawn: dict[str, Tensor] = {}
    computed = {weight.sources[0]: weight for weight in computed_weights(module) if weight.sources}
    for index, (name, parameter) in enumerate(module.named_parameters()):
        rng = RandomStream(seed, stream, index)
        weight = computed.get(name)
        if weight is not None and weight.name not in kept:
            layer = module.get_submodule(weight.layer)
            drawn[weight.name] = _draw(init, layer, weight.local_name, weight.value(module).detach(), rng)
        layer_name, _, local_name = name.rpartition(".")
        if name in kept:
            values[name] = parameter.detach().double().clone()
        else:
            values[name] = _draw(init, module.get_submodule(layer_name), local_name, parameter.detach(), rng)
    if not drawn:
        return values
    torch_seed = int(RandomStream(seed, f"{stream}/computed", 0).integers(0, 2**31, ()))
    return drawn_sources(module, drawn, values, kept, torch_seed)


def _draw(init: InitConfig, layer: nn.Module, name: str, value: Tensor, rng: RandomStream) -> Tensor:
    """Draw a parameter of a layer, or the weight that the layer computes, in float64; `value` is what it is now."""
    shape = tuple(value.shape)
    if value.ndim >= 2:
        numbers = layer.draw(name, rng) if hasattr(layer, "draw") else draw_weight(init, shape, rng)  # type: ignore[operator]
        return torch.from_numpy(np.asarray(numbers, dtype=np.float64))
    if name == "bias":
        return torch.from_numpy(draw_bias(init, shape, fan_in_of(layer), rng))
    return value.double().clone()


def draw_weight(init: InitConfig, shape: Shape, rng: RandomStream) -> Array:
    """Draw a weight `(units, inputs, ...)` by the scheme of `init`; `InitConfig` has the sources."""
    receptive_field = math.prod(shape[2:])
    fan_in = shape[1] * receptive_field
    fan_out = shape[0] * receptive_field
    match init.scheme:
        case "zeros":
            return np.zeros(shape)
        case "xavier":
            limit = (6 / (fan_in + fan_out)) ** 0.5
            return rng.uniform(-limit, limit, shape) * init.scale
        case "torch":  # kaiming_uniform_ with a = sqrt(5)
            return rng.uniform(-1, 1, shape) / fan_in**0.5 * init.scale
        case "orthogonal":
            return _draw_orthogonal(shape, rng) * init.scale
        case "xavier_normal":
            variance = 2 / (fan_in + fan_out)
        case _:
            variance = 2 / fan_in
    deviation = variance**0.5 if init.std is None else init.std
    return rng.standard_normal(shape) * deviation * init.scale


def _draw_orthogonal(shape: Shape, rng: RandomStream) -> Array:
    """Draw orthonormal rows or columns, whichever are fewer, of a weight seen as a matrix with a row per unit."""
    rows = shape[0]
    columns = math.prod(shape[1:])
    longer = max(rows, columns)
    shorter = min(rows, columns)
    gaussian = rng.standard_normal((longer, shorter))
    q, r = np.linalg.qr(gaussian)
    q *= np.sign(np.diag(r))  # makes it uniform over orthogonal matrices
    matrix = q if rows >= columns else q.T
    return np.ascontiguousarray(matrix).reshape(shape)


def draw_bias(init: InitConfig, shape: Shape, fan_in: int, rng: RandomStream) -> Array:
    """Draw a bias; zero by most schemes, and in layers without weights (`fan_in` 0)."""
    if fan_in and init.scheme == "torch":
        return rng.uniform(-1, 1, shape) / fan_in**0.5 * init.scale
    if fan_in and init.bias_std:
        return rng.standard_normal(shape) * init.bias_std
    return np.zeros(shape)


def fan_in_of(layer: nn.Module) -> int:
    """Return how many inputs a unit of a layer adds up; 0 for a layer without weights, such as BatchNorm."""
    if layer_type(layer).identity_weights:
        return layer.get_parameter("bias").numel()
    weight = getattr(layer, "weight", None)
    if isinstance(weight, Tensor) and weight.ndim >= 2:
        return weight[0].numel()
    return 0
