"""A module as a function of its tensors, and these by name."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benevolent.trainables.errors import BadInput, one_line


def call_with(module: nn.Module, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Return the outputs of a module with other tensors in the place of its own; the module is left unchanged.

    Args:
        module: runs as it is, in training or in eval mode.
        tensors: parameters and buffers by name; the module's own where they are left out.
        inputs: `(N, *input_shape)`.

    >>> tensors = {"weight": torch.full((1, 1), 2.0), "bias": torch.ones(1)}
    >>> call_with(nn.Linear(1, 1), tensors, torch.ones(2, 1)).tolist()
    [[3.0], [3.0]]
    """
    outputs: Tensor = functional_call(module, with_ties(module, tensors), (inputs,), tie_weights=False)
    return outputs


def with_ties(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, under every name by which layers share them.

    A layer with several names has its tensors once: `functional_call` ties these too, and then leaves the tensors of
    the call in the layer.
    """
    tied = dict(tensors)
    first_names: dict[int, str] = {}
    for prefix, layer in module.named_modules():
        for name, value in [*layer._parameters.items(), *layer._buffers.items()]:
            if value is None:
                continue
            full_name = f"{prefix}.{name}" if prefix else name
            first = first_names.setdefault(id(value), full_name)
            if first != full_name and first in tensors:
                tied.setdefault(full_name, tensors[first])
    return tied


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module by name, those that `state_dict` leaves out included."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@torch.no_grad()
def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy values into the parameters and buffers of a module; tensors that it does not have are left out."""
    for name, own in named_tensors(module).items():
        if name in tensors:
            own.copy_(tensors[name])


def copied(module: nn.Module) -> nn.Module:
    """Return a deep copy of a module, also where it holds tensors with a history, which torch refuses to copy.

    Raises:
        BadInput: it holds something else that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for part in module.modules():
        for value in vars(part).values():
            for tensor in tensors_in(value):
                if not tensor.is_leaf:
                    memo[id(tensor)] = tensor.detach().clone()
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever refuses to be copied
        raise BadInput(f"{type(module).__name__}: cannot be copied: {one_line(error)}") from error


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a value, which may be a container, or several in each other.

    >>> len(list(tensors_in([torch.ones(1), {"more": (torch.ones(2), "text")}])))
    2
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from tensors_in(item)
