"""A module as a function of its tensors."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.func import functional_call


def call_with(module: nn.Module, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """Return the outputs of a module with other tensors in the place of its own; the module is left unchanged.

    Args:
        module: runs as it is, in training or in eval mode.
        tensors: parameters and buffers by name; the module's own where they are left out.
        inputs: `(N, *input_shape)`.

    >>> import torch
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
