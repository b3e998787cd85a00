"""Smallest effects that a design can show: known before anything is trained.

Power is computed for one true predictor among several that are judged together. The Benjamini-Hochberg procedure then
holds it to the strictest bound, level / predictors, whatever the others do: the worst case.

All tests are two-sided. Aligned ranks use 9 / pi^2 = 0.912 of the information of normal values (Hodges and Lehmann
1962), so a correlation r counts as ``t = sqrt(0.912) atanh(r)``.

The replicates of a lineage are rearranged jointly. R replicates differ in d = R - 1 directions. In a lineage of c
configurations whose luck has the correlation s, the sum of products of predictor and outcome has the expectation
``d c t`` and the variance ``d c (1 + (c - 1) s^2)``. Under the null the variance of a lineage is that of its d x d
matrix of products turned at random, ``c^2 t^2 + d c (1 + (c - 1) s^2)``: an association in few lineages makes its own
null wide. Configurations that all have the same seeds are one lineage here.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from statistics import NormalDist

RANK_EFFICIENCY = 9 / math.pi**2
POWER = 0.8
LEVEL = 0.05
MOST_REPLICATES = 1_000_000
#: Halvings of an interval down to the rounding of its ends.
HALVINGS = 54
LARGEST_ASSOCIATION = 2.5  # a correlation of 0.99; one that has to be larger is not found
_NORMAL = NormalDist()


def detectable_effect(
    replicates: float,
    lineages: float,
    configurations_per_lineage: float = 1,
    predictors: int = 1,
    *,
    shared_luck: float = 0,
    power: float = POWER,
    level: float = LEVEL,
) -> float:
    """Return the smallest rank correlation within configurations that a design finds with the given power.

    It is the correlation whose sum of products, less z[power] of its standard deviations, is z[1 - level / (2
    predictors)] standard deviations of the null; see the head of this module for both.

    Args:
        replicates: runs of each configuration, on average.
        lineages: lineages of the sweep; 1 if all configurations have the same seeds.
        configurations_per_lineage: configurations of a lineage, on average.
        predictors: number of predictors that are judged together.
        shared_luck: correlation of the luck of two configurations of one lineage, from 0 (unrelated) to 1 (the same).
        power: probability of finding the effect.
        level: false discovery rate of the decisions.

    Returns:
        An absolute correlation; 1 if none is found.

    >>> round(detectable_effect(replicates=5, lineages=48, predictors=5), 3)
    0.254
    >>> round(detectable_effect(5, 24, configurations_per_lineage=2, predictors=5, shared_luck=1), 3)
    0.354
    >>> round(detectable_effect(5, 1, configurations_per_lineage=48, predictors=5), 3)
    0.356
    """
    directions = replicates - 1
    if directions <= 0:
        return 1.0
    size = configurations_per_lineage
    chance = directions * size * (1 + (size - 1) * shared_luck**2)
    needed_z = -_NORMAL.inv_cdf(level / (2 * max(1, predictors)))
    power_z = _NORMAL.inv_cdf(power)

    def excess(association: float) -> float:
        expected = lineages * directions * size * association - power_z * math.sqrt(lineages * chance)
        return expected - needed_z * math.sqrt(lineages * (size**2 * association**2 + chance))

    if excess(LARGEST_ASSOCIATION) <= 0:
        return 1.0
    association = _root(excess, LARGEST_ASSOCIATION)
    return math.tanh(association / math.sqrt(RANK_EFFICIENCY))


def _root(excess: Callable[[float], float], high: float) -> float:
    """Return where an increasing function becomes positive between 0 and `high`.

    By bisection, and quantiles are those of the standard library: a plan would wait longer for scipy's import than for
    all else here.
    """
    low = 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if excess(middle) > 0:
            high = middle
        else:
            low = middle
    return high


def replicates_for(
    effect: float,
    lineages: int,
    configurations_per_lineage: float = 1,
    predictors: int = 1,
    *,
    shared_luck: float = 0,
    power: float = POWER,
    level: float = LEVEL,
) -> int:
    """Return how many replicates a rank correlation within configurations takes; see `detectable_effect`.

    Raises:
        ValueError: the effect is not between 0 and 1, or takes more than a million replicates.

    >>> replicates_for(0.25, lineages=48, predictors=5)
    6
    """
    if not 0 < effect < 1:
        raise ValueError(f"effect = {effect}: expected a correlation between 0 and 1")
    design = (lineages, configurations_per_lineage, predictors)

    def is_found(replicates: int) -> bool:
        found = detectable_effect(replicates, *design, shared_luck=shared_luck, power=power, level=level)
        return found <= effect

    if not is_found(MOST_REPLICATES):
        raise ValueError(f"effect = {effect}: takes more than {MOST_REPLICATES:,} replicates")
    return bisect_left(range(MOST_REPLICATES), True, lo=2, key=is_found)


def detectable_gain(
    lineages: int, predictors: int = 1, *, baseline_r2: float, power: float = POWER, level: float = LEVEL
) -> float:
    """Return the smallest gain of R2 over a baseline that a design finds in configurations not seen.

    The units are lineages. Of the share 1 - R2 that the baseline leaves, the predictor explains r^2, with r the
    correlation that Fisher's z finds over that many lineages: ``gain = (1 - R2) r^2``. Lineages of several runs give
    more, as far as these are independent, so this is the worst case.

    Args:
        lineages: number of lineages.
        predictors: number of predictors that are judged together.
        baseline_r2: cross-validated R2 of the hyperparameters alone.
        power: probability of finding the gain.
        level: false discovery rate of the decisions.

    >>> round(detectable_gain(48, predictors=5, baseline_r2=0.8), 3)
    0.046
    """
    if lineages <= 1:
        return 1 - baseline_r2
    required_z = _NORMAL.inv_cdf(power) - _NORMAL.inv_cdf(level / (2 * max(1, predictors)))
    correlation = math.tanh(required_z / math.sqrt(RANK_EFFICIENCY * (lineages - 1)))
    return (1 - baseline_r2) * correlation**2


def replicates_for_negligible(
    lineages: int,
    configurations_per_lineage: float = 1,
    *,
    bound: float = 0.2,
    shared_luck: float = 0,
    power: float = POWER,
    confidence: float = 0.9,
) -> int:
    """Return how many replicates it takes to show that a predictor without effect has a small correlation.

    Both ends of an interval of the given confidence must lie inside plus and minus the bound. For a correlation of 0
    they do with probability `power` if ``atanh(bound) = (z[(1 + confidence) / 2] + z[(1 + power) / 2]) / sqrt(f)``,
    with f effective degrees of freedom: each configuration gives R - 1, and c of one lineage whose luck has the
    correlation s count as ``c / (1 + (c - 1) s^2)``.

    >>> replicates_for_negligible(48)
    6
    """
    related = 1 + (configurations_per_lineage - 1) * shared_luck**2
    per_replicate = lineages * configurations_per_lineage / related
    required = (_equivalence_z(power, confidence) / math.atanh(bound)) ** 2
    return max(2, 1 + math.ceil(required / per_replicate - 1e-9))


def lineages_for_negligible(
    baseline_r2: float, *, bound: float = 0.01, power: float = POWER, confidence: float = 0.9
) -> int:
    """Return how many lineages it takes to show that a predictor without effect has a small gain of R2.

    Of the share 1 - R2 that the baseline leaves, the gain is r^2, with r the correlation of what the axes leave of
    predictor and outcome. As in `detectable_gain` the units are lineages, which is the worst case.

    Args:
        baseline_r2: cross-validated R2 of the hyperparameters alone.
        bound: gain of R2 that counts as small.
        power: probability of showing it.
        confidence: of the interval of the gain.

    >>> lineages_for_negligible(0.5), lineages_for_negligible(0.95)
    (424, 38)
    """
    left = 1 - baseline_r2
    if left <= bound:
        return 2
    correlation = math.sqrt(bound / left)
    return 1 + math.ceil((_equivalence_z(power, confidence) / math.atanh(correlation)) ** 2)


def _equivalence_z(power: float, confidence: float) -> float:
    """Return the distance of 0 from both bounds, in standard errors, at which both ends of an interval are inside."""
    return _NORMAL.inv_cdf((1 + confidence) / 2) + _NORMAL.inv_cdf((1 + power) / 2)
