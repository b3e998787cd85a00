"""Let models grow past the size at which they fit every training example, and follow their risks and their norm."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.double_descent import descents, mean_risks, peaks_at
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.descent_curves import EARLY, Curve, KernelLimit, kernel_limit, model_curves
from benevolent.analysis.studies.shared.descent_figures import descent_figures
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, Kind, StudyAnswer, decide
from benevolent.analysis.studies.shared.seed_means import SeedMean, exponential_of, mean_over_seeds, show_interval

#: Largest train loss of random features that have as many coefficients as examples, half a squared error each.
INTERPOLATES = 1e-6

RULE = f"""
Risks on test examples: the fraction of errors (zero-one) and half the squared error. The threshold is the size at which
a model can fit every training example: N = n random features, n K parameters of a network (n examples, K classes), one
tree with the smallest number of leaves at which the train error is 0 in all seeds. Means over seeds are those of the
logarithm of a risk or norm; the sweet spot is the size with the lowest mean below the size nearest to the threshold.

Peaks: from the sweet spot on, the mean risk is largest at the size nearest to the threshold or at a neighbor of it, and
the lower ends of Student's 95% intervals over seeds of the ratios of the risk at the nearest size to that at the sweet
spot, and to that of the largest model, are above 1. Second descent: the lower end of the interval of the ratio of the
risk at the sweet spot to that of the largest model is above 1.

Norm: in every seed the norm of the coefficients is largest at N = n, and its mean falls from each size to the next
beyond it. Kernel machine: beyond N = n the squared risk falls from each size to the next in the mean, and the kernel
machine's is lower than that of every number of features.

Our controls ask the same of the norm in the kernel's own scale, of networks without weight reuse, on clean labels and
on labels of which a fifth was redrawn, whether the squared risk peaks also if weight reuse ends at {EARLY:.0%} of n K
parameters, or goes on beyond 2 n K, where the largest model is then the largest that reuses weights, and whether weight
reuse, and noisy labels, make the networks' squared risk rise further from the sweet spot to the threshold (the interval
of the ratio of both rises is above 1).

Check: with N >= n features the train loss is at most {INTERPOLATES:g}.
"""

#: What the paper says of each model.
PAPER = {
    "features": "figure 2: peak at N = n = 10,000, lowest for the most features",
    "reuse": "figure 3: peak at n K = 40,000 parameters, lower beyond",
    "forests": "figure 4: one tree with all its leaves is the peak, lower with more trees",
}
RISKS = {"test_loss": "squared risk", "test_error": "zero-one risk"}
REUSE_ENDS = "the peak is where weight reuse ends, and networks start anew"
#: Why a curve may have no peak at the threshold.
NO_PEAK = {
    "reuse": "training finds smooth solutions on the way to the threshold, too",
    "early": REUSE_ENDS,
    "on": "the risk falls where networks start anew; those that reuse one that fits hardly change it",
    "fresh": "training finds smooth solutions on the way to the threshold, too",
    "noisy": "noisy labels take more parameters to fit, so that the peak is beyond the threshold",
    "forests": "a tree votes for the majority class of a leaf, which smaller leaves of clean labels hardly change",
    "features": "the features are too few, or too alike, to fit every example at N = n",
}
NOTES = (
    "At small scale networks train by Adam, which fits the labels near the threshold in far fewer steps than the "
    "paper's 6,000 epochs of SGD; paper scale has SGD.",
    "With weight reuse a network at the threshold has been trained as often as there are smaller ones, and beyond the "
    "threshold networks start anew, as in the paper: where the risk falls again is set by that protocol, too. Two "
    "controls let reuse end earlier, and at no size.",
    "Seeds vary random features, the starts of networks and the features that trees may split at, not the training "
    "examples: intervals are for this training set.",
    f"{RULE_CHANGED}: the forest's threshold is the smallest tree with train error 0, before it was the largest "
    "number of leaves that was allowed; means of the kernel claim and of norms are of logarithms; where weight reuse "
    "ends is varied.",
)


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    curves = model_curves(results)
    limit = kernel_limit(results["features"])
    findings = []
    for name in PAPER:
        findings += _descent_findings(name, curves[name], "paper")
    features = curves["features"]
    findings += [_norm_falls(features, "norm", "paper"), _kernel_machine(features, limit)]
    findings.append(_norm_falls(features, "kernel_norm", "ours"))
    for name in ("noisy", "fresh"):
        findings += _descent_findings(name, curves[name], "ours")
    for name in ("early", "on"):
        table = descents(curves[name].table, "size", "test_loss", curves[name].threshold)
        findings.append(_peaks(name, curves[name], "test_loss", table, "ours"))
    findings += [
        _raises_the_peak("weight reuse makes the peak higher", curves["fresh"], curves["reuse"]),
        _raises_the_peak("noisy labels make the peak higher", curves["fresh"], curves["noisy"]),
        _interpolates(features),
    ]
    numbers = pd.concat([curve.table.assign(model=name) for name, curve in curves.items()])
    return StudyAnswer(findings, descent_figures(curves, limit), numbers, NOTES)


def _ratio(table: pd.DataFrame, column: str) -> SeedMean:
    """Return the geometric mean over seeds of a ratio given by its logarithms, with its interval."""
    return exponential_of(mean_over_seeds(table, lambda rows: float(rows[column].iloc[0])))


def _descent_findings(name: str, curve: Curve, kind: Kind) -> list[Finding]:
    findings = []
    for risk in RISKS:
        table = descents(curve.table, "size", risk, curve.threshold)
        findings.append(_peaks(name, curve, risk, table, kind))
        findings.append(_second_descent(name, curve, risk, table, kind))
    return findings


def _peaks(name: str, curve: Curve, risk: str, table: pd.DataFrame, kind: Kind) -> Finding:
    rise = _ratio(table, "rise")
    fall = _ratio(table, "fall")
    is_there = peaks_at(curve.table, "size", risk, curve.threshold)
    means = np.exp(np.log(table[["below", "peak", "end"]]).mean())
    shown = ", ".join(f"{mean:.3g}" for mean in means)
    ratios = f"peak over sweet spot {show_interval(rise, '.3g')}, over the largest {show_interval(fall, '.3g')}"
    elsewhere = "" if is_there else "; the largest mean is elsewhere"
    return Finding(
        f"{curve.title}: the {RISKS[risk]} peaks at the interpolation threshold",
        decide(is_there and rise.low > 1 and fall.low > 1),
        f"{shown} at the sweet spot, the threshold and the largest size; {ratios}{elsewhere}",
        PAPER[name] if kind == "paper" else "",
        explanation=NO_PEAK[name],
        kind=kind,
    )


def _second_descent(name: str, curve: Curve, risk: str, table: pd.DataFrame, kind: Kind) -> Finding:
    gain = _ratio(table, "gain")
    return Finding(
        f"{curve.title}: the largest model has a lower {RISKS[risk]} than any below the threshold",
        decide(gain.low > 1),
        f"sweet spot over largest {show_interval(gain, '.3g')}",
        PAPER[name] if kind == "paper" else "",
        explanation="the largest model here is not large enough",
        kind=kind,
    )


def _norm_falls(curve: Curve, column: str, kind: Kind) -> Finding:
    by_seed = curve.table.pivot(index="seed", columns="size", values=column)
    largest = by_seed.idxmax(axis=1)
    means = mean_risks(curve.table, "size", column)
    beyond = means[means.index >= curve.threshold]
    at_threshold = bool((largest == curve.threshold).all())
    falls = bool((beyond.diff().iloc[1:] < 0).all())
    places = ", ".join(f"{size:,.0f}" for size in sorted(set(largest)))
    claims = {
        "norm": "Random features: the norm of the coefficients peaks at the threshold and falls beyond it, as the risk",
        "kernel_norm": "Random features: the norm of the function, which N alone does not change, peaks and falls, too",
    }
    last = f"{beyond.iloc[-1]:.3g} with {beyond.index[-1]:,.0f} features"
    evidence = f"largest at {places}; {beyond.iloc[0]:.3g} there, {last}"
    return Finding(
        claims[column],
        decide(at_threshold and falls),
        evidence,
        "figure 2: peak at N = n, then falls" if kind == "paper" else "",
        explanation="the norm falls on the whole, but not from each size to the next",
        kind=kind,
    )


def _kernel_machine(curve: Curve, limit: KernelLimit) -> Finding:
    risks = mean_risks(curve.table, "size", "test_loss")
    beyond = risks[risks.index >= curve.threshold]
    falls = bool((beyond.diff().iloc[1:] < 0).all())
    lowest = risks.idxmin()
    return Finding(
        "Random features: with more of them the risk falls towards that of the kernel machine, the lowest of all",
        decide(falls and limit.loss < risks.min()),
        f"squared risk {beyond.iloc[-1]:.4f} with {beyond.index[-1]:,.0f} features, lowest {risks[lowest]:.4f} with "
        f"{lowest:,.0f}; kernel machine {limit.loss:.4f}",
        "figure 2: falls to the kernel machine's",
        explanation="the risk of finitely many features is below that of their limit",
    )


def _raises_the_peak(what: str, plain: Curve, changed: Curve) -> Finding:
    of_plain = descents(plain.table, "size", "test_loss", plain.threshold).set_index("seed")
    of_changed = descents(changed.table, "size", "test_loss", changed.threshold).set_index("seed")
    more = (of_changed["rise"] - of_plain["rise"]).rename("more").reset_index()
    ratio = _ratio(more, "more")
    return Finding(
        f"Networks: {what}",
        decide(ratio.low > 1),
        f"from the sweet spot to the threshold the squared risk rises {show_interval(ratio, '.3g')} times as much",
        explanation="the peak is as high without it",
        kind="ours",
    )


def _interpolates(curve: Curve) -> Finding:
    beyond = curve.table[curve.table["size"] >= curve.threshold]
    largest = float(beyond["train_loss"].max())
    return Finding(
        "Random features: from N = n on they fit every training example",
        decide(largest <= INTERPOLATES),
        f"train loss at most {largest:.1g}",
        "figure 2: train risk 0 from N = n on",
        kind="check",
    )
