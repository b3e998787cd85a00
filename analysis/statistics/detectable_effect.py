"""Smallest effects that a design can show: known before anything is trained.

Power is computed for one true predictor among several that are judged together. The Benjamini-Hochberg procedure then
holds it to the strictest bound, level / predictors, whatever the others do: the worst case.

Formulas, all two-sided:

- Fisher's z of a correlation r over f degrees of freedom is normal with mean atanh(r) and variance 1 / f.
- Aligned ranks use 9 / pi^2 = 0.912 of the information of normal values (Hodges and Lehmann 1962).
- Runs of one configuration have one mean, so R replicates give R - 1 degrees of freedom. Configurations of one lineage
  may share their luck wholly, and then count once, or not at all, and then count each: `shared_luck` tells.
"""

import math

from scipy.stats import norm

RANK_EFFICIENCY = 9 / math.pi**2
POWER = 0.8
LEVEL = 0.05
MOST_REPLICATES = 1_000_000


def detectable_effect(
    replicates: int,
    lineages: int,
    configurations_per_lineage: float = 1,
    predictors: int = 1,
    *,
    shared_luck: float = 0,
    power: float = POWER,
    level: float = LEVEL,
) -> float:
    """Return the smallest rank correlation within configurations that a design finds with the given power.

    ``r = tanh((z[1 - level / (2 predictors)] + z[power]) / sqrt(0.912 f))`` with f degrees of freedom, see
    `degrees_within`.

    Args:
        replicates: runs of each configuration.
        lineages: lineages of the sweep.
        configurations_per_lineage: configurations of a lineage, on average.
        predictors: number of predictors that are judged together.
        shared_luck: correlation of the luck of two configurations of one lineage, from 0 (unrelated) to 1 (the same).
        power: probability of finding the effect.
        level: false discovery rate of the decisions.

    Returns:
        An absolute correlation; 1 if there are no degrees of freedom.

    >>> round(detectable_effect(replicates=5, lineages=48, predictors=5), 3)
    0.253
    >>> round(detectable_effect(5, 24, configurations_per_lineage=2, predictors=5, shared_luck=1), 3)
    0.35
    """
    freedom = degrees_within(replicates, lineages, configurations_per_lineage, shared_luck)
    return correlation_detected(freedom, predictors, power=power, level=level)


def correlation_detected(freedom: float, predictors: int = 1, *, power: float = POWER, level: float = LEVEL) -> float:
    """Return the smallest rank correlation that is found over so many degrees of freedom; see `detectable_effect`.

    >>> round(correlation_detected(192, predictors=5), 3)
    0.253
    """
    if freedom <= 0:
        return 1.0
    return math.tanh(_required_z(predictors, power, level) / math.sqrt(RANK_EFFICIENCY * freedom))


def degrees_within(
    replicates: int, lineages: int, configurations_per_lineage: float = 1, shared_luck: float = 0
) -> float:
    """Return the effective degrees of freedom within configurations.

    A lineage of c configurations with luck of correlation s counts as ``c / (1 + (c - 1) s^2)`` unrelated ones: the
    variance of a sum of c products of two numbers, each with correlation s between configurations.

    >>> degrees_within(replicates=5, lineages=24, configurations_per_lineage=2, shared_luck=0)
    192.0
    >>> degrees_within(replicates=5, lineages=24, configurations_per_lineage=2, shared_luck=1)
    96.0
    """
    related = 1 + (configurations_per_lineage - 1) * shared_luck**2
    unrelated = lineages * configurations_per_lineage / related
    return unrelated * (replicates - 1)


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
    per_replicate = degrees_within(2, lineages, configurations_per_lineage, shared_luck)
    required = (_required_z(predictors, power, level) / math.atanh(effect)) ** 2 / RANK_EFFICIENCY
    replicates = 1 + math.ceil(required / per_replicate - 1e-9)
    if replicates > MOST_REPLICATES:
        raise ValueError(f"effect = {effect}: takes more than {MOST_REPLICATES:,} replicates")
    return max(2, replicates)


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
    correlation = math.tanh(_required_z(predictors, power, level) / math.sqrt(RANK_EFFICIENCY * (lineages - 1)))
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
    """Return how many replicates it takes to call a predictor without any effect negligible.

    Both ends of an interval of the given confidence must lie inside plus and minus the bound. For a correlation of 0
    they do with probability `power` if ``atanh(bound) = (z[(1 + confidence) / 2] + z[(1 + power) / 2]) / sqrt(f)``.

    >>> replicates_for_negligible(48)
    6
    """
    per_replicate = degrees_within(2, lineages, configurations_per_lineage, shared_luck)
    z = norm.ppf((1 + confidence) / 2) + norm.ppf((1 + power) / 2)
    required = (z / math.atanh(bound)) ** 2
    return max(2, 1 + math.ceil(required / per_replicate - 1e-9))


def _required_z(predictors: int, power: float, level: float) -> float:
    """Return the distance from 0, in standard errors, at which one true predictor among several is found."""
    strictest = level / (2 * max(1, predictors))
    return float(norm.ppf(1 - strictest) + norm.ppf(power))
