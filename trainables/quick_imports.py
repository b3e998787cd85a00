"""Imports of many modules in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the garbage collector in this context, in which modules are imported.

    Whatever a module defines stays, so that the collector would search ever more objects and find nothing. Afterwards
    it leaves these objects out, too (`gc.freeze`).

    >>> with uncollected():
    ...     import torch
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
