"""Permutations drawn until a decision no longer hangs on them, or a number fixed beforehand is reached.

A p-value from a few thousand draws of its null is itself an estimate, and a decision that hangs on the draws is
none. So every p-value has an interval (Clopper and Pearson 1934), and as in the MMCTest algorithm of Gandy and Hahn
2014 (A safe algorithm for implementing multiple Monte Carlo tests) the Benjamini-Hochberg procedure is applied to
the lower and to the upper ends: what both reject is decided, what both keep is decided, and only what lies between
is drawn on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from benevolent.analysis.statistics.resampling import false_discovery

#: Totals after which one looks; fixed before any data. The last one narrows the interval of a p-value to 0.6 to 1.5 of
#: it at 0.00125, the strictest bound of 40 predictors, and to 0.9 to 1.1 at 0.03, in a few seconds per open predictor.
LOOKS = tuple(1000 * 2**i for i in range(7))
#: The probability that an interval ever misses the p-value that all permutations would give.
RISK = 1e-3
BLOCK = 1000  # draws held in memory at a time


@dataclass
class Tally:
    """How many draws of a null were at least as extreme as what was observed."""

    hits: int = 0
    draws: int = 0

    @property
    def p(self) -> float:
        """(1 + hits) / (1 + draws): never 0 (Phipson and Smyth 2010); NaN without draws.

        >>> Tally(hits=1, draws=3).p
        0.5
        """
        return (1 + self.hits) / (1 + self.draws) if self.draws else np.nan

    def interval(self, risk: float) -> tuple[float, float]:
        """Clopper-Pearson interval of the p-value of endlessly many draws.

        >>> low, high = Tally(hits=0, draws=1000).interval(0.01)
        >>> low, round(high, 4)
        (0.0, 0.0053)
        """
        low = beta.ppf(risk / 2, self.hits, self.draws - self.hits + 1) if self.hits else 0.0
        high = beta.ppf(1 - risk / 2, self.hits + 1, self.draws - self.hits) if self.hits < self.draws else 1.0
        return float(low), float(high)


class Contest:
    """The two tests of one predictor, and how far they have been drawn.

    Args:
        exceed: maps (start, size) to how many of the draws from number `start` on were at least as extreme, in the
            first and in the second test.
        gain: what the first test is about; a predictor that gains nothing adds nothing, whatever its p-values.
    """

    def __init__(self, exceed: Callable[[int, int], tuple[int, int]], gain: float):
        self.exceed, self.gain, self.tallies = exceed, gain, (Tally(), Tally())

    def draw(self, total: int) -> None:
        """Go on until `total` draws of each null."""
        while (start := self.tallies[0].draws) < total:
            size = min(BLOCK, total - start)
            for tally, hits in zip(self.tallies, self.exceed(start, size), strict=True):
                tally.hits, tally.draws = tally.hits + hits, start + size

    def bounds(self, risk: float) -> tuple[float, float]:
        """The interval of the larger of the two p-values."""
        lows, highs = zip(*(tally.interval(risk / 2) for tally in self.tallies), strict=True)
        return max(lows), max(highs)


def settle(family: Sequence[Contest], level: float, looks: Sequence[int]) -> list[tuple[float, float]]:
    """Draw for a family of tests until all its decisions are certain, or to the last look.

    Args:
        family: the predictors that are corrected for together.
        level: of Benjamini and Hochberg's false discovery rate.
        looks: rising totals of draws.

    Returns:
        for each predictor the ends of the interval of its adjusted p-value. The decision is certain where both are
        on one side of the level.
    """
    still, adjusted = list(range(len(family))), [(np.nan, np.nan)] * len(family)
    for total in looks:
        for index in still:
            family[index].draw(total)
        ends = np.array([contest.bounds(RISK / len(looks)) for contest in family]).reshape(-1, 2)
        low, high = (false_discovery(column) for column in ends.T)
        adjusted = list(zip(low.tolist(), high.tolist(), strict=True))
        still = [i for i, (a, b) in enumerate(adjusted) if a <= level < b and family[i].gain > 0]
        if not still:
            break
    return adjusted
