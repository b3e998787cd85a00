"""Findings about networks on real data, noise and random labels, followed through their training."""

import numpy as np
import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.memorization_tables import (
    PURE,
    RANDX,
    RANDY,
    REAL,
    by_seed,
    epoch_of_best_validation,
    epoch_of_fit,
    gini_at_accuracy,
)
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_of, show_interval, show_intervals
from benevolent.analysis.studies.shared.tables import rows_with

#: Claims of the findings.
SENSITIVITY = StudyClaim(
    "Equally well fitted, fewer examples of real data than of noise have large input gradients",
    explanation="the gradient of an example's own loss vanishes once it is fitted, whatever the data",
    kind="ours",
)
CRITICAL_SAMPLES = StudyClaim(
    "The noisier the data, the more samples are critical",
    "section 4: higher with more noise",
    explanation="noise in place of images leaves the function near real inputs as the other examples make it",
)
RISE = StudyClaim(
    "Critical samples become more in training, then level off",
    "section 4: rises, then stays",
    explanation="on data that are soon fitted, later training moves the boundary away from the inputs",
)
PATTERNS_FIRST = StudyClaim(
    "With random labels, validation accuracy peaks before the labels are fitted",
    "section 4: before high train accuracy",
)


def sensitivity_finding(ginis: pd.DataFrame, accuracy: float) -> Finding:
    """Compare the Gini coefficients of input gradients at equal train accuracy.

    Args:
        ginis: from `sensitivity_ginis`.
        accuracy: train accuracy.
    """
    rows = []
    for (kind, seed), history in ginis.groupby(["kind", "seed"]):
        rows.append({"kind": kind, "seed": seed, "gini": gini_at_accuracy(history, accuracy)})
    values = pd.DataFrame(rows).pivot(index="seed", columns="kind", values="gini")
    differences = {f"real minus {kind}": _difference(values, REAL, kind) for kind in (RANDX, RANDY)}
    means = ", ".join(f"{kind} {values[kind].mean():.2f}" for kind in PURE)
    evidence = f"Gini {means}, at a train accuracy of {accuracy}; {show_intervals(differences)}"
    if values.isna().any(axis=None):
        reason = "the recorded epochs do not contain this train accuracy in every network"
        return SENSITIVITY.decide(None, evidence, reason)
    return SENSITIVITY.decide(all(estimate.low > 0 for estimate in differences.values()), evidence)


def critical_samples_finding(table: pd.DataFrame) -> Finding:
    """Compare the critical sample ratios at the end of training over kinds and levels of noise, from `histories`."""
    none = (REAL, 0.0)
    kinds = [none, (RANDX, 0.5), (RANDX, 1.0), (RANDY, 0.5), (RANDY, 1.0)]
    values = by_seed(table, "critical_sample_ratio", kinds)
    steps = []
    for kind in (RANDX, RANDY):
        half = (kind, 0.5)
        whole = (kind, 1.0)
        steps += [_difference(values, half, none), _difference(values, whole, half), _difference(values, whole, none)]
    means = ", ".join(f"{kind} {level:g}: {values[kind, level].mean():.2f}" for kind, level in kinds)
    least = min(steps, key=lambda estimate: estimate.low)
    return CRITICAL_SAMPLES.decide(least.low > 0, f"{means}; smallest difference {show_interval(least)}")


def rise_finding(table: pd.DataFrame) -> Finding:
    """Follow the critical sample ratio through training, from `histories`."""
    is_pure = (table["kind"] == REAL) | (table["level"] == 1)
    pure = table[is_pure & table["level"].isin([0, 1])]
    wide = pure.pivot(index=["kind", "seed"], columns="epoch", values="critical_sample_ratio")
    epochs = sorted(wide.columns)
    first = epochs[0]
    last = epochs[-1]
    half = min(epochs, key=lambda epoch: abs(epoch - last / 2))
    shown = []
    holds = True
    for kind in PURE:
        values = wide.loc[kind]
        rise = _difference(values, last, first)
        early = (values[half] - values[first]).abs().mean()
        late = (values[last] - values[half]).abs().mean()
        holds = holds and rise.low > 0 and bool(late < early)
        shown.append(f"{kind} {show_interval(rise)}, after half {late:.3f} (before {early:.3f})")
    return RISE.decide(holds, "; ".join(shown))


def patterns_first_finding(table: pd.DataFrame, level: float, high_accuracy: float) -> Finding:
    """Compare when validation accuracy peaks and when a fraction of random labels is fitted.

    Args:
        table: from `histories`.
        level: fraction of random labels.
        high_accuracy: train accuracy that counts as fitted.
    """
    rows = rows_with(rows_with(table, "kind", RANDY), "level", level)
    logs = []
    for _, history in rows.groupby("run_id"):
        best = epoch_of_best_validation(history)
        fit = epoch_of_fit(history, high_accuracy)
        # A train accuracy that is not reached comes after every epoch.
        logs.append(np.log2(best / min(fit, 2 * history["epoch"].max())))
    order = mean_of(logs)
    fall = mean_of(falls_after_peak(rows))
    peak = f"log2 of the epoch of the peak over that of the fit {show_interval(order)}"
    evidence = f"{peak}; validation accuracy falls from the other seeds' peak by {show_interval(fall, '+.3f')}"
    return PATTERNS_FIRST.decide(order.high < 0 and fall.low > 0, evidence)


def _difference(values: pd.DataFrame, more: object, less: object) -> SeedMean:
    return mean_of((values[more] - values[less]).tolist())


def falls_after_peak(histories_of_runs: pd.DataFrame) -> list[float]:
    """Return by how much each seed's validation accuracy falls from the epoch of the other seeds' highest mean.

    A maximum over a seed's own epochs would exceed its last epoch by chance alone; the peak of others does not.

    Args:
        histories_of_runs: one run of each seed, from `histories`, all recorded at the same epochs.

    >>> table = pd.DataFrame({"seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "validation_accuracy": [0.9, 0.5, 0.8, 0.9]})
    >>> [round(fall, 3) for fall in falls_after_peak(table)]
    [0.0, -0.1]
    """
    wide = histories_of_runs.pivot(index="seed", columns="epoch", values="validation_accuracy")
    last = wide[wide.columns.max()]
    falls = []
    for seed in wide.index:
        others = wide.drop(index=seed).mean()
        if others.notna().any():
            falls.append(float(wide.loc[seed, others.idxmax()] - last[seed]))
    return falls
