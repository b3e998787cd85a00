"""The structure of a module as its calls and its names show it."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.trainables.stack.computed_weights import computed_weights
from benevolent.trainables.stack.layer_types import layer_type


@dataclass(frozen=True)
class LayerCall:
    """One call of an innermost layer, a module without children, on one batch.

    Attributes:
        layer: the module.
        input_shape: of one example of its first argument; None if that is no tensor.
        on_real_numbers: True if its first argument is a tensor of real numbers.
        output_shape: of the batch; None if it returned no tensor.
    """

    layer: nn.Module
    input_shape: tuple[int, ...] | None
    on_real_numbers: bool
    output_shape: torch.Size | None

    @property
    def outputs(self) -> int:
        """Size of what it returned, in numbers; 0 if it returned no tensor."""
        return 0 if self.output_shape is None else self.output_shape.numel()


@contextlib.contextmanager
def recorded_calls(module: nn.Module) -> Iterator[list[LayerCall]]:
    """Record the calls of a module's innermost layers within the block, in order; the module is left unchanged."""
    calls: list[LayerCall] = []

    def record(layer: nn.Module, arguments: tuple[object, ...], output: object) -> None:
        output_shape = output.shape if isinstance(output, Tensor) else None
        inputs = first_tensor(arguments)
        if inputs is None:
            calls.append(LayerCall(layer, None, False, output_shape))
        else:
            calls.append(LayerCall(layer, tuple(inputs.shape[1:]), inputs.is_floating_point(), output_shape))

    innermost = [layer for layer in module.modules() if next(layer.children(), None) is None]
    hooked = [layer for layer in innermost if not isinstance(layer, torch.jit.ScriptModule)]  # which takes no hooks
    hooks = [layer.register_forward_hook(record) for layer in hooked]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def first_tensor(arguments: tuple[object, ...]) -> Tensor | None:
    """Return the first of a call's arguments if it is a tensor, else None."""
    if arguments and isinstance(arguments[0], Tensor):
        return arguments[0]
    return None


@torch.no_grad()
def forward_calls(module: nn.Module, input_shape: tuple[int, ...]) -> list[LayerCall]:
    """Run a module on one example of zeros and return the calls of its innermost layers, in order.

    >>> module = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    >>> [(call.input_shape, call.outputs) for call in forward_calls(module, (3,))]
    [((3,), 2), ((2,), 2)]
    """
    with recorded_calls(module) as calls:
        module(torch.zeros(1, *input_shape))
    return calls


def count_activations(calls: Sequence[LayerCall]) -> int:
    """Return how many numbers the innermost layers compute in these calls.

    >>> count_activations(forward_calls(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (3,)))
    4
    """
    return sum(call.outputs for call in calls)


def first_layer(module: nn.Module, order: Iterable[str] | None = None) -> str | None:
    """Return the name of the first layer; None if no layer has weights.

    The first layer is the first whose weights are fixed at the identity (`Shift`), or that holds a weight: a parameter
    with two axes or more, trained or not, or what a parametrization computes in its place.

    Args:
        module: its layers.
        order: names of modules in the order to look at them; that of their declaration by default.
    """
    names = [name for name, _ in module.named_modules()] if order is None else order
    for name in names:
        layer = module.get_submodule(name)
        own: list[Tensor] = list(layer.parameters(recurse=False))
        own += [weight.value(layer) for weight in computed_weights(layer) if not weight.layer]
        if any(weight.ndim >= 2 for weight in own) or layer_type(layer).identity_weights:
            return name
    return None
