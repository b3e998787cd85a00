"""The rule of a verdict, fixed before any data was looked at: its text and the code that applies it.

Both take their thresholds and decisions from the constants below, so that one cannot change without the other. A test
pins a hash of the text: whoever changes the rule has to say so there.

Why two claims. Whether a predictor orders runs that share every hyperparameter, and whether it helps to predict
configurations that were not seen, are different questions: noise inside configurations may follow a predictor that
says nothing about new ones, and the reverse. Forced into one decision that needs both, they decided nothing.

Why three families. With many predictors of which only one claim is true, the families of the single claims are full
of true discoveries, and a predictor that passes each of them by luck is common: 75% of simulated tables had a false
"adds". Adjusting the larger of the two p-values as a family of its own left 4%.

Why "negligible". A claim that is not shown is no evidence of absence. Two one-sided tests are: both 90% intervals
inside the bounds (Schuirmann 1987).

benchmarks/calibration.py shows the error rates and the power of each claim.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from benevolent.analysis.formatting import quantity
from benevolent.analysis.judging.decisions import (
    ADDS,
    ADDS_BEYOND,
    ADDS_IN_TRANSFER,
    FUNCTION_OF_AXES,
    NEGLIGIBLE,
    NOT_SHOWN,
    UNDECIDED,
)
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.thresholds import EQUIVALENCE_CONFIDENCE, MINIMUM_UNITS, PERMUTATION_STAGES

MINIMUM_LINEAGES = MINIMUM_UNITS
MINIMUM_WITHIN_FREEDOM = 10
# Three shared seeds differ in two directions only: random effects that they share and a relation then look alike.
# Simulated with strong effects on two binary axes, 4% of p-values were at most 0.0013; with four seeds 0.2%.
MINIMUM_SEEDS = 4
MINIMUM_ARRANGEMENTS = 10_000
SMALL_CORRELATION = 0.2
SMALL_GAIN = 0.01
MOSTLY_FUNCTION = 0.5  # share of the scatter of its ranks that the axes leave

_FEWEST = PERMUTATION_STAGES[0]
_MOST = PERMUTATION_STAGES[-1]

RULE = f"""\
Two claims about each predictor of {{target}} are tested; the hyperparameters are {{axes}}.
Beyond: among runs that share every hyperparameter, the predictor orders {{target}}. Both are taken relative to the
mean and spread of their configuration and ranked over all runs (aligned ranks); the correlation is tested by permuting
the replicates of each lineage, two-sided. A lineage is the configurations that share their seeds.
Transfers: the predictor helps to predict {{target}} in lineages that were left out. The gain is in cross-validated R2
of ranks over the hyperparameters alone: over ridge regression with pairwise interactions, with all interactions, or
boosted trees, whichever predicts best without the predictor. It is tested by flipping the signs of whole lineages, over
either regression, and a gain has to pass both tests.
If lineages share their seeds, these are rotated instead of permuted, and a claim of transfer has to pass that test too.
The p-values of each claim are one Benjamini-Hochberg family, and the larger of both p-values is a third. At a level of
{{level:g}}, a predictor "{ADDS}" by the third family, "{ADDS_BEYOND}" by the first and "{ADDS_IN_TRANSFER}" by the
second; transfer needs a positive gain. Otherwise it is "{NEGLIGIBLE}" if the {EQUIVALENCE_CONFIDENCE:.0%} intervals, by
resampling lineages, lie within {SMALL_CORRELATION:g} of 0 for the correlation and below {SMALL_GAIN:g} for the gain, \
and else
"{NOT_SHOWN}", which is no evidence that it adds nothing; with shared seeds nothing is negligible. What is claimed of an
effect inside these bounds is marked as small.
Permutations are drawn until Monte Carlo error can no longer change a decision: {_FEWEST:,} to {_MOST:,} of them,
unless a number was given. A decision that still depends on Monte Carlo error is "{UNDECIDED}".
A predictor that is equal in all runs of each configuration is a "{FUNCTION_OF_AXES}", and not tested.
Beyond needs {MINIMUM_WITHIN_FREEDOM} degrees of freedom within configurations and {MINIMUM_ARRANGEMENTS:,} distinct \
permutations, or {MINIMUM_SEEDS}
shared seeds; transfer needs {MINIMUM_LINEAGES} lineages. A predictor that lacks a test and passes no other is \
"{UNDECIDED}".
Kendall's tau, granulated tau, partial correlation and mutual information describe; they do not decide.
Converged runs decide; the scope "all", with diverged runs ranked worst, is shown beside them as a check."""


class Decided(NamedTuple):
    """A decision, its reason in a few words, and whether what is claimed is a small effect."""

    decision: str
    reason: str
    small: bool = False


def rule_text(target: str, axes: Sequence[str], level: float) -> str:
    """Return the rule with its target, axes and level filled in.

    >>> rule_text("test_loss", ["lr", "width"], 0.05).splitlines()[0]
    'Two claims about each predictor of test_loss are tested; the hyperparameters are lr, width.'
    """
    return RULE.format(target=target, axes=", ".join(axes), level=level)


def lacks_beyond(verdict: Verdict) -> str:
    """Return what the data lack for a test of the association within configurations; empty if nothing."""
    if verdict.runs == verdict.configurations:
        return "replicates: there is one run per configuration"
    if math.isnan(verdict.within):
        return f"variation: it or {verdict.target} is equal in the runs of each configuration"
    return design_lacks_beyond(verdict.within_freedom, verdict.within_seeds, verdict.arrangements)


def design_lacks_beyond(freedom: int, shared_seeds: float, arrangements: float) -> str:
    """Return what a design lacks for a test of any association within configurations; empty if nothing.

    Args:
        freedom: degrees of freedom within configurations.
        shared_seeds: number of seeds that all configurations share; NaN if they do not.
        arrangements: decimal logarithm of the number of distinct rearrangements of the replicates.
    """
    if freedom < MINIMUM_WITHIN_FREEDOM:
        required = f"(at least {MINIMUM_WITHIN_FREEDOM})"
        return f"replicates: {quantity(freedom, 'degree')} of freedom within configurations {required}"
    if shared_seeds < MINIMUM_SEEDS:
        return f"seeds: all configurations share {shared_seeds:.0f} (at least {MINIMUM_SEEDS})"
    if arrangements < math.log10(MINIMUM_ARRANGEMENTS):
        distinct = f"{10**arrangements:,.0f} distinct ones (at least {MINIMUM_ARRANGEMENTS:,})"
        return f"permutations: {distinct}"
    return ""


def lacks_transfer(verdict: Verdict) -> str:
    """Return what the data lack for a test of the gain; empty if nothing."""
    if verdict.lineages < MINIMUM_LINEAGES:
        return f"lineages: {verdict.lineages} (at least {MINIMUM_LINEAGES})"
    if math.isnan(verdict.gain_r2):
        return f"variation of {verdict.target}"
    return ""


def decide(verdict: Verdict, level: float, all_diverged: bool = False) -> Decided:
    """Return the decision about one predictor and the reason in a few words.

    Args:
        verdict: its statistics and adjusted p-values.
        level: false discovery rate.
        all_diverged: whether every run diverged.
    """
    if all_diverged:
        return Decided(UNDECIDED, "all runs diverged")
    if verdict.constant:
        return Decided(UNDECIDED, f"{verdict.constant} is constant")
    if verdict.function_of_axes:
        return Decided(FUNCTION_OF_AXES, "it is equal in all runs of each configuration")
    return _claimed(verdict, level) or _not_claimed(verdict, level)


def _claimed(verdict: Verdict, level: float) -> Decided | None:
    """Return the decision about a predictor of which something is claimed; None if nothing is."""
    gains = verdict.gain_r2 > 0
    small_within = verdict.within_bound < SMALL_CORRELATION
    small_gain = verdict.gain_bound < SMALL_GAIN
    transfers = gains and verdict.transfers_q_high <= level
    if gains and verdict.adds_q_high <= level:
        reason = "both claims are significant" + _caveats(verdict) + _opposite_sign(verdict)
        return Decided(ADDS, reason, small_within and small_gain)
    if verdict.beyond_q_high <= level:
        reason = _other(lacks_transfer(verdict), "transfer")
        if uncertain(verdict, level):
            reason = f"transfer still depends on chance after {verdict.permutations:,.0f} permutations"
        if transfers:
            reason = "both claims are significant one by one, not as a pair"
        return Decided(ADDS_BEYOND, reason + _opposite_sign(verdict), small_within)
    if transfers:
        return Decided(ADDS_IN_TRANSFER, _other(lacks_beyond(verdict), "beyond") + _caveats(verdict), small_gain)
    return None


def _other(lacking: str, claim: str) -> str:
    """Return what is known about the claim that is not made."""
    if lacking:
        return f"{claim} is not tested, for lack of {lacking}"
    return f"{claim} is not shown"


def _not_claimed(verdict: Verdict, level: float) -> Decided:
    """Return the decision about a predictor of which nothing is claimed."""
    lacking = [text for text in (lacks_beyond(verdict), lacks_transfer(verdict)) if text]
    if lacking:
        return Decided(UNDECIDED, "lacks " + "; ".join(lacking))
    if math.isnan(verdict.adds_q):
        return Decided(UNDECIDED, "lacks permutations: none were drawn")
    if uncertain(verdict, level):
        drawn = f"{verdict.permutations:,.0f}"
        return Decided(UNDECIDED, f"lacks permutations: after {drawn} the decision still depends on chance")
    if verdict.within_bound < SMALL_CORRELATION and verdict.gain_bound < SMALL_GAIN:
        bounds = f"|correlation| < {verdict.within_bound:.2f}, gain < {verdict.gain_bound:.3f}"
        return Decided(NEGLIGIBLE, bounds)
    return Decided(NOT_SHOWN, "neither claim is significant")


def uncertain(verdict: Verdict, level: float) -> bool:
    """Tell if Monte Carlo error could still change the decision."""
    if verdict.beyond_q_low <= level < verdict.beyond_q_high:
        return True
    transfers = verdict.transfers_q_low <= level < verdict.transfers_q_high
    adds = verdict.adds_q_low <= level < verdict.adds_q_high
    return verdict.gain_r2 > 0 and (transfers or adds)


def _opposite_sign(verdict: Verdict) -> str:
    if verdict.within * verdict.kendall_tau < 0:
        return "; the sign within configurations is opposite to the sign over all runs"
    return ""


def _caveats(verdict: Verdict) -> str:
    """Explain what would surprise a reader of a predictor that transfers."""
    text = ""
    if verdict.own_share < MOSTLY_FUNCTION:
        text += "; it is mostly a function of the axes and may stand for an interaction of them"
    if verdict.gain_low <= 0:
        text += "; the interval of the gain contains 0, the test decides"
    return text
