"""Setting of the C library by which a process keeps freed memory: its next step or measure asks for as much again."""

import ctypes

#: Parameter of glibc's `mallopt`: free memory at the heap's end up to these bytes is not given back.
M_TRIM_THRESHOLD = -1
#: These bytes where a cohort trains, of which there are few, each with its share of the machine's memory.
TRAINING_BYTES = 2**30
#: These where networks are measured. An actor for each CPU runs beside the cohorts, and no plan counts their memory.
MEASURING_BYTES = 2**26
#: Parameter of `mallopt`: blocks up to these bytes are not given back one by one.
M_MMAP_THRESHOLD = -3
BLOCK_BYTES = 2**25


def keep_freed_memory(free_bytes: int) -> bool:
    """Tell the C library to keep what is freed; return False if it is not glibc, the only one that can.

    Otherwise memory that was freed after a step may be new pages in the next, which the system fills with zeros.

    Args:
        free_bytes: kept at the heap's end, at most.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES) and mallopt(M_TRIM_THRESHOLD, free_bytes))
