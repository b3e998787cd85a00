"""Any `torch.nn.Module` of the user, by its import path."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

from pydantic import Field

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn, torch
from benevolent.trainables.models.parts import Shape
from benevolent.trainables.models.wrappers import compile_nothing

#: A field of the configuration, with an example for its error lines.
Path = Annotated[str, Field(examples=["my_package.my_module:MyNet"])]


def module(
    input_shape: Shape, outputs: int, *, path: Path, arguments: dict[str, Any] | None = None, redraw: bool = False
) -> nn.Module:
    """A user's own `nn.Module`.

    `path`: `package.module:Class`. `arguments`: keywords that the class is called with. `redraw`: draw all parameters
    as `init` says, also pretrained ones.

    Parameters that the constructor sets to the same values whatever torch's seed is, such as pretrained ones, and
    frozen ones (`requires_grad = False`) start as it leaves them; the others are drawn as `init` says. A weight that is
    computed (by a parametrization such as `weight_norm`, or a hook) is drawn as itself, and what it is computed from is
    trained. Compiled parts run as they were before compilation.

    Raises:
        BadInput: the path does not import, or the call fails.
    """
    name, _, attribute = path.partition(":")
    try:
        kind = getattr(importlib.import_module(name), attribute)
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise TypeError(f"{attribute} is not a subclass of torch.nn.Module")
        network = kind(**(arguments or {}))
        compile_nothing(network)
        _materialize(network, input_shape)
    except Exception as error:
        raise BadInput(
            f"model.path = {path!r}: {type(error).__name__}: {error}; expected package.module:Class"
        ) from error
    return network


def _materialize(network: nn.Module, input_shape: Shape) -> None:
    """Give lazy layers, which wait for their first inputs, their parameters."""
    is_lazy = torch.nn.parameter.is_lazy
    if any(is_lazy(tensor) for tensor in [*network.parameters(), *network.buffers()]):
        with torch.no_grad():
            network.eval()(torch.zeros(1, *input_shape))
