"""Networks that are sequences of layers, whatever module runs these."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from benevolent.trainables.stack.layer_types import is_sequence
from benevolent.trainables.stack.module_calls import call_with
from benevolent.trainables.stack.module_structure import first_tensor
from benevolent.trainables.stack.own_code import is_changed

#: Functions that may do the same as `nn.Flatten`.
FLATTENING = frozenset(["flatten", "view", "reshape"])


def as_sequence(module: nn.Module, tensors: Mapping[str, Tensor], examples: Tensor) -> nn.Module:
    """Return the layers of a module as `nn.Sequential`, if it runs them one after another; else the module itself.

    A wrapper that calls one sequence, or one that calls sequences in turn and flattens between them, are sequences too.

    Args:
        module: the layers; they are shared, not copied.
        tensors: its parameters and buffers, by name.
        examples: `(N, *input_shape)`.

    >>> import torch
    >>> class Wrapper(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body, self.head = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Linear(8, 3)
    ...
    ...     def forward(self, inputs):
    ...         return self.head(torch.flatten(self.body(inputs), 1))
    >>> module = Wrapper()
    >>> layers = as_sequence(module, dict(module.named_parameters()), torch.ones(2, 1, 4, 4))
    >>> [type(layer).__name__ for layer in layers]
    ['Conv2d', 'ReLU', 'Flatten', 'Linear']
    """
    if is_sequence(module) or any(is_changed(part) for part in module.modules()):
        return module
    inputs = examples.clone()
    layers = _Layers(inputs)
    handles = [handle for part in module.modules() if not any(part.children()) for handle in layers.watch(part)]
    try:
        with layers:
            outputs = call_with(module, tensors, inputs)
    finally:
        for handle in handles:
            handle.remove()
    found = layers.before(outputs)
    return nn.Sequential(*found) if found else module


class _Layers(TorchFunctionMode):
    """Watches which layers, one after another, have made a value of the inputs."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        self._before: dict[int, tuple[list[nn.Module], int | None]] = {id(inputs): ([], _version(inputs))}
        self._kept: list[Any] = [inputs]  # so that no id is given to another value
        self._running: dict[nn.Module, list[nn.Module] | None] = {}

    def watch(self, layer: nn.Module) -> list[Any]:
        """Register hooks on an innermost layer."""
        return [layer.register_forward_pre_hook(self._begin), layer.register_forward_hook(self._end)]

    def before(self, value: object) -> list[nn.Module] | None:
        """Return the layers that have made a value; None if others have, or if it was changed since."""
        layers, version = self._before.get(id(value), (None, 0))
        unchanged = isinstance(value, Tensor) and _version(value) == version
        return layers if unchanged else None

    def _begin(self, layer: nn.Module, arguments: tuple[Any, ...]) -> None:
        self._running[layer] = self.before(first_tensor(arguments)) if len(arguments) == 1 else None

    def _end(self, layer: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        before = self._running.pop(layer)
        if before is not None and isinstance(output, Tensor):
            self._before[id(output)] = ([*before, layer], _version(output))
        self._kept.append(output)

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch; what it returns is no longer made by layers alone, unless it flattens a value."""
        result = function(*args, **(kwargs or {}))
        if not isinstance(result, Tensor):
            return result
        self._kept.append(result)
        source = args[0] if args else None
        before = self.before(source)
        self._before.pop(id(result), None)
        flattens = getattr(function, "__name__", "") in FLATTENING and before is not None
        if flattens and isinstance(source, Tensor) and result.shape == source.flatten(1).shape:
            self._before[id(result)] = ([*before, nn.Flatten()], _version(result))  # type: ignore[misc]
        return result


def _version(value: Tensor) -> int | None:
    """Return a number that rises with every change of a tensor; None if it counts none, made in inference mode."""
    return None if value.is_inference() else value._version
