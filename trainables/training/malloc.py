"""Freed memory stays with the process that trains, since each step asks for as much again."""

import ctypes
import functools

#: Of glibc's `mallopt`, and bytes: smaller blocks are not given back one by one, nor is free memory at the heap's end.
M_TRIM_THRESHOLD, FREE_BYTES = -1, 2**30
M_MMAP_THRESHOLD, BLOCK_BYTES = -3, 2**25


@functools.cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed; whether it is one that can (glibc).

    Else activations that were freed after a step may be new pages in the next: a step of ResNet-56 took 1.08 times as
    long as a serial loop, and takes 1.03 times as long.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES) and mallopt(M_TRIM_THRESHOLD, FREE_BYTES))
