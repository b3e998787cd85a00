"""Train small and large pattern detectors on the XOR detection problem, and compare the ones that fit."""

import numpy as np
import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.seed_means import seed_mean, show_interval, slope_within
from benevolent.analysis.studies.shared.xor_claims import (
    ALL,
    CENTERS,
    EXPLORED,
    FITS,
    FITTED,
    FITTED_CENTERS,
    LEMMA_2,
    PERFECT,
    USUAL,
)
from benevolent.analysis.studies.shared.xor_figures import xor_figures
from benevolent.analysis.studies.shared.xor_networks import DEGREES, Detectors, differences, mean_difference, paired

#: Share of the filters' norms that must have clustered at the end.
CLUSTERED = 0.5
#: Part of the small networks' excess error that cluster centers must take away, in the stricter claim.
CLOSED = 0.5
#: Largest number of standard deviations between a recorded test error and the exact one.
DEVIATIONS = 5

RULE = f"""
Small: the fewest filters, large: the most. The error is exact, on the hard distribution, whose positives have one
positive pattern only, where the usual distribution is not named.

Generalize better: the error of small networks minus that of large ones, a seed's mean over training set sizes, has a
95% interval above 0, over all networks, and over those that fit every training example (pairs of which both fit); over
the latter also on the usual distribution. Global minima: of the latter, more large than small networks err on no input.

Cluster: in large networks that fit, the share of the filters' norms within {DEGREES:g} degrees of a pattern is larger
at the end than at initialization, and at least {CLUSTERED}.

Our controls: cluster centers: small networks that start from the centers of a large network's filters (k-means, of the
same seed) err less than those that are drawn, also among networks that fit; the centers take away at least {CLOSED} of
the difference between small and large (undecided if that has no interval above 0); among networks of one size that fit,
those that had not explored at initialization err more: the least-squares slope of the error on "not explored", both
minus their means over the networks of one number of filters and of training examples, is above 0; large networks fit
more often. All of these need Student's interval, of a mean over seeds, to be on the right side; that of the slope has
standard errors clustered by seed.

Checks: explore: at initialization every pattern is nearest to a filter that should detect it, in every large network,
and in fewer of the small ones (likewise); test errors recorded in training are within {DEVIATIONS} standard deviations
of the exact ones.
"""

#: Claims of the findings.
CLUSTERS = StudyClaim(
    "At convergence the filters of large networks cluster around the patterns",
    LEMMA_2,
    explanation="the filters hardly move from where they start",
)
CENTERS_HELP_MOST = StudyClaim(
    "Cluster centers take away most of the difference between small and large networks",
    explanation="they end between drawn small networks and large ones",
    kind="ours",
)
EXPLORATION_TELLS = StudyClaim(
    "Among networks of one size that fit, those that explored at initialization err less",
    explanation="filters may turn to a pattern that none of them was near to",
    kind="ours",
)
RECORDED_IS_EXACT = StudyClaim("Test errors recorded in training are the exact ones but for the sample", kind="check")

NOTES = (
    "Each seed has a training set and an initialization of its own, the same for all networks of a size. "
    "Errors are sums over the 15 sets of patterns that an input may have, without a sample of test examples.",
    "The paper tests on the distribution that it trains on, where most positives have several positive patterns, "
    "so that a network is right about them if it detects one of both; on the hard one it has to detect both. "
    "The paper shows cluster centers on MNIST, not on this task.",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    drawn = Detectors.of(results["networks"])
    centers = Detectors.of(results["centers"])
    small = drawn.smallest
    large = drawn.largest
    findings = [
        _generalizes(ALL, small.table, large.table),
        _generalizes(FITTED, small.fitted, large.fitted),
        _generalizes(USUAL, small.fitted, large.fitted, "usual_error"),
        _clusters(large),
        _more_often(PERFECT, "perfect", small.fitted, large.fitted),
        _generalizes(CENTERS, small.table, centers.table),
        _centers_help_most(small.table, large.table, centers.table),
        _generalizes(FITTED_CENTERS, small.fitted, centers.fitted),
        _exploration_tells(drawn),
        _more_often(FITS, "fits", small.table, large.table),
        _more_often(EXPLORED, "explored", small.table, large.table, all_large=True),
        _recorded_is_exact(drawn, centers),
    ]
    numbers = pd.concat([drawn.table.assign(start="drawn"), centers.table.assign(start="cluster centers")])
    numbers = numbers.drop(columns=["start_filters", "filters_at_end"])
    return StudyAnswer(findings, xor_figures(drawn.table, centers.table), numbers, NOTES)


def _generalizes(claim: StudyClaim, small: pd.DataFrame, other: pd.DataFrame, column: str = "hard_error") -> Finding:
    difference = mean_difference(small, other, column)
    of_small, of_other = paired(small, other, column)
    errors = f"error {of_other.mean():.4f} against {of_small.mean():.4f} in {len(of_small)} pairs"
    return claim.decide(difference.low > 0, f"{errors}; difference {show_interval(difference, '.4f')}")


def _more_often(
    claim: StudyClaim, column: str, small: pd.DataFrame, large: pd.DataFrame, all_large: bool = False
) -> Finding:
    """Decide whether more large than small networks have a property, and if so asked, all large ones."""
    difference = mean_difference(large, small, column)
    of_large, of_small = paired(large, small, column)
    is_as_asked = not all_large or large[column].mean() == 1
    fractions = f"{of_large.mean():.0%} of large and {of_small.mean():.0%} of small networks"
    evidence = f"{fractions} in {len(of_small)} pairs; difference {show_interval(difference, '.2f')}"
    return claim.decide(is_as_asked and difference.low > 0, evidence)


def _clusters(large: Detectors) -> Finding:
    fitted = large.fitted.assign(more=large.fitted["share_at_end"] - large.fitted["share_at_start"])
    end = seed_mean(fitted, "share_at_end", (0, 1))
    more = seed_mean(fitted, "more", (-1, 1))
    start = fitted["share_at_start"].mean()
    holds = more.low > 0 and end.low >= CLUSTERED
    evidence = f"share of norms near a pattern {start:.2f} at initialization, {show_interval(end, '.2f')} at the end"
    return CLUSTERS.decide(holds, evidence)


def _centers_help_most(small: pd.DataFrame, large: pd.DataFrame, centers: pd.DataFrame) -> Finding:
    to_large = differences(small, large, "hard_error")
    to_centers = differences(small, centers, "hard_error")
    surplus = (to_centers - CLOSED * to_large).dropna().rename("surplus").reset_index()
    mean = seed_mean(surplus, "surplus")
    evidence = f"beyond {CLOSED:.0%} of it the error falls by {show_interval(mean, '.4f')}"
    if mean_difference(small, large, "hard_error").low <= 0:
        return CENTERS_HELP_MOST.decide(None, evidence, "there is no difference that it could take away")
    part = f"{to_centers.mean() / to_large.mean():.0%} of the difference"
    return CENTERS_HELP_MOST.decide(mean.low >= 0, f"{part}; {evidence}")


def _exploration_tells(drawn: Detectors) -> Finding:
    fitted = drawn.fitted.assign(unexplored=1.0 - drawn.fitted["explored"])
    slope = slope_within(fitted, "unexplored", "hard_error", ["filters", "train_size"])
    shown = show_interval(slope, ".4f")
    holds = None if slope.seeds < 2 else slope.low > 0
    return EXPLORATION_TELLS.decide(holds, f"without exploration the error is larger by {shown}")


def _recorded_is_exact(*parts: Detectors) -> Finding:
    table = pd.concat([part.table for part in parts])
    p = table["hard_error"]
    deviation = np.sqrt(p * (1 - p) / table["test_size"]).clip(lower=1e-9)
    off = (table["test_error"] - p).abs() / deviation
    evidence = f"at most {off.max():.1f} standard deviations apart, {len(table)} networks"
    return RECORDED_IS_EXACT.decide(off.max() <= DEVIATIONS, evidence)
