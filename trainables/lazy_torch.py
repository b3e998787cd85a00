"""`torch` and `torch.nn`, imported when a name in them is first used: that takes two seconds.

Modules that hold names, fields and shapes as well as functions of tensors import torch from here, so that commands
that touch no tensor, such as `bth list`, do not wait for it. They begin with `from __future__ import annotations`, so
that no annotation is evaluated.

The standard library has `importlib.util.LazyLoader`, on which the package `lazy_loader` rests. It puts torch into
`sys.modules` before it is loaded; there scipy's checks for arrays of torch find it, and load it.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["Tensor", "nn", "torch"]


class _LazyModule:
    """A module that is imported when an attribute is first read; from then on attributes are those of this object."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
else:
    torch = _LazyModule("torch")
    nn = _LazyModule("torch.nn")
    #: For annotations only.
    Tensor = Any
