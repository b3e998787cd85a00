"""A pool of networks that some are chosen from, in a table and in resamples of its lineages at once."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.lineages import lineage_codes
from benevolent.analysis.statistics.resampling import bootstrap_counts
from benevolent.analysis.thresholds import MINIMUM_UNITS
from benevolent.trainables.rng import generator

PREFIX = 1.3  # of the networks to choose, in order, enough to find them in almost every resample
SHORTEST_PREFIX = 20


class Pool:
    """Networks with their outcomes, and how often each lineage is drawn.

    Args:
        outcome: (n,) finite numbers; smaller is better.
        lineage: (n,) codes of the lineages, 0 to L - 1.
        counts: (k, L) number of draws of each lineage in each of k tables; a row of ones is the table itself.

    Attributes:
        total: (k,) number of networks in each table.
        mean: (k,) mean outcome of all networks: of a random choice.
    """

    def __init__(self, outcome: np.ndarray, lineage: np.ndarray, counts: np.ndarray):
        self.outcome = outcome
        self.lineage = lineage
        self.counts = counts.astype(np.float32)
        self.total = self._sums(np.ones(len(outcome)))
        self.mean = self._sums(outcome) / self.total
        self._ranks = rankdata(outcome)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """(n,) numbers -> (k,) sums over the networks of each table."""
        of_lineage = np.bincount(self.lineage, values, minlength=self.counts.shape[1])
        return np.asarray(self.counts @ of_lineage)

    def correlations(self, predictor: np.ndarray) -> np.ndarray:
        """(k,) Spearman correlations of predictor and outcome, with the ranks of the whole pool; 0 if undefined."""
        n = self.total
        x = rankdata(predictor) - (len(predictor) + 1) / 2
        y = self._ranks - (len(predictor) + 1) / 2
        sx = self._sums(x)
        sy = self._sums(y)
        sxx = self._sums(x * x)
        syy = self._sums(y * y)
        covariance = self._sums(x * y) - sx * sy / n
        squares = (sxx - sx**2 / n) * (syy - sy**2 / n)
        defined = squares > 1e-12 * sxx * syy
        return np.where(defined, covariance / np.sqrt(np.where(defined, squares, 1)), 0.0)

    def chosen_by_sign(self, predictor: np.ndarray, fraction: float, signs: np.ndarray) -> np.ndarray:
        """(k,) mean outcomes of the networks chosen by a predictor, each table with its own direction.

        Args:
            predictor: (n,) numbers.
            fraction: of the networks to choose; 0 for one.
            signs: (k,) 1 to choose small values, -1 to choose large ones, 0 to choose at random.
        """
        chosen = self.mean.copy()
        for sign in (1, -1):
            tables = np.flatnonzero(signs == sign)
            if len(tables):
                chosen[tables] = self.chosen(sign * predictor, fraction, tables)
        return chosen

    def chosen(self, values: np.ndarray, fraction: float, tables: np.ndarray | None = None) -> np.ndarray:
        """Return the mean outcome of the networks with the smallest values.

        Networks with equal values at the border are chosen among at random: their mean outcome counts.

        Args:
            values: (n,) numbers to choose by.
            fraction: of the networks to choose; 0 for one.
            tables: which tables; by default all.

        >>> pool = Pool(np.array([1.0, 2.0, 3.0, 8.0]), np.arange(4), np.ones((1, 4)))
        >>> pool.chosen(np.array([5, 1, 1, 7]), 0).tolist(), pool.chosen(np.array([5, 1, 1, 7]), 0.75).tolist()
        ([2.5], [2.0])
        """
        rows = np.arange(len(self.counts)) if tables is None else tables
        needed = np.maximum(1.0, fraction * self.total[rows])
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        length = int(PREFIX * fraction * len(values)) + SHORTEST_PREFIX
        while True:
            first = order[: _end_of_ties(ordered, length)]
            weights = self.counts[rows[:, None], self.lineage[first]]
            if len(first) == len(values) or (weights.sum(axis=1) >= needed).all():
                return _mean_of_smallest(values[first], weights, self.outcome[first], needed)
            length = min(len(values), 2 * len(first))


def _end_of_ties(ordered: np.ndarray, length: int) -> int:
    """Return the first length, at least the given one, that does not cut between equal values."""
    if length >= len(ordered):
        return len(ordered)
    return int(np.searchsorted(ordered, ordered[length - 1], side="right"))


def _mean_of_smallest(ordered: np.ndarray, weights: np.ndarray, outcome: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Return the weighted mean outcome of the first networks.

    Args:
        ordered: (m,) rising values.
        weights: (k, m) how often each network is there.
        outcome: (m,) outcomes.
        needed: (k,) number of networks to choose.
    """
    starts = np.flatnonzero(np.diff(ordered, prepend=np.nan) != 0)
    if len(starts) == len(ordered):  # no ties
        return np.asarray(_taken(weights, needed) @ outcome / needed)
    number = np.add.reduceat(weights, starts, axis=1)
    sums = np.add.reduceat(weights * outcome, starts, axis=1)
    mean_of_ties = sums / np.maximum(number, 1)
    return np.asarray((_taken(number, needed) * mean_of_ties).sum(axis=1) / needed)


def _taken(number: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """(k, m) how many of each are taken until (k,) enough are."""
    before = np.cumsum(number, axis=1) - number
    return np.clip(needed[:, None].astype(np.float32) - before, 0, number)


def divided_pools(
    table: pd.DataFrame,
    target: str,
    axes: Sequence[str],
    data_column: str | None,
    resamples: int,
    random_seed: int,
) -> dict[str, tuple[np.ndarray, Pool]]:
    """Return the networks of each data set, by its name; all as one, with an empty name, without such a column.

    Args:
        table: one row per run; the target is there in all of them.
        target: the outcome.
        axes: columns that make a lineage in a table without the column `lineage`.
        data_column: column of the data set.
        resamples: number of resamples of whole lineages, if there are enough lineages.
        random_seed: of the resamples.

    Returns:
        For each data set the positions of its runs in the table, and the pool.
    """
    names = pd.Series("", index=table.index) if data_column is None else table[data_column].map(str)
    pools = {}
    for name, positions in pd.Series(range(len(table))).groupby(names.to_numpy(), sort=True):
        places = positions.to_numpy()
        runs = table.iloc[places]
        lineage = lineage_codes(runs, axes)
        lineages = int(lineage.max()) + 1
        counts = np.ones((1, lineages))
        if lineages >= MINIMUM_UNITS and resamples:
            rng = generator(random_seed, f"bootstrap/selection/{name}")
            counts = np.vstack([counts, bootstrap_counts(lineages, resamples, rng)])
        pools[str(name)] = (places, Pool(numeric_column(runs, target, "target"), lineage, counts))
    return pools
