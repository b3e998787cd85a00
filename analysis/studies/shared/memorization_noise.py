"""Findings about networks on real data, noise and random labels, followed through their training."""

import numpy as np
import pandas as pd

from benevolent.analysis.studies.shared.findings import Finding, decide
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
from benevolent.analysis.studies.shared.seed_means import SeedMean, mean_of, show_interval


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
    differences = {kind: _differences(values, REAL, kind) for kind in (RANDX, RANDY)}
    means = ", ".join(f"{kind} {values[kind].mean():.2f}" for kind in PURE)
    shown = ", ".join(f"real minus {kind} {show_interval(estimate)}" for kind, estimate in differences.items())
    complete = bool(values.notna().all(axis=None))
    return Finding(
        "Equally well fitted, fewer examples of real data than of noise have large input gradients",
        decide(all(estimate.low > 0 for estimate in differences.values()) if complete else None),
        f"Gini {means}, at a train accuracy of {accuracy}; {shown}",
        reason="" if complete else "the recorded epochs do not contain this train accuracy in every network",
        explanation="the gradient of an example's own loss vanishes once it is fitted, whatever the data",
        kind="ours",
    )


def critical_samples_finding(table: pd.DataFrame) -> Finding:
    """Compare the critical sample ratios at the end of training over kinds and levels of noise, from `histories`."""
    kinds = [(REAL, 0.0), (RANDX, 0.5), (RANDX, 1.0), (RANDY, 0.5), (RANDY, 1.0)]
    values = by_seed(table, "critical_sample_ratio", kinds)
    steps = []
    for kind in (RANDX, RANDY):
        steps.append(_differences(values, (kind, 0.5), (REAL, 0.0)))
        steps.append(_differences(values, (kind, 1.0), (kind, 0.5)))
        steps.append(_differences(values, (kind, 1.0), (REAL, 0.0)))
    means = ", ".join(f"{kind} {level:g}: {values[kind, level].mean():.2f}" for kind, level in kinds)
    least = min(steps, key=lambda estimate: estimate.low)
    return Finding(
        "The noisier the data, the more samples are critical",
        decide(all(estimate.low > 0 for estimate in steps)),
        f"{means}; smallest difference {show_interval(least)}",
        "section 4: higher with more noise",
        explanation="noise in place of images leaves the function near real inputs as the other examples make it",
    )


def rise_finding(table: pd.DataFrame) -> Finding:
    """Follow the critical sample ratio through training, from `histories`."""
    pure = table[((table["level"] == 0) & (table["kind"] == REAL)) | (table["level"] == 1)]
    wide = pure.pivot(index=["kind", "seed"], columns="epoch", values="critical_sample_ratio")
    epochs = sorted(wide.columns)
    half = min(epochs, key=lambda epoch: abs(epoch - epochs[-1] / 2))
    shown = []
    holds = True
    for kind in PURE:
        values = wide.loc[kind]
        rise = mean_of((values[epochs[-1]] - values[epochs[0]]).tolist())
        early = (values[half] - values[epochs[0]]).abs().mean()
        late = (values[epochs[-1]] - values[half]).abs().mean()
        holds = holds and rise.low > 0 and bool(late < early)
        shown.append(f"{kind} {show_interval(rise)}, after half {late:.3f} (before {early:.3f})")
    return Finding(
        "Critical samples become more in training, then level off",
        decide(holds),
        "; ".join(shown),
        "section 4: rises, then stays",
        explanation="on data that are soon fitted, later training moves the boundary away from the inputs",
    )


def patterns_first_finding(table: pd.DataFrame, level: float, high_accuracy: float) -> Finding:
    """Compare when validation accuracy peaks and when a fraction of random labels is fitted.

    Args:
        table: from `histories`.
        level: fraction of random labels.
        high_accuracy: train accuracy that counts as fitted.
    """
    rows = table[(table["kind"] == RANDY) & (table["level"] == level)]
    logs = []
    for _, history in rows.groupby("run_id"):
        best = epoch_of_best_validation(history)
        fit = epoch_of_fit(history, high_accuracy)
        # A train accuracy that is not reached comes after every epoch.
        logs.append(np.log2(best / min(fit, 2 * history["epoch"].max())))
    order = mean_of(logs)
    fall = mean_of(falls_after_peak(rows))
    return Finding(
        "With random labels, validation accuracy peaks before the labels are fitted",
        decide(order.high < 0 and fall.low > 0),
        f"log2 of the epoch of the peak over that of the fit {show_interval(order)}; validation accuracy falls from "
        f"the other seeds' peak by {show_interval(fall, '+.3f')}",
        "section 4: before high train accuracy",
    )


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


def _differences(values: pd.DataFrame, more: object, less: object) -> SeedMean:
    return mean_of((values[more] - values[less]).tolist())
