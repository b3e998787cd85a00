"""Any `torch.nn.Module` of the user, by its import path."""

from __future__ import annotations

import importlib
from typing import Any

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import Shape


def module(
    input_shape: Shape, outputs: int, *, path: str, arguments: dict[str, Any] | None = None, redraw: bool = False
) -> nn.Module:
    """A user's own `nn.Module`.

    `path` is `package.module:Class`, called with `arguments` as keywords. Parameters that the constructor sets to the
    same values whatever torch's seed is, such as pretrained ones, and frozen ones (`requires_grad = False`) start as it
    leaves them; the others are drawn as `init` says. With `redraw` all are drawn.

    Raises:
        BadInput: the path does not import, or the call fails.
    """
    name, _, attribute = path.partition(":")
    try:
        kind = getattr(importlib.import_module(name), attribute)
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise TypeError(f"{attribute} is not a subclass of torch.nn.Module")
        network = kind(**(arguments or {}))
    except Exception as error:
        raise BadInput(
            f"model.path = {path!r}: {type(error).__name__}: {error}; expected package.module:Class"
        ) from error
    return network
