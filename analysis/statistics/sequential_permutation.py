"""Tests of two claims about each predictor, drawn until Monte Carlo error can no longer change a decision.

A p-value from a few thousand permutations is itself an estimate, and a decision that depends on which permutations
were drawn is no decision. Each p-value therefore has a confidence interval (Clopper and Pearson 1934). As in the
MMCTest algorithm (Gandy and Hahn 2014, "MMCTest: a safe algorithm for implementing multiple Monte Carlo tests"), the
Benjamini-Hochberg procedure is applied to the lower and to the upper ends of the intervals: a hypothesis that both
reject, or that both keep, is decided; only the others are drawn further, up to a total fixed beforehand.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache, partial
from typing import Protocol

import numpy as np
from scipy.stats import beta

from benevolent.analysis.statistics.resampling import false_discovery
from benevolent.trainables.machine_cpus import machine_cpus

#: Resampling risk: the probability that an interval ever misses the p-value that all permutations would give.
RESAMPLING_RISK = 1e-3
#: Blocks of permutations that are drawn at once, at most: each takes some hundred megabytes where there are many runs.
THREADS = 4

Interval = tuple[float, float]
NOT_TESTED = (np.nan, np.nan)


class Claim(StrEnum):
    """Claims about a predictor."""

    BEYOND = "beyond"
    TRANSFERS = "transfers"
    ADDS = "adds"


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

    def interval(self, risk: float) -> Interval:
        """Return the Clopper-Pearson interval of the p-value that infinitely many permutations would give.

        Args:
            risk: probability that the interval misses it.

        >>> low, high = ExceedanceCount(exceedances=0, permutations=1000).interval(0.01)
        >>> low, round(high, 4)
        (0.0, 0.0053)
        """
        return exact_interval(self.exceedances, self.permutations, risk)


@lru_cache(maxsize=100_000)  # the same few counts come up for many predictors and claims
def exact_interval(exceedances: int, permutations: int, risk: float) -> Interval:
    """Return the Clopper-Pearson interval of a share: quantiles of the beta distribution.

    It equals `scipy.stats.binomtest(...).proportion_ci(method="exact")`, which solves equations and takes 20 times as
    long.
    """
    below = permutations - exceedances
    low = float(beta.ppf(risk / 2, exceedances, below + 1)) if exceedances else 0.0
    high = float(beta.ppf(1 - risk / 2, exceedances + 1, below)) if below else 1.0
    return low, high


class Nulls(Protocol):
    """The permutations of a set of runs, drawn for several predictors at once."""

    block: int
    """Permutations that are drawn at a time."""

    def count_exceedances(self, start: int, size: int, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Count exceedances among permutations `start` to `start + size - 1`: beyond, and transfers, per column."""


@dataclass(eq=False)
class PredictorTests:
    """The permutation tests of one predictor and the exceedances counted so far.

    Attributes:
        nulls: the permutations of its runs.
        column: number of the predictor among those of the same runs.
        gain: estimate of its gain; a predictor without a positive gain does not transfer, whatever its p-value.
        beyond: whether there is an association within configurations to test.
        transfers: whether there is a gain to test.
        shared_seeds: lineages share their seeds; luck that they share can pass for a gain, so a claim of transfer has
            to pass both tests.
    """

    nulls: Nulls
    column: int
    gain: float
    beyond: bool
    transfers: bool
    shared_seeds: bool
    counts: dict[Claim, ExceedanceCount] = field(
        default_factory=lambda: {Claim.BEYOND: ExceedanceCount(), Claim.TRANSFERS: ExceedanceCount()}
    )

    @property
    def permutations(self) -> int:
        """Permutations drawn so far."""
        return self.counts[Claim.BEYOND].permutations

    def required(self, claim: Claim) -> tuple[Claim, ...]:
        """Return the tests that a claim has to pass; none if the data do not allow one of them."""
        tests: tuple[Claim, ...] = (claim,)
        if claim == Claim.ADDS or (claim == Claim.TRANSFERS and self.shared_seeds):
            tests = (Claim.BEYOND, Claim.TRANSFERS)
        allowed = {Claim.BEYOND: self.beyond, Claim.TRANSFERS: self.transfers}
        return tests if all(allowed[test] for test in tests) else ()

    def p(self, claim: Claim) -> float:
        """Return the largest p-value of the required tests; NaN if the claim cannot be tested."""
        return max((self.counts[test].p for test in self.required(claim)), default=np.nan)

    def bounds(self, claim: Claim, risk: float) -> Interval:
        """Return the interval of `p`; it misses with probability `risk` at most."""
        tests = self.required(claim)
        if not tests:
            return NOT_TESTED
        intervals = [self.counts[test].interval(risk / len(tests)) for test in tests]
        return max(low for low, _ in intervals), max(high for _, high in intervals)

    def can_claim(self, claim: Claim) -> bool:
        """Tell if the estimate allows the claim; a gain that is not positive allows no transfer."""
        return claim == Claim.BEYOND or self.gain > 0


def draw(tests: Iterable[PredictorTests], total: int) -> None:
    """Draw permutations until each null of each predictor has `total` of them; those of the same runs together."""
    together: dict[tuple[int, int], list[PredictorTests]] = {}
    for test in tests:
        together.setdefault((id(test.nulls), test.permutations), []).append(test)
    with ThreadPoolExecutor(min(THREADS, machine_cpus())) as threads:
        for group in together.values():
            nulls = group[0].nulls
            starts = range(group[0].permutations, total, nulls.block)
            sizes = [min(nulls.block, total - start) for start in starts]
            count = partial(nulls.count_exceedances, columns=[test.column for test in group])
            for size, (beyond, transfers) in zip(sizes, threads.map(count, starts, sizes), strict=True):
                for test, new_beyond, new_transfers in zip(group, beyond, transfers, strict=True):
                    _add(test.counts[Claim.BEYOND], int(new_beyond), size)
                    _add(test.counts[Claim.TRANSFERS], int(new_transfers), size)


def _add(count: ExceedanceCount, exceedances: int, permutations: int) -> None:
    count.exceedances += exceedances
    count.permutations += permutations


def draw_until_decided(
    family: Sequence[PredictorTests], level: float, stages: Sequence[int]
) -> list[dict[Claim, Interval]]:
    """Draw permutations until the decisions about all claims are certain, or to the last stage.

    Args:
        family: tests of the predictors that are corrected for together; every claim is a family of its own.
        level: false discovery rate of Benjamini and Hochberg.
        stages: increasing totals of permutations.

    Returns:
        For each predictor the interval of the adjusted p-value of each claim; NaN where it cannot be tested. A
        decision is certain if both ends are on the same side of the level.
    """
    undecided = list(family)
    intervals: list[dict[Claim, Interval]] = []
    for total in stages:
        draw(undecided, total)
        intervals = _adjusted_intervals(family, RESAMPLING_RISK / len(stages))
        undecided = []
        for test, of_claims in zip(family, intervals, strict=True):
            if any(low <= level < high and test.can_claim(claim) for claim, (low, high) in of_claims.items()):
                undecided.append(test)
        if not undecided:
            break
    return intervals


def _adjusted_intervals(family: Sequence[PredictorTests], risk: float) -> list[dict[Claim, Interval]]:
    """Return the intervals of the adjusted p-values of each predictor's claims."""
    intervals: list[dict[Claim, Interval]] = [{} for _ in family]
    for claim in Claim:
        bounds = [test.bounds(claim, risk) for test in family]
        lows = false_discovery([low for low, _ in bounds]).tolist()
        highs = false_discovery([high for _, high in bounds]).tolist()
        for of_claims, low, high in zip(intervals, lows, highs, strict=True):
            of_claims[claim] = (low, high)
    return intervals
