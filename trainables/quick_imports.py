"""Imports of many modules in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cyclic garbage in this context, in which modules are imported.

    Whatever a module defines stays, so that the collector searches ever more objects and finds nothing. That takes a
    sixth of the time of importing torch and what trains with it. It does not look at them afterwards, either.

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
