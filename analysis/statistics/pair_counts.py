"""Numbers of pairs of runs, for every pair of configurations."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benevolent.analysis.statistics.configurations import GroupedRuns

BLOCK_PAIRS = 2**19  # pairs that are compared at once: their truth values stay in the processor's cache
LARGEST_BYTE = 255

#: Positions of some runs -> (rows, n) truth values of their pairs with all runs, of one comparison or several.
Compare = Callable[[slice], Sequence[np.ndarray]]


def pair_counts(runs: GroupedRuns, compare: Compare) -> np.ndarray:
    """Count the pairs of runs that are true, for every pair of configurations.

    The pairs are compared a block of configurations at a time, since n^2 truth values are much slower to write to
    memory, and to read again, than to compute. Eight columns are added up at once, as the bytes of one integer.

    Args:
        runs: the G configurations of n runs.
        compare: gives the truth values of a block of rows; rows and columns are in the order of `runs`.

    Returns:
        (comparisons, G, G) counts.

    >>> import pandas as pd
    >>> runs = GroupedRuns.from_table(pd.DataFrame({"width": [4, 4, 8]}), ["width"])
    >>> values = np.array([1, 3, 2])
    >>> pair_counts(runs, lambda rows: [values[rows, None] > values, values[rows, None] >= values]).tolist()
    [[[1, 1], [1, 0]], [[3, 1], [1, 1]]]
    """
    blocks = []
    for block in _blocks(runs):
        starts = runs.starts[block]
        end = starts[-1] + runs.sizes[block][-1]
        matrices = compare(slice(starts[0], end))
        blocks.append([_sums(runs, matrix, starts - starts[0]) for matrix in matrices])
    return np.concatenate(blocks, axis=1)


def comparable(values: np.ndarray) -> np.ndarray:
    """(n,) values -> (n,) small integers in the same order: they are compared several times as fast.

    >>> comparable(np.array([0.5, 2.5, 0.5])).tolist()
    [0, 1, 0]
    """
    distinct, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.min_scalar_type(len(distinct)))


def _blocks(runs: GroupedRuns) -> Iterator[slice]:
    """Yield slices of configurations, each as many as have `BLOCK_PAIRS` pairs with all runs, but at least one."""
    ends = runs.starts + runs.sizes
    rows = BLOCK_PAIRS // ends[-1]
    first = 0
    while first < len(ends):
        fitting = int(np.searchsorted(ends, runs.starts[first] + rows, side="right"))
        last = max(first + 1, fitting)
        yield slice(first, last)
        first = last


def _sums(runs: GroupedRuns, matrix: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(rows, n) truth values of configurations that begin at `starts` -> (configurations, G) sums."""
    rows, n = matrix.shape
    bytes_of_pairs = np.zeros((rows, n + -n % 8), dtype=np.uint8)
    bytes_of_pairs[:, :n] = matrix
    parts = np.union1d(starts, np.arange(0, rows, LARGEST_BYTE))  # the sums of more rows may not fit into a byte
    eight_columns = bytes_of_pairs.view(np.uint64)
    of_parts = np.add.reduceat(eight_columns, parts, axis=0).view(np.uint8)
    counts = np.add.reduceat(of_parts[:, :n], runs.starts, axis=1, dtype=np.int64)
    return np.add.reduceat(counts, np.searchsorted(parts, starts), axis=0)
