"""Let models grow past the size at which they fit every training example, and follow their risks and their norm."""

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.double_descent import descents, mean_risks, peaks_at
from benevolent.analysis.studies.shared.descent_claims import (
    FITS_EXACTLY,
    KERNEL_MACHINE,
    KERNEL_NORM_FALLS,
    NO_PEAK,
    NOISE_RAISES,
    NORM_FALLS,
    PEAK,
    REUSE_RAISES,
    SECOND_DESCENT,
)
from benevolent.analysis.studies.shared.descent_curves import EARLY, Curve, KernelLimit, kernel_limit, model_curves
from benevolent.analysis.studies.shared.descent_figures import descent_figures
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, Kind, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.seed_means import SeedMean, exponential_of, mean_of, seed_mean, show_interval

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


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    curves = model_curves(results)
    limit = kernel_limit(results["features"])
    features = curves["features"]
    findings = []
    for name in PAPER:
        findings += _descent_findings(name, curves[name])
    findings += [
        _norm_falls(NORM_FALLS, features, "norm"),
        _kernel_machine(features, limit),
        _norm_falls(KERNEL_NORM_FALLS, features, "kernel_norm"),
        *_descent_findings("noisy", curves["noisy"]),
        *_descent_findings("fresh", curves["fresh"]),
        _peaks("early", curves["early"], "test_loss"),
        _peaks("on", curves["on"], "test_loss"),
        _raises_the_peak(REUSE_RAISES, curves["fresh"], curves["reuse"]),
        _raises_the_peak(NOISE_RAISES, curves["fresh"], curves["noisy"]),
        _interpolates(features),
    ]
    numbers = pd.concat([curve.table.assign(model=name) for name, curve in curves.items()])
    return StudyAnswer(findings, descent_figures(curves, limit), numbers, NOTES)


def _about(claim: StudyClaim, name: str, curve: Curve, risk: str) -> StudyClaim:
    """Return a claim about a risk of one kind of model, which is the paper's or ours."""
    kind: Kind = "paper" if name in PAPER else "ours"
    return claim.naming(RISKS[risk]).about(curve.title)._replace(paper=PAPER.get(name, ""), kind=kind)


def _descents(curve: Curve, risk: str = "test_loss") -> pd.DataFrame:
    return descents(curve.table, "size", risk, curve.threshold)


def _ratio(table: pd.DataFrame, column: str) -> SeedMean:
    """Return the geometric mean over seeds of a ratio given by its logarithms, with its interval."""
    return exponential_of(seed_mean(table, column))


def _descent_findings(name: str, curve: Curve) -> list[Finding]:
    findings = []
    for risk in RISKS:
        findings += [_peaks(name, curve, risk), _second_descent(name, curve, risk)]
    return findings


def _peaks(name: str, curve: Curve, risk: str) -> Finding:
    table = _descents(curve, risk)
    rise = _ratio(table, "rise")
    fall = _ratio(table, "fall")
    is_there = peaks_at(curve.table, "size", risk, curve.threshold)
    means = np.exp(np.log(table[["below", "peak", "end"]]).mean())
    shown = ", ".join(f"{mean:.3g}" for mean in means)
    ratios = f"peak over sweet spot {show_interval(rise, '.3g')}, over the largest {show_interval(fall, '.3g')}"
    elsewhere = "" if is_there else "; the largest mean is elsewhere"
    evidence = f"{shown} at the sweet spot, the threshold and the largest size; {ratios}{elsewhere}"
    claim = _about(PEAK, name, curve, risk)._replace(explanation=NO_PEAK[name])
    return claim.decide(is_there and rise.low > 1 and fall.low > 1, evidence)


def _second_descent(name: str, curve: Curve, risk: str) -> Finding:
    gain = _ratio(_descents(curve, risk), "gain")
    claim = _about(SECOND_DESCENT, name, curve, risk)
    return claim.decide(gain.low > 1, f"sweet spot over largest {show_interval(gain, '.3g')}")


def _falls_from_size_to_size(means: "pd.Series[float]") -> bool:
    return bool((means.diff().iloc[1:] < 0).all())


def _norm_falls(claim: StudyClaim, curve: Curve, column: str) -> Finding:
    by_seed = curve.table.pivot(index="seed", columns="size", values=column)
    largest = by_seed.idxmax(axis=1)
    means = mean_risks(curve.table, "size", column)
    beyond = means[means.index >= curve.threshold]
    is_at_threshold = bool((largest == curve.threshold).all())
    places = ", ".join(f"{size:,.0f}" for size in sorted(set(largest)))
    last = f"{beyond.iloc[-1]:.3g} with {beyond.index[-1]:,.0f} features"
    evidence = f"largest at {places}; {beyond.iloc[0]:.3g} there, {last}"
    return claim.decide(is_at_threshold and _falls_from_size_to_size(beyond), evidence)


def _kernel_machine(curve: Curve, limit: KernelLimit) -> Finding:
    risks = mean_risks(curve.table, "size", "test_loss")
    beyond = risks[risks.index >= curve.threshold]
    lowest = risks.idxmin()
    holds = _falls_from_size_to_size(beyond) and limit.loss < risks.min()
    last = f"{beyond.iloc[-1]:.4f} with {beyond.index[-1]:,.0f} features"
    evidence = f"squared risk {last}, lowest {risks[lowest]:.4f} with {lowest:,.0f}; kernel machine {limit.loss:.4f}"
    return KERNEL_MACHINE.decide(holds, evidence)


def _raises_the_peak(claim: StudyClaim, plain: Curve, changed: Curve) -> Finding:
    of_plain = _descents(plain).set_index("seed")
    of_changed = _descents(changed).set_index("seed")
    ratio = exponential_of(mean_of((of_changed["rise"] - of_plain["rise"]).tolist()))
    shown = show_interval(ratio, ".3g")
    return claim.decide(
        ratio.low > 1, f"from the sweet spot to the threshold the squared risk rises {shown} times as much"
    )


def _interpolates(curve: Curve) -> Finding:
    beyond = curve.table[curve.table["size"] >= curve.threshold]
    largest = float(beyond["train_loss"].max())
    return FITS_EXACTLY.decide(largest <= INTERPOLATES, f"train loss at most {largest:.1g}")
