"""Verdicts in sentences: one for each predictor, and one for the axes alone."""

import math

from benevolent.analysis.judging.decisions import NOT_SHOWN
from benevolent.analysis.judging.verdict import Verdict, intervals_text


def verdict_sentence(verdict: Verdict, confidence: float) -> str:
    """Return a verdict in plain words: predictor, target, estimates, intervals, sample size, decision."""
    name = verdict.predictor + (" (computed from test data)" if verdict.test_derived else "")
    subject = f"{name} for {verdict.target}"
    sample = _sample(verdict)
    if math.isnan(verdict.kendall_tau):
        return f"{subject}: no order to compare over {sample}: {verdict.decision}, {verdict.reason}."
    tau = _estimate(verdict.kendall_tau, verdict.kendall_low, verdict.kendall_high, ".2f")
    parts = [f"{subject}: Kendall tau {tau} over {sample}"]
    if not math.isnan(verdict.gain_r2):
        gain = _estimate(verdict.gain_r2, verdict.gain_low, verdict.gain_high, "+.3f")
        parts.append(f"R2 over the axes alone ({verdict.baseline_r2:.3f}) {gain}{_q(verdict.transfers_q)}")
    if not math.isnan(verdict.within):
        within = _estimate(verdict.within, verdict.within_low, verdict.within_high, "+.2f")
        parts.append(f"rank correlation within configurations {within}{_q(verdict.beyond_q)}{_ceiling(verdict)}")
    claim = "not shown to add anything" if verdict.decision == NOT_SHOWN else verdict.decision
    return f"{'; '.join(parts)}: {claim}, {verdict.reason}.{_resampled(verdict, confidence)}"


def baseline_sentence(baseline: Verdict, confidence: float) -> str:
    """Return in plain words how well the axes alone predict the target."""
    sample = _sample(baseline)
    if baseline.constant:
        return f"The axes alone for {baseline.target}: {baseline.constant} is constant in {sample}."
    if math.isnan(baseline.kendall_tau):
        return f"The axes alone for {baseline.target}: too little data ({sample})."
    tau = _estimate(baseline.kendall_tau, baseline.kendall_low, baseline.kendall_high, ".2f")
    worse = " (worse than the mean)" if baseline.baseline_r2 < 0 else ""
    return (
        f"The axes alone ({baseline.baseline_model}) for {baseline.target}: cross-validated R2 of ranks "
        f"{baseline.baseline_r2:.3f}{worse}, Kendall tau of the held-out predictions {tau} over {sample}."
        f"{_resampled(baseline, confidence)}"
    )


def _sample(verdict: Verdict) -> str:
    """Return which runs a verdict is about: how many, of which scope, matched on what, and how many lack it."""
    scope = "" if verdict.scope == "all" else f"{verdict.scope} "
    matched = f" with {verdict.match}" if verdict.match else ""
    missing = f" (missing in {verdict.missing} of {verdict.runs + verdict.missing})" if verdict.missing else ""
    return f"{verdict.runs} {scope}runs of {verdict.configurations} configurations{matched}{missing}"


def _estimate(value: float, low: float, high: float, digits: str) -> str:
    """Return an estimate with its interval, if it has one."""
    ends = "" if math.isnan(low) or math.isnan(high) else f" [{low:{digits}}, {high:{digits}}]"
    return f"{value:{digits}}{ends}"


def _resampled(verdict: Verdict, confidence: float) -> str:
    """Return a sentence on what the intervals are estimated from."""
    text = intervals_text(confidence, verdict.resamples)
    return f" {text}." if text else ""


def _q(value: float) -> str:
    return "" if math.isnan(value) else f", q = {value:.2g}"


def _ceiling(verdict: Verdict) -> str:
    """Return what the predictor's own noise allows, if it was measured more than once and differs."""
    if not verdict.limited_by_noise:
        return ""
    return f" (ceiling: measurement noise, {verdict.within_ceiling:.2f})"
