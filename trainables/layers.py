"""Layers in explicitly batched form: K networks at once, activations `(K, N, ...)`, parameters `(K, ...)`.

A layer is added by writing one function and naming it in `BATCHED`; a `nn.Sequential` made of such layers then
trains K networks in one program. Measured against vmap and a serial loop in `benchmarks/stacking.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Parameters = Mapping[str, Tensor]


def linear(layer: nn.Linear, parameters: Parameters, inputs: Tensor) -> Tensor:
    """K affine maps: `(K, N, in)` -> `(K, N, out)`, with weights `(K, out, in)` and biases `(K, out)`."""
    weights = parameters["weight"].transpose(1, 2)
    if "bias" in parameters:
        return torch.baddbmm(parameters["bias"].unsqueeze(1), inputs, weights)
    return torch.bmm(inputs, weights)


def conv2d(layer: nn.Conv2d, parameters: Parameters, inputs: Tensor) -> Tensor:
    """K convolutions as one grouped convolution: `(K, N, C, H, W)` -> `(K, N, C', H', W')`."""
    stack, samples = inputs.shape[:2]
    outputs = functional.conv2d(
        inputs.transpose(0, 1).flatten(1, 2),
        parameters["weight"].flatten(0, 1),
        parameters["bias"].flatten() if "bias" in parameters else None,
        layer.stride,
        layer.padding,
        layer.dilation,
        stack * layer.groups,
    )
    return outputs.unflatten(1, (stack, layer.out_channels)).transpose(0, 1)


def flatten(layer: nn.Flatten, parameters: Parameters, inputs: Tensor) -> Tensor:
    """All axes of a sample into one: `(K, N, ...)` -> `(K, N, D)`."""
    return inputs.flatten(2)


def elementwise(layer: nn.Module, parameters: Parameters, inputs: Tensor) -> Tensor:
    """An activation without parameters acts on a stack as on one network."""
    return layer(inputs)


BATCHED: dict[type[nn.Module], Callable[[Any, Parameters, Tensor], Tensor]] = {
    nn.Linear: linear,
    nn.Conv2d: conv2d,
    nn.Flatten: flatten,
    nn.ReLU: elementwise,
    nn.Tanh: elementwise,
    nn.Sigmoid: elementwise,
    nn.GELU: elementwise,
    nn.Identity: elementwise,
}


def is_batched(module: nn.Module) -> bool:
    """Whether a module is a `nn.Sequential` of layers in `BATCHED`, so that `forward` can run it."""
    return (
        type(module) is nn.Sequential
        and all(type(layer) in BATCHED for layer in module)
        and all(layer.start_dim == 1 for layer in module if isinstance(layer, nn.Flatten))
        and all(layer.padding_mode == "zeros" for layer in module if isinstance(layer, nn.Conv2d))
    )


def forward(module: nn.Sequential, parameters: Parameters, inputs: Tensor) -> Tensor:
    """The logits `(K, N, C)` of K networks of one architecture on inputs `(K, N, ...)`.

    Args:
        module: the architecture; its own parameters are not used.
        parameters: `name -> (K, ...)`, named as in `module.named_parameters()`.
        inputs: `(K, N, *input_shape)`.
    """
    # On a CPU the last bits of a product depend on whether its result starts at a multiple of 16 bytes. With 4 n
    # examples (and even widths) it does at every place in a stack, so that a run does not depend on its place.
    examples = inputs.shape[1]
    spare = -examples % 4
    if spare:
        inputs = functional.pad(inputs, (0, 0) * (inputs.ndim - 2) + (0, spare))
    for name, layer in module.named_children():
        own = {key.rpartition(".")[2]: value for key, value in parameters.items() if key.startswith(f"{name}.")}
        inputs = BATCHED[type(layer)](layer, own, inputs)
    return inputs[:, :examples] if spare else inputs
