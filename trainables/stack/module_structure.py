"""The structure of a module as its calls and its names show it."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.trainables.stack.layer_types import layer_type


@dataclass(frozen=True)
class LayerCall:
    """One call of an innermost layer, a module without children, on one batch."""

    layer: nn.Module
    output_shape: torch.Size


def forward_calls(module: nn.Module, inputs: Tensor) -> list[LayerCall]:
    """Run a module once and return the calls of its innermost layers, in order, that give a tensor.

    >>> module = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    >>> [tuple(call.output_shape) for call in forward_calls(module, torch.zeros(1, 3))]
    [(1, 2), (1, 2)]
    """
    calls: list[LayerCall] = []

    def record(layer: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            calls.append(LayerCall(layer, output.shape))

    innermost = [layer for layer in module.modules() if next(layer.children(), None) is None]
    hooks = [layer.register_forward_hook(record) for layer in innermost]
    try:
        with torch.no_grad():
            module(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def first_layer(module: nn.Module, order: Iterable[str] | None = None) -> str | None:
    """Return the name of the first layer; None if no layer has weights.

    The first layer is the first whose weights are fixed at the identity (`Shift`), or that holds a weight: a parameter
    with two axes or more, trained or not.

    Args:
        module: its layers.
        order: names of modules in the order to look at them; that of their declaration by default.
    """
    names = [name for name, _ in module.named_modules()] if order is None else order
    for name in names:
        layer = module.get_submodule(name)
        has_weights = any(parameter.ndim >= 2 for parameter in layer.parameters(recurse=False))
        if has_weights or layer_type(layer).identity_weights:
            return name
    return None
