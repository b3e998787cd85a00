"""Modules that only wrap another one, which has the same outputs."""

from __future__ import annotations

import re

from benevolent.trainables.lazy_torch import nn

#: What a wrapper puts before the names of the tensors of the module in it.
_PREFIX = re.compile(r"(^|\.)_orig_mod\.")


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module that wrappers call: `torch.compile`, `DataParallel`, `DistributedDataParallel`.

    >>> layer = nn.Linear(2, 2)
    >>> unwrapped(nn.DataParallel(layer)) is layer
    True
    """
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return unwrapped(module.module)
    compiled = _compiled_from(module)
    return module if compiled is None else unwrapped(compiled)


def compile_nothing(module: nn.Module) -> None:
    """Replace the compiled parts of a module by what they were compiled from, in place.

    The names of their tensors lose `_orig_mod`, see `uncompiled_name`.
    """
    for part in list(module.modules()):
        if getattr(part, "_compiled_call_impl", None) is not None:
            part._compiled_call_impl = None
        for name, child in list(part.named_children()):
            original = _compiled_from(child)
            if original is not None:
                setattr(part, name, original)


def uncompiled_name(name: str) -> str:
    """Return the name of a tensor in the module that a compiled one was made from.

    >>> uncompiled_name("_orig_mod.body._orig_mod.0.weight")
    'body.0.weight'
    """
    return _PREFIX.sub(r"\1", name)


def _compiled_from(module: nn.Module) -> nn.Module | None:
    original = getattr(module, "_orig_mod", None)
    return original if isinstance(original, nn.Module) else None
