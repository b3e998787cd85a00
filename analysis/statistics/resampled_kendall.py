"""Kendall's tau of many predictors with one outcome, with intervals from resamples of whole lineages."""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.pair_counts import comparable, pair_counts
from benevolent.analysis.statistics.resampling import percentile_interval

PAIRED_LINEAGES = 1_000  # most lineages of which all pairs are held for an interval
PAIRED_RUNS = 5_000  # most runs of which all pairs are compared for an interval


class TauInterval(NamedTuple):
    """Kendall's tau-b and the ends of its interval; all are NaN if predictor or outcome is constant."""

    tau: float
    low: float
    high: float


class ResampledKendall:
    """The outcome's half of Kendall's tau-b and of its interval, kept so that many predictors cost little.

    The sums of concordance over pairs of configurations are computed once. If configuration g is drawn w_g times, its
    runs form pairs with those of configuration h with weight ``w_g w_h``, and among themselves with weight w_g: two
    copies of one configuration are no pair, since a table of distinct configurations has no such pair either. So pairs
    inside configurations have, on average, the weight that they have in the table.

    With more than `PAIRED_RUNS` runs or `PAIRED_LINEAGES` lineages the weight of a pair is linearized,
    ``w_g w_h = w_g + w_h - 1``, which needs only each run's sum over its pairs.

    Args:
        runs: the configurations of the n runs.
        lineages: their lineages.
        outcome: (n,) ranks of the outcome in the order of `runs`.
        counts: (resamples, L) draws of the lineages, from `bootstrap_counts`; with none there are no intervals.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages, outcome: np.ndarray, counts: np.ndarray):
        self._runs = runs
        self._lineages = lineages
        self._outcome = outcome
        undrawn = np.ones((1, counts.shape[1]))
        self._counts = np.concatenate([undrawn, counts])
        self._is_large = len(outcome) > PAIRED_RUNS or len(lineages) > PAIRED_LINEAGES
        if not self._is_large:
            self._compared_outcome = comparable(outcome)
            self._untied_outcome = self._untied(self._compared_outcome)

    def interval(self, predictor: np.ndarray, confidence: float = 0.95) -> TauInterval:
        """Return Kendall's tau-b of a predictor, with the percentile interval of its resamples.

        Args:
            predictor: (n,) ranks in the order of `runs`.
            confidence: coverage.
        """
        concordance, untied_predictor, untied_outcome = self._sums_of_resamples(predictor)
        with np.errstate(invalid="ignore", divide="ignore"):
            taus = concordance / np.sqrt(untied_predictor * untied_outcome)
            # In the order of scipy.stats.kendalltau, for the same rounding.
            tau = concordance[0] / 2 / np.sqrt(untied_predictor[0] / 2) / np.sqrt(untied_outcome[0] / 2)
        low, high = percentile_interval(taus[1:], taus[0], confidence)
        return TauInterval(float(np.clip(tau, -1, 1)), low, high)

    def _sums_of_resamples(self, predictor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sums over ordered pairs of sign(dx) sign(dy), |sign(dx)| and |sign(dy)|; the first is of the table."""
        if self._is_large:
            sums = np.column_stack(run_sums(predictor, self._outcome))
            of_lineages = self._lineages.sums_over_runs(self._runs, sums)
            concordance, untied_x, untied_y = (2 * self._counts @ of_lineages - of_lineages.sum(axis=0)).T
            return concordance, untied_x, untied_y
        x = comparable(predictor)
        y = self._compared_outcome

        def compare(rows: slice) -> list[np.ndarray]:
            is_larger = x[rows, None] > x
            concordant = is_larger & (y[rows, None] > y)
            discordant = is_larger & (y[rows, None] < y)
            return [is_larger, concordant, discordant]

        untied, concordant, discordant = pair_counts(self._runs, compare)
        return self._weighted(concordant - discordant), self._weighted(untied), self._untied_outcome

    def _untied(self, values: np.ndarray) -> np.ndarray:
        """(n,) values -> (1 + resamples,) weighted numbers of ordered pairs that differ."""
        (larger,) = pair_counts(self._runs, lambda rows: [values[rows, None] > values])
        return self._weighted(larger)

    def _weighted(self, pairs: np.ndarray) -> np.ndarray:
        """(G, G) numbers of pairs, each pair of runs once -> (1 + resamples,) weighted sums over ordered pairs."""
        both_orders = pairs + pairs.T
        rows = self._lineages.sums(both_orders)
        of_lineages = self._lineages.sums(rows.T)
        inside = self._lineages.sums(both_orders.diagonal())
        all_pairs = ((self._counts @ of_lineages) * self._counts).sum(axis=1)
        copies = self._counts * (self._counts - 1)
        return np.asarray(all_pairs - copies @ inside)


def kendall_interval(
    runs: GroupedRuns,
    lineages: Lineages,
    x: np.ndarray,
    y: np.ndarray,
    counts: np.ndarray,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of tau-b of one predictor when whole lineages are resampled.

    Args:
        runs: the configurations of the n runs.
        lineages: their lineages.
        x: (n,) predictor in the order of `runs`.
        y: (n,) target in the order of `runs`.
        counts: (resamples, L) draws of the lineages, from `bootstrap_counts`.
        confidence: coverage.

    Returns:
        (low, high); NaN without resamples.
    """
    found = ResampledKendall(runs, lineages, rankdata(y), counts).interval(rankdata(x), confidence)
    return found.low, found.high


def run_sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over each run's pairs of sign(dx) sign(dy), |sign(dx)| and |sign(dy)|, each (n,).

    >>> concordance, _, _ = run_sums(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    >>> concordance.tolist()
    [2.0, 0.0, 0.0]
    """
    n = len(x)
    of_x = _Places.of(x)
    of_y = _Places.of(y)
    x_then_y = _Places.of(n * of_x.smaller + of_y.smaller)
    y_then_x = _Places.of(n * of_y.smaller + of_x.smaller)
    smaller_in_both = _dominated(x, y)
    smaller_in_one = x_then_y.smaller - of_x.smaller + y_then_x.smaller - of_y.smaller  # and equal in the other
    # The sum over j of sign(x_i - x_j) sign(y_i - y_j), with sign(x_i - x_j) = 2 [x_j < x_i] + [x_j = x_i] - 1.
    concordance = 4 * smaller_in_both + 2 * smaller_in_one + x_then_y.equal
    for places in (of_x, of_y):
        concordance -= 2 * places.smaller + places.equal
    return concordance + n, n - of_x.equal, n - of_y.equal


class _Places(NamedTuple):
    """Places of n values in their order.

    Attributes:
        smaller: (n,) number of smaller values for each value.
        equal: (n,) number of equal values for each value, itself among them.
    """

    smaller: np.ndarray
    equal: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "_Places":
        """Count smaller and equal values."""
        _, codes, repetitions = np.unique(values, return_inverse=True, return_counts=True)
        smaller = np.cumsum(repetitions) - repetitions
        return cls(smaller[codes].astype(float), repetitions[codes].astype(float))


def _dominated(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) number of elements with both a smaller x and a smaller y: merge sort, all blocks of a size at once."""
    n = len(x)
    order = np.lexsort((-y, x))
    rank = np.unique(y, return_inverse=True)[1][order]
    counts = np.zeros(n)
    position = np.arange(n)
    width = 1
    while width < n:
        block = position // (2 * width)
        in_right = position // width % 2 == 1
        key = block * n + rank
        in_earlier_blocks = block[in_right] * width
        counts[in_right] += np.searchsorted(np.sort(key[~in_right]), key[in_right]) - in_earlier_blocks
        width *= 2
    result = np.empty(n)
    result[order] = counts
    return result
