"""Permutation tests that are drawn until Monte Carlo error can no longer change a decision.

A p-value from a few thousand permutations is itself an estimate, and a decision that depends on which permutations
were drawn is no decision. Each p-value therefore has a confidence interval (Clopper and Pearson 1934). As in the
MMCTest algorithm (Gandy and Hahn 2014, "MMCTest: a safe algorithm for implementing multiple Monte Carlo tests"), the
Benjamini-Hochberg procedure is applied to the lower and to the upper ends of the intervals: a hypothesis that both
reject, or that both keep, is decided; only the others are drawn further, up to a total fixed beforehand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from benevolent.analysis.statistics.resampling import false_discovery

#: Totals of permutations after which decisions are examined; fixed before any data. The last one narrows the interval
#: of a p-value to 0.6 to 1.5 times the p-value at 0.00125, the strictest bound of 40 predictors, and to 0.9 to 1.1
#: times at 0.03, in a few seconds per undecided predictor.
PERMUTATION_STAGES = tuple(1000 * 2**i for i in range(7))
#: Resampling risk: the probability that an interval ever misses the p-value that all permutations would give.
RESAMPLING_RISK = 1e-3
BLOCK = 1000  # permutations held in memory at a time


@dataclass
class ExceedanceCount:
    """Number of permutations whose statistic was at least as extreme as the observed one.

    Attributes:
        exceedances: permutations that were at least as extreme.
        permutations: permutations drawn so far.
    """

    exceedances: int = 0
    permutations: int = 0

    @property
    def p(self) -> float:
        """Monte Carlo p-value (1 + exceedances) / (1 + permutations), never 0; NaN without permutations.

        Source: Phipson and Smyth 2010.

        >>> ExceedanceCount(exceedances=1, permutations=3).p
        0.5
        """
        if not self.permutations:
            return np.nan
        return (1 + self.exceedances) / (1 + self.permutations)

    def interval(self, risk: float) -> tuple[float, float]:
        """Return the Clopper-Pearson interval of the p-value that infinitely many permutations would give.

        Args:
            risk: probability that the interval misses it.

        >>> low, high = ExceedanceCount(exceedances=0, permutations=1000).interval(0.01)
        >>> low, round(high, 4)
        (0.0, 0.0053)
        """
        below = self.permutations - self.exceedances
        low = 0.0
        if self.exceedances:
            low = float(beta.ppf(risk / 2, self.exceedances, below + 1))
        high = 1.0
        if below:
            high = float(beta.ppf(1 - risk / 2, self.exceedances + 1, below))
        return low, high


class PermutationTests:
    """The two permutation tests of one predictor and the exceedances counted so far.

    Args:
        count_exceedances: maps (start, size) to the numbers of exceedances of the first and of the second test among
            permutations `start` to `start + size - 1`.
        gain: estimate that the first test is about; a predictor without a positive gain adds nothing, whatever its
            p-values, so its tests need no further permutations.

    Attributes:
        counts: exceedances of the first and of the second test.
    """

    def __init__(self, count_exceedances: Callable[[int, int], tuple[int, int]], gain: float):
        self.count_exceedances = count_exceedances
        self.gain = gain
        self.counts = (ExceedanceCount(), ExceedanceCount())

    def draw(self, total: int) -> None:
        """Draw permutations until each null has `total` of them."""
        while (start := self.counts[0].permutations) < total:
            size = min(BLOCK, total - start)
            exceedances = self.count_exceedances(start, size)
            for count, new in zip(self.counts, exceedances, strict=True):
                count.exceedances += new
                count.permutations = start + size

    def bounds(self, risk: float) -> tuple[float, float]:
        """Return the interval of the larger of the two p-values; it misses with probability `risk` at most."""
        intervals = [count.interval(risk / 2) for count in self.counts]
        lows, highs = zip(*intervals, strict=True)
        return max(lows), max(highs)


def draw_until_decided(
    family: Sequence[PermutationTests], level: float, stages: Sequence[int]
) -> list[tuple[float, float]]:
    """Draw permutations for a family of tests until all its decisions are certain, or to the last stage.

    Args:
        family: tests of the predictors that are corrected for together.
        level: false discovery rate of Benjamini and Hochberg.
        stages: increasing totals of permutations.

    Returns:
        For each predictor the interval of its adjusted p-value. A decision is certain if both ends are on the same
        side of the level.
    """
    undecided = list(range(len(family)))
    intervals = [(np.nan, np.nan)] * len(family)
    for total in stages:
        for i in undecided:
            family[i].draw(total)
        bounds = [tests.bounds(RESAMPLING_RISK / len(stages)) for tests in family]
        lows = false_discovery([low for low, _ in bounds]).tolist()
        highs = false_discovery([high for _, high in bounds]).tolist()
        intervals = list(zip(lows, highs, strict=True))
        undecided = []
        for i, (low, high) in enumerate(intervals):
            if low <= level < high and family[i].gain > 0:
                undecided.append(i)
        if not undecided:
            break
    return intervals
