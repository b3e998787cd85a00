"""The rule by which a predictor is judged, as text and as code, fixed before any data was looked at."""

import math
from collections.abc import Mapping
from typing import Any

MINIMUM_CONFIGURATIONS = 8
MINIMUM_WITHIN_FREEDOM = 10

ADDS = "adds"
FAILS = "fails"
UNDECIDED = "undecided"
NOT_SEPARABLE = "not separable from the axes"

RULE = f"""\
A predictor adds to the axes ({{axes}}) as a predictor of {{target}} only if both hold:
(i) gain: its rank raises the cross-validated R2 of the ranks of {{target}} over the axes alone (main effects
and pairwise interactions, configurations held out whole); p from permuting it between whole configurations;
(ii) within: among runs of one configuration its rank goes with the rank of {{target}}, configuration means
removed; two-sided p from permuting it inside configurations.
From both, the luck that configurations share through equal seeds is taken out first.
The deciding p-value is the larger of the two. Over all judged predictors it is one Benjamini-Hochberg family
for {{target}}; the predictor "{ADDS}" if the adjusted value is at most {{level:g}} and the gain is positive,
else it "{FAILS}": it is not shown to add anything.
A predictor that does not vary within configurations (or a table with one run each) is "{NOT_SEPARABLE}" and
no member of the family. Fewer than {MINIMUM_CONFIGURATIONS} configurations, fewer than
{MINIMUM_WITHIN_FREEDOM} degrees of freedom within them, or a constant predictor or target: "{UNDECIDED}".
Kendall's tau, granulated tau, partial correlation and mutual information describe; they decide nothing.
Converged runs decide; the scope "all", with diverged runs ranked worst, is shown beside them as a check."""


def rule_text(target: str, axes: list[str], level: float) -> str:
    """The rule with its target, axes and level filled in.

    >>> rule_text("test_loss", ["lr", "width"], 0.05).splitlines()[0]
    'A predictor adds to the axes (lr, width) as a predictor of test_loss only if both hold:'
    """
    return RULE.format(target=target, axes=", ".join(axes), level=level)


def decide(row: Mapping[str, Any], level: float) -> tuple[str, str]:
    """The decision about one predictor and, in a few words, why.

    Args:
        row: a row of `analysis.judge` with its statistics and adjusted p-values.
        level: false discovery rate.
    """
    if row["constant"]:
        return UNDECIDED, f"{row['constant']} is constant"
    if row["configurations"] < MINIMUM_CONFIGURATIONS:
        return (
            UNDECIDED,
            f"{row['configurations']} configurations are too few (at least {MINIMUM_CONFIGURATIONS})",
        )
    if math.isnan(row["within"]):
        return NOT_SEPARABLE, f"it or {row['target']} does not vary between runs of one configuration"
    if row["within_freedom"] < MINIMUM_WITHIN_FREEDOM:
        freedom = row["within_freedom"]
        return UNDECIDED, f"{freedom} degrees of freedom within configurations are too few"
    if math.isnan(row["adds_q"]):
        return UNDECIDED, "no permutations were asked for"
    if row["adds_q"] <= level and row["gain_r2"] > 0:
        return ADDS, "both tests are significant"
    gain = row["gain_q"] <= level and row["gain_r2"] > 0
    within = row["within_q"] <= level
    if gain and within:
        return FAILS, "the two tests are significant one by one, not as a pair"
    if gain:
        return FAILS, "only the gain over the axes is significant, not the association within configurations"
    if within:
        return FAILS, "only the association within configurations is significant, not the gain over the axes"
    return FAILS, "neither the gain over the axes nor the association within configurations is significant"


def sentence(predictor: str, row: Mapping[str, Any], decision: str, because: str) -> str:
    """The verdict on one predictor in plain words: predictor, target, estimates, intervals, n, decision."""
    source = " (computed from test data)" if row["test_derived"] else ""
    runs = f"{row['runs']} {row['scope']} runs" if row["scope"] != "all" else f"{row['runs']} runs"
    sample = f"{runs} of {row['configurations']} configurations"
    if math.isnan(row["kendall_tau"]):
        nothing = f"{predictor}{source} for {row['target']}: no order to compare over {sample}"
        return f"{nothing}: {decision}, {because}."
    parts = [
        f"{predictor}{source} for {row['target']}: Kendall tau {row['kendall_tau']:.2f} "
        f"[{row['kendall_low']:.2f}, {row['kendall_high']:.2f}] over {sample}"
    ]
    if not math.isnan(row["gain_r2"]):
        gain = f"{row['gain_r2']:+.3f} [{row['gain_low']:+.3f}, {row['gain_high']:+.3f}]"
        parts.append(f"R2 over the axes alone ({row['baseline_r2']:.3f}) {gain}{_q(row['gain_q'])}")
    if not math.isnan(row["within"]):
        within = f"{row['within']:+.2f} [{row['within_low']:+.2f}, {row['within_high']:+.2f}]"
        parts.append(f"rank correlation within configurations {within}{_q(row['within_q'])}")
    return f"{'; '.join(parts)}: {decision}, {because}."


def baseline_sentence(row: Mapping[str, Any]) -> str:
    """What the axes alone say, in plain words."""
    sample = f"{row['runs']} runs of {row['configurations']} configurations"
    if math.isnan(row["kendall_tau"]):
        return f"The axes alone for {row['target']}: too little data ({sample})."
    terms = "main effects and pairwise interactions" if row["interactions"] else "main effects"
    return (
        f"The axes alone ({terms}) for {row['target']}: cross-validated R2 of ranks "
        f"{row['baseline_r2']:.3f}, Kendall tau of the held-out predictions {row['kendall_tau']:.2f} "
        f"[{row['kendall_low']:.2f}, {row['kendall_high']:.2f}] over {sample}."
    )


def _q(value: float) -> str:
    return "" if math.isnan(value) else f", q = {value:.2g}"
