"""The rule of a verdict, fixed before any data was looked at: its text and the code that applies it.

Both take their thresholds and decisions from the constants below, so that one cannot change without the other. A test
pins a hash of the text: whoever changes the rule has to say so there.

Why seeds are rotated. The same seed means the same random streams in every configuration, so two configurations that
differ little may share their random fluctuations, in predictor and outcome alike, without any relation between the two.
Permuting runs inside configurations counts each run as new evidence: with strong effects shared by a seed and a pair
of axes, and a real gain, it claimed something in 78% of tables. Taking out effects of seed by pair of axes as well
costs half of the degrees of freedom and leaves triples. But seeds are alike and independent of each other, so the
vectors of two seeds over all configurations can be exchanged, whatever they share inside. Five seeds have only 120
permutations, too few for p-values that survive a correction for 40 predictors; rotations (Langsrud 2005) go between
them, and are exact where the sums over configurations are normal. benchmarks/calibration.py shows both errors.

Why the number of permutations is not fixed. Ten draws below the strictest Benjamini-Hochberg bound were the first
choice; then a verdict changed with the seed of the permutations. More draws made that rarer and left it possible. Now
intervals of the p-values decide when to stop (analysis/statistics/sequential_permutation.py), and the smallest and the
largest number of draws are constants that no data changes.
"""

import math
from collections.abc import Sequence

from benevolent.analysis.judging.decisions import ADDS, ADDS_NOTHING, NOT_SEPARABLE, NOT_SHOWN, UNDECIDED
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.statistics.sequential_permutation import PERMUTATION_STAGES

MINIMUM_CONFIGURATIONS = 8
MINIMUM_WITHIN_FREEDOM = 10
# Three seeds differ in two directions only: random effects that they share and a relation then look alike. Simulated
# with strong effects on two binary axes, 4% of p-values were at most 0.0013; with four seeds 0.2%, with five fewer.
MINIMUM_SEEDS = 4

_FEWEST = PERMUTATION_STAGES[0]
_MOST = PERMUTATION_STAGES[-1]

RULE = f"""\
A predictor adds to the axes ({{axes}}) as a predictor of {{target}} only if both of these hold:
(i) gain: its rank raises the cross-validated R2 of the ranks of {{target}} over the axes alone (main effects and
pairwise interactions, whole configurations held out); p by permuting it between whole configurations;
(ii) within: among runs of one configuration its rank correlates with the rank of {{target}}, configuration means
removed; two-sided p by rotating its seeds, in the same way in all configurations (without a seed column: by permuting
it inside configurations).
Effects of the seed, and of the seed with each axis, are removed from both first. Whatever else runs of one seed share
is left to (ii), whose units of evidence are seeds: under such shared effects (i) alone would claim too much.
The larger of the two p-values decides. All judged predictors of {{target}} form one Benjamini-Hochberg family. A
predictor "{ADDS}" if its adjusted p-value is at most {{level:g}} and its gain is positive; otherwise the claim is
"{NOT_SHOWN}", which is no evidence that it adds nothing.
Permutations are drawn until Monte Carlo error can no longer change a decision: {_FEWEST:,} to {_MOST:,} of them,
unless a number was given. A decision that still depends on Monte Carlo error is "{UNDECIDED}".
A predictor that is equal in all runs of each configuration is a function of the axes: it "{ADDS_NOTHING}". If
{{target}} is equal in them, or if each configuration has one run, the predictor is "{NOT_SEPARABLE}".
Neither belongs to the family. With fewer than {MINIMUM_CONFIGURATIONS} configurations, {MINIMUM_SEEDS} seeds or
{MINIMUM_WITHIN_FREEDOM} degrees of freedom within configurations, or if predictor or target is constant, it is
"{UNDECIDED}".
Kendall's tau, granulated tau, partial correlation and mutual information describe; they do not decide.
Converged runs decide; the scope "all", with diverged runs ranked worst, is shown beside them as a check."""

Decided = tuple[str, str]
"""A decision and its reason in a few words."""


def rule_text(target: str, axes: Sequence[str], level: float) -> str:
    """Return the rule with its target, axes and level filled in.

    >>> rule_text("test_loss", ["lr", "width"], 0.05).splitlines()[0]
    'A predictor adds to the axes (lr, width) as a predictor of test_loss only if both of these hold:'
    """
    return RULE.format(target=target, axes=", ".join(axes), level=level)


def in_family(verdict: Verdict) -> bool:
    """Tell if there is enough data to test a predictor, which then belongs to the family; if not, `decide` says why."""
    return (
        not verdict.constant
        and verdict.configurations >= MINIMUM_CONFIGURATIONS
        and not math.isnan(verdict.within)
        and verdict.within_freedom >= MINIMUM_WITHIN_FREEDOM
        and not verdict.within_seeds < MINIMUM_SEEDS  # missing without shared seeds
    )


def decide(verdict: Verdict, level: float, all_diverged: bool = False) -> Decided:
    """Return the decision about one predictor and the reason in a few words.

    Args:
        verdict: its statistics and adjusted p-values.
        level: false discovery rate.
        all_diverged: whether every run diverged.
    """
    if all_diverged:
        return UNDECIDED, "all runs diverged"
    return _without_test(verdict) or _by_test(verdict, level)


def _without_test(verdict: Verdict) -> Decided | None:
    """Return the decision about a predictor that cannot be tested; None if it can be."""
    if verdict.constant:
        return UNDECIDED, f"{verdict.constant} is constant"
    if verdict.configurations < MINIMUM_CONFIGURATIONS:
        required = f"(at least {MINIMUM_CONFIGURATIONS})"
        return UNDECIDED, f"{verdict.configurations} configurations are too few {required}"
    if verdict.function_of_axes:
        return ADDS_NOTHING, "it is equal in all runs of each configuration, a function of the axes"
    if verdict.runs == verdict.configurations:
        return NOT_SEPARABLE, "there is one run per configuration"
    if math.isnan(verdict.within):
        return NOT_SEPARABLE, f"it or {verdict.target} does not vary between runs of one configuration"
    if verdict.within_freedom < MINIMUM_WITHIN_FREEDOM:
        required = f"(at least {MINIMUM_WITHIN_FREEDOM})"
        return UNDECIDED, f"{verdict.within_freedom} degrees of freedom within configurations are too few {required}"
    if verdict.within_seeds < MINIMUM_SEEDS:
        return UNDECIDED, f"{verdict.within_seeds:.0f} seeds are too few (at least {MINIMUM_SEEDS})"
    if math.isnan(verdict.adds_q):
        return UNDECIDED, "no permutations were drawn"
    return None


def _by_test(verdict: Verdict, level: float) -> Decided:
    """Return the decision about a predictor that was tested."""
    if verdict.gain_r2 > 0 and verdict.adds_q_low <= level:
        if verdict.adds_q_high <= level:
            return ADDS, "both tests are significant" + _caveats(verdict)
        ends = f"q is between {verdict.adds_q_low:.2g} and {verdict.adds_q_high:.2g}"
        return UNDECIDED, f"more permutations are needed: after {verdict.permutations:,.0f} {ends}"
    gain = verdict.gain_q <= level and verdict.gain_r2 > 0
    within = verdict.within_q <= level
    if gain and within:
        return NOT_SHOWN, "the two tests are significant one by one, not as a pair"
    if gain:
        return NOT_SHOWN, "only the gain over the axes is significant, not the association within configurations"
    if within:
        return NOT_SHOWN, "only the association within configurations is significant, not the gain over the axes"
    return NOT_SHOWN, "neither the gain over the axes nor the association within configurations is significant"


def _caveats(verdict: Verdict) -> str:
    """Explain what would surprise a reader of a predictor that adds."""
    text = ""
    if verdict.gain_low <= 0:
        text += "; the decision rests on permutations, not on the interval of the gain, which contains 0"
    if verdict.within * verdict.kendall_tau < 0:
        text += "; the sign of the association within configurations is opposite to the sign over all runs"
    return text
