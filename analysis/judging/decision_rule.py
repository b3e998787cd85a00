"""The rule by which a predictor is judged, as text and as code, fixed before any data was looked at."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benevolent.analysis.statistics.sequential_permutation import PERMUTATION_STAGES

_FIRST = PERMUTATION_STAGES[0]
_LAST = PERMUTATION_STAGES[-1]
MINIMUM_CONFIGURATIONS = 8
MINIMUM_WITHIN_FREEDOM = 10
# Three seeds differ in two directions only: luck that they share and a relation then look alike. Simulated with strong
# luck on two binary axes, 4% of p-values were at most 0.0013; with four seeds 0.2%, with five less.
MINIMUM_SEEDS = 4

# A verdict says of its claim that it holds, fails or is undecided. "adds" is: holds. "adds nothing" is: fails, and is
# said of what the axes determine, which needs no test. The other three are kinds of undecided: that a gain is not
# significant does not refute it, and no interval here is used to exclude a useful one.
ADDS = "adds"
ADDS_NOTHING = "adds nothing"
NOT_SHOWN = "not shown"
UNDECIDED = "undecided"
NOT_SEPARABLE = "not separable from the axes"

RULE = f"""\
A predictor adds to the axes ({{axes}}) as a predictor of {{target}} only if both hold:
(i) gain: its rank raises the cross-validated R2 of the ranks of {{target}} over the axes alone (main effects
and pairwise interactions, configurations held out whole); p from permuting it between whole configurations;
(ii) within: among runs of one configuration its rank goes with the rank of {{target}}, configuration means
removed; two-sided p from rotating its seeds, alike in all configurations (without a seed column: from permuting
it inside configurations).
Effects of the seed, and of the seed with each axis, are taken out of both first. What runs of one seed share
beyond that, in any configurations, is left to (ii), whose units are seeds: under luck of that kind (i) alone would
claim too much.
The deciding p-value is the larger of the two. Over all judged predictors it is one Benjamini-Hochberg family
for {{target}}; the predictor "{ADDS}" if the adjusted value is at most {{level:g}} and the gain is positive,
else that it adds is "{NOT_SHOWN}", which does not say that it adds nothing.
Permutations are drawn until their luck cannot change a decision, {_FIRST:,} to {_LAST:,} of them if no number
was asked for; a decision that still hangs on it is "{UNDECIDED}".
A predictor that is equal in all runs of each configuration is a function of the axes: it "{ADDS_NOTHING}". Where
{{target}} is equal in them, or a configuration has one run, it is "{NOT_SEPARABLE}". Both are no
members of the family. Fewer than {MINIMUM_CONFIGURATIONS} configurations, {MINIMUM_SEEDS} seeds or
{MINIMUM_WITHIN_FREEDOM} degrees of freedom within configurations, or a constant predictor or target: "{UNDECIDED}".
Kendall's tau, granulated tau, partial correlation and mutual information describe; they decide nothing.
Converged runs decide; the scope "all", with diverged runs ranked worst, is shown beside them as a check."""

# Why seeds are rotated. The same seed means the same random streams in every configuration, so two configurations
# that differ little may share their luck, in predictor and outcome alike, without any relation between the two.
# Permuting runs inside configurations counts each run as new evidence: with strong luck shared by a seed and a pair
# of axes, and a real gain, it claimed something in 78% of tables. Taking out effects of seed by pair of axes as well
# costs half of the degrees of freedom and leaves triples. But seeds are alike and independent of each other, so the
# vectors of two seeds over all configurations can be exchanged, whatever they share inside. Five seeds have only 120
# permutations, too few for p-values that survive a correction for 40 predictors; rotations (Langsrud 2005) go between
# them, and are exact where the sums over configurations are normal. benchmarks/calibration.py shows both errors.
#
# Why permutations go on. A fixed number, ten draws below the strictest Benjamini-Hochberg bound, was chosen after a
# verdict was seen to change with the seed of the permutations. That made it rarer and left it possible. Now intervals
# of the p-values decide when to stop (analysis/statistics/sequential_permutation.py), and the first and the last stage
# are constants that no data changes.


def rule_text(target: str, axes: list[str], level: float) -> str:
    """The rule with its target, axes and level filled in.

    >>> rule_text("test_loss", ["lr", "width"], 0.05).splitlines()[0]
    'A predictor adds to the axes (lr, width) as a predictor of test_loss only if both hold:'
    """
    return RULE.format(target=target, axes=", ".join(axes), level=level)


def windows(match: Mapping[str, Sequence[float]]) -> str:
    """In which windows runs were matched; empty without any.

    >>> windows({"train_loss": (0.005, 0.01), "epoch": (3, 9)})
    'train_loss in [0.005, 0.01], epoch in [3, 9]'
    """
    return ", ".join(f"{column} in [{low:g}, {high:g}]" for column, (low, high) in match.items())


def intervals(confidence: float, resamples: float) -> str:
    """What intervals rest on.

    >>> intervals(0.95, 1000)
    'Intervals: 95%, from 1,000 resamples of whole configurations'
    """
    return f"Intervals: {100 * confidence:g}%, from {resamples:,.0f} resamples of whole configurations"


def is_judged(row: Mapping[str, Any]) -> bool:
    """Whether there is enough data for a predictor to be one of the family: where not, `decide` says what lacks."""
    return (
        not row["constant"]
        and row["configurations"] >= MINIMUM_CONFIGURATIONS
        and not math.isnan(row["within"])
        and row["within_freedom"] >= MINIMUM_WITHIN_FREEDOM
        and not row["within_seeds"] < MINIMUM_SEEDS  # without seeds that runs share it is NaN
    )


def decide(row: Mapping[str, Any], level: float) -> tuple[str, str]:
    """The decision about one predictor and, in a few words, why.

    Args:
        row: a row of `analysis.judge` with its statistics and adjusted p-values.
        level: false discovery rate.
    """
    if row["diverged"]:
        return UNDECIDED, "all runs diverged"
    if row["constant"]:
        return UNDECIDED, f"{row['constant']} is constant"
    if row["configurations"] < MINIMUM_CONFIGURATIONS:
        return (
            UNDECIDED,
            f"{row['configurations']} configurations are too few (at least {MINIMUM_CONFIGURATIONS})",
        )
    if row["function_of_axes"]:
        return ADDS_NOTHING, "it is equal in all runs of each configuration, a function of the axes"
    if row["runs"] == row["configurations"]:
        return NOT_SEPARABLE, "there is one run per configuration"
    if math.isnan(row["within"]):
        return NOT_SEPARABLE, f"it or {row['target']} does not vary between runs of one configuration"
    if row["within_freedom"] < MINIMUM_WITHIN_FREEDOM:
        freedom = row["within_freedom"]
        return UNDECIDED, f"{freedom} degrees of freedom within configurations are too few"
    if row["within_seeds"] < MINIMUM_SEEDS:
        return UNDECIDED, f"{row['within_seeds']:.0f} seeds are too few (at least {MINIMUM_SEEDS})"
    if math.isnan(row["adds_q"]):
        return UNDECIDED, "no permutations were asked for"
    if row["gain_r2"] > 0 and row["adds_q_low"] <= level:
        if row["adds_q_high"] <= level:
            return ADDS, "both tests are significant" + _beside(row)
        between = f"q lies between {row['adds_q_low']:.2g} and {row['adds_q_high']:.2g}"
        return UNDECIDED, f"more permutations are needed: after {row['permutations']:,.0f} {between}"
    gain = row["gain_q"] <= level and row["gain_r2"] > 0
    within = row["within_q"] <= level
    if gain and within:
        return NOT_SHOWN, "the two tests are significant one by one, not as a pair"
    if gain:
        return NOT_SHOWN, "only the gain over the axes is significant, not the association within configurations"
    if within:
        return NOT_SHOWN, "only the association within configurations is significant, not the gain over the axes"
    return NOT_SHOWN, "neither the gain over the axes nor the association within configurations is significant"


def _beside(row: Mapping[str, Any]) -> str:
    """What a reader would stumble over beside a predictor that adds."""
    words = ""
    if row["gain_low"] <= 0:
        words += "; they rest on permutations, not on the interval of the gain, which holds 0"
    if row["within"] * row["kendall_tau"] < 0:
        words += "; its sign turns: within configurations it is opposite to that over all runs"
    return words


def sentence(predictor: str, row: Mapping[str, Any], decision: str, because: str) -> str:
    """The verdict on one predictor in plain words: predictor, target, estimates, intervals, n, decision."""
    claim = "not shown to add anything" if decision == NOT_SHOWN else decision
    source = " (computed from test data)" if row["test_derived"] else ""
    sample = _sample(row)
    if math.isnan(row["kendall_tau"]):
        nothing = f"{predictor}{source} for {row['target']}: no order to compare over {sample}"
        return f"{nothing}: {decision}, {because}."
    parts = [
        f"{predictor}{source} for {row['target']}: Kendall tau {row['kendall_tau']:.2f}"
        f"{_interval(row, 'kendall', '.2f')} over {sample}"
    ]
    if not math.isnan(row["gain_r2"]):
        gain = f"{row['gain_r2']:+.3f}{_interval(row, 'gain', '+.3f')}"
        parts.append(f"R2 over the axes alone ({row['baseline_r2']:.3f}) {gain}{_q(row['gain_q'])}")
    if not math.isnan(row["within"]):
        within = f"{row['within']:+.2f}{_interval(row, 'within', '+.2f')}"
        parts.append(f"rank correlation within configurations {within}{_q(row['within_q'])}")
    return f"{'; '.join(parts)}: {claim}, {because}.{_resampled(row)}"


def baseline_sentence(row: Mapping[str, Any]) -> str:
    """What the axes alone say, in plain words."""
    sample = _sample(row)
    if math.isnan(row["kendall_tau"]):
        return f"The axes alone for {row['target']}: too little data ({sample})."
    terms = "main effects and pairwise interactions" if row["interactions"] else "main effects"
    return (
        f"The axes alone ({terms}) for {row['target']}: cross-validated R2 of ranks "
        f"{row['baseline_r2']:.3f}, Kendall tau of the held-out predictions {row['kendall_tau']:.2f}"
        f"{_interval(row, 'kendall', '.2f')} over {sample}.{_resampled(row)}"
    )


def _sample(row: Mapping[str, Any]) -> str:
    """Which runs a row is about: how many, of which scope, matched on what."""
    runs = f"{row['runs']} {row['scope']} runs" if row["scope"] != "all" else f"{row['runs']} runs"
    matched = f" with {row['match']}" if row["match"] else ""
    return f"{runs} of {row['configurations']} configurations{matched}"


def _interval(row: Mapping[str, Any], name: str, digits: str) -> str:
    """An interval as text, empty where there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if math.isnan(low) or math.isnan(high) else f" [{low:{digits}}, {high:{digits}}]"


def _resampled(row: Mapping[str, Any]) -> str:
    """What the intervals rest on."""
    return f" {intervals(row['confidence'], row['resamples'])}." if row["resamples"] else ""


def _q(value: float) -> str:
    return "" if math.isnan(value) else f", q = {value:.2g}"
