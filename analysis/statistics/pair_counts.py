"""Numbers of pairs of runs, for every pair of configurations."""

import numpy as np

from benevolent.analysis.statistics.configurations import GroupedRuns

LARGEST_BYTE = 255


def pair_counts(runs: GroupedRuns, pairs: np.ndarray) -> np.ndarray:
    """Count the pairs of runs that are true, for every pair of configurations.

    Eight columns are added up at once, as the bytes of one integer, so that n^2 / 8 numbers are added.

    Args:
        runs: the G configurations of n runs.
        pairs: (n, n) truth values, rows and columns in the order of `runs`.

    Returns:
        (G, G) counts.

    >>> import pandas as pd
    >>> runs = GroupedRuns.from_table(pd.DataFrame({"width": [4, 4, 8]}), ["width"])
    >>> pair_counts(runs, np.array([[True, True, False], [False, True, True], [True, False, False]])).tolist()
    [[3, 1], [1, 0]]
    """
    n = len(pairs)
    bytes_of_pairs = np.zeros((n, n + -n % 8), dtype=np.uint8)
    bytes_of_pairs[:, :n] = pairs
    if runs.sizes.max() <= LARGEST_BYTE:
        eight_columns = bytes_of_pairs.view(np.uint64)
        rows = np.add.reduceat(eight_columns, runs.starts, axis=0).view(np.uint8)
    else:
        rows = np.add.reduceat(bytes_of_pairs, runs.starts, axis=0, dtype=np.int32)
    return np.add.reduceat(rows[:, :n], runs.starts, axis=1, dtype=np.int64)
