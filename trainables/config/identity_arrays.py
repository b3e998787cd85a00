"""Ids and seeds of many runs as arrays: the texts of ids, and the seeds that ids give."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.extensions import ExtensionArray

from benevolent.trainables.config.identity import ID_DIGITS
from benevolent.trainables.philox import philox

SEED_BITS = 52
#: Words that are computed together: their intermediate results stay in the cache.
WORDS_AT_ONCE = 2**15

Array = np.ndarray[Any, Any]


def id_texts(numbers: Array) -> ExtensionArray:
    """Return ids as an array of texts; no string of Python is made for each, so that a million take 24 MB.

    >>> id_texts(np.array([255, 1], np.uint64)).tolist()
    ['00000000000000ff', '0000000000000001']
    """
    characters = np.empty((len(numbers), ID_DIGITS), np.uint8)
    symbols = np.frombuffer(b"0123456789abcdef", np.uint8)
    for column in range(ID_DIGITS):
        place = np.uint64(4 * (ID_DIGITS - 1 - column))
        characters[:, column] = symbols[(numbers >> place) & np.uint64(15)]
    offsets = np.arange(0, ID_DIGITS * len(numbers) + 1, ID_DIGITS, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(characters)]
    texts = pa.Array.from_buffers(pa.large_string(), len(numbers), buffers)
    return pd.array(texts, dtype="str")


def replicate_seeds(lineages: Array, replicates: Sequence[int]) -> Array:
    """Return the seeds of independent replicates: 52 bits that depend on the lineage and the replicate alone.

    They are the upper bits of the first Philox word whose key is the lineage and whose counter is the replicate, so no
    two lineages share random numbers. 52 bits are exact in floating-point numbers, and so in JSON and pandas.

    Args:
        lineages: `(L,)` ids of configurations (`RunConfig.lineage`), as numbers in uint64.
        replicates: their n numbers.

    Returns:
        seeds `(L, n)`.

    >>> replicate_seeds(np.array([int("00ff00ff00ff00ff", 16)], np.uint64), [0, 1, 200]).tolist()
    [[1479237251478022, 264680638676385, 222648182070549]]
    """
    counters = np.array(replicates, np.int64)[None]
    zero = np.zeros((1, 1), np.int64)
    seeds = np.empty((len(lineages), len(replicates)), np.int64)
    at_once = max(1, WORDS_AT_ONCE // len(replicates))
    for start in range(0, len(lineages), at_once):
        part = slice(start, start + at_once)
        keys = lineages[part].view(np.int64)[:, None]
        words, *_ = philox((counters, zero, zero, zero), (keys, zero))
        seeds[part] = (words >> (64 - SEED_BITS)) & (2**SEED_BITS - 1)
    return seeds
