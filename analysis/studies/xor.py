"""Train small and large pattern detectors on the XOR detection problem, and compare the ones that fit."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, show_interval, slope_within
from benevolent.analysis.studies.shared.xor_claims import ERROR_CLAIMS, FRACTION_CLAIMS, LEMMA_2
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


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    drawn = Detectors.of(results["networks"])
    centers = Detectors.of(results["centers"])
    small = drawn.smallest
    large = drawn.largest
    findings = [
        _generalizes("all", small.table, large.table),
        _generalizes("fitted", small.fitted, large.fitted),
        _generalizes("usual", small.fitted, large.fitted, "usual_error"),
        _clusters(large),
        _more_often("perfect", small.fitted, large.fitted),
        _generalizes("centers", small.table, centers.table),
        _centers_help_most(small.table, large.table, centers.table),
        _generalizes("fitted centers", small.fitted, centers.fitted),
        _exploration_tells(drawn),
        _more_often("fits", small.table, large.table),
        _more_often("explored", small.table, large.table),
        _recorded_is_exact(drawn, centers),
    ]
    numbers = pd.concat([drawn.table.assign(start="drawn"), centers.table.assign(start="cluster centers")])
    numbers = numbers.drop(columns=["start_filters", "filters_at_end"])
    notes = [
        "Each seed has a training set and an initialization of its own, the same for all networks of a size. "
        "Errors are sums over the 15 sets of patterns that an input may have, without a sample of test examples.",
        "The paper tests on the distribution that it trains on, where most positives have several positive patterns, "
        "so that a network is right about them if it detects one of both; on the hard one it has to detect both. "
        "The paper shows cluster centers on MNIST, not on this task.",
    ]
    return StudyAnswer(findings, xor_figures(drawn.table, centers.table), numbers, notes)


def _generalizes(name: str, small: pd.DataFrame, other: pd.DataFrame, column: str = "hard_error") -> Finding:
    claim, paper, explanation, kind = ERROR_CLAIMS[name]
    difference = mean_difference(small, other, column)
    of_small, of_other = paired(small, other, column)
    errors = f"error {of_other.mean():.4f} against {of_small.mean():.4f} in {len(of_small)} pairs"
    evidence = f"{errors}; difference {show_interval(difference, '.4f')}"
    return Finding(claim, decide(difference.low > 0), evidence, paper, explanation=explanation, kind=kind)


def _more_often(column: str, small: pd.DataFrame, large: pd.DataFrame) -> Finding:
    claim, paper, explanation, kind = FRACTION_CLAIMS[column]
    difference = mean_difference(large, small, column)
    of_large, of_small = paired(large, small, column)
    as_asked = large[column].mean() == 1 or column != "explored"
    shown = show_interval(difference, ".2f")
    pairs = f"in {len(of_small)} pairs"
    evidence = f"{of_large.mean():.0%} of large and {of_small.mean():.0%} of small networks {pairs}; difference {shown}"
    return Finding(claim, decide(as_asked and difference.low > 0), evidence, paper, explanation=explanation, kind=kind)


def _clusters(large: Detectors) -> Finding:
    fitted = large.fitted.assign(more=large.fitted["share_at_end"] - large.fitted["share_at_start"])
    end = mean_over_seeds(fitted, lambda rows: float(rows["share_at_end"].mean()), (0, 1))
    more = mean_over_seeds(fitted, lambda rows: float(rows["more"].mean()), (-1, 1))
    start = fitted["share_at_start"].mean()
    return Finding(
        "At convergence the filters of large networks cluster around the patterns",
        decide(more.low > 0 and end.low >= CLUSTERED),
        f"share of norms near a pattern {start:.2f} at initialization, {show_interval(end, '.2f')} at the end",
        LEMMA_2,
        explanation="the filters hardly move from where they start",
    )


def _centers_help_most(small: pd.DataFrame, large: pd.DataFrame, centers: pd.DataFrame) -> Finding:
    to_large = differences(small, large, "hard_error")
    to_centers = differences(small, centers, "hard_error")
    surplus = (to_centers - CLOSED * to_large).dropna().rename("surplus").reset_index()
    mean = mean_over_seeds(surplus, lambda rows: float(rows["surplus"].mean()))
    there_is_one = mean_difference(small, large, "hard_error").low > 0
    part = f"{to_centers.mean() / to_large.mean():.0%} of the difference; " if there_is_one else ""
    return Finding(
        "Cluster centers take away most of the difference between small and large networks",
        decide(mean.low >= 0 if there_is_one else None),
        f"{part}beyond {CLOSED:.0%} of it the error falls by {show_interval(mean, '.4f')}",
        reason="" if there_is_one else "there is no difference that it could take away",
        explanation="they end between drawn small networks and large ones",
        kind="ours",
    )


def _exploration_tells(drawn: Detectors) -> Finding:
    fitted = drawn.fitted.assign(unexplored=1.0 - drawn.fitted["explored"])
    slope = slope_within(fitted, "unexplored", "hard_error", ["filters", "train_size"])
    shown = show_interval(slope, ".4f")
    return Finding(
        "Among networks of one size that fit, those that explored at initialization err less",
        decide(None if slope.seeds < 2 else slope.low > 0),
        f"without exploration the error is larger by {shown}",
        explanation="filters may turn to a pattern that none of them was near to",
        kind="ours",
    )


def _recorded_is_exact(*parts: Detectors) -> Finding:
    table = pd.concat([part.table for part in parts])
    p = table["hard_error"]
    deviation = np.sqrt(p * (1 - p) / table["test_size"]).clip(lower=1e-9)
    largest = ((table["test_error"] - p).abs() / deviation).max()
    return Finding(
        "Test errors recorded in training are the exact ones but for the sample",
        decide(largest <= DEVIATIONS),
        f"at most {largest:.1f} standard deviations apart, {len(table)} networks",
        kind="check",
    )
