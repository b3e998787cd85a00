"""Whether the first layer's bias wanders more in networks that learn sinusoids of higher frequency."""

import functools
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, rank_over_seeds
from benevolent.analysis.studies.shared.bias_path import (
    STATISTICS,
    against_lipschitz,
    curves,
    identity_finding,
    progress,
    rises,
)

AXIS = "data.frequency"
CLOSE, FITTED, TIMES, ORDERED, FEW = 1e-4, 0.03, 1.5, 0.6, 3

RULE = f"""
Identity: in every step that was recorded, what the bias moves by over the learning rate and the loss derivative
misses the local Lipschitz constant at that step's example by at most {CLOSE:g} of it. Ordering, over networks of
train loss at most {FITTED} (half the squared error), the others not having learned their sinusoid: the path per step,
the variance and the distance from the start are at the highest frequency at least {TIMES} times those at the lowest,
in the mean over seeds, and the lower ends of the 95% intervals (Student, over seeds) above 1; undecided with fewer
than {FEW} such networks at either. Frequencies between need not be in order. Function learned: among a seed's fitted
networks Spearman's rank correlation of the frequency and the mean Lipschitz constant at the training points is at
least {ORDERED} in the mean over seeds and the lower end of its interval above 0. Lipschitz constant: among all
networks of a seed, fitted or not, the same of total path, of variance and of distance with that constant.
"""

#: Of the source's abstract, which gives no numbers.
PAPER = {
    "bias_increment_mean": "a longer trajectory",
    "bias_variance": "bigger variance",
    "bias_distance_from_init": "often further from the initialization",
}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    fitted = table[table["train_loss"] <= FITTED]
    ends = [int((fitted[AXIS] == value).sum()) for value in (table[AXIS].min(), table[AXIS].max())]
    enough = min(ends) >= FEW
    findings = [identity_finding(runs, CLOSE)]
    for name, paper in PAPER.items():
        found = rises(fitted if enough else table, name, AXIS, TIMES, paper=paper)
        findings.append(found if enough else found._replace(decision="undecided", because="too few networks fitted"))
    findings.append(
        _ranks(fitted, AXIS, "lipschitz_mean", "the higher the frequency, the steeper the function learned")
    )
    findings += [
        _ranks(table, name, "lipschitz_mean", f"{STATISTICS[name]} follows the mean Lipschitz constant")
        for name in ("bias_increment_sum", "bias_variance", "bias_distance_from_init")
    ]
    losses = "; ".join(
        f"frequency {value:g}: train loss {rows['train_loss'].mean():.2g}, test loss {rows['test_loss'].mean():.2g}, "
        f"{int((rows['train_loss'] <= FITTED).sum())} of {len(rows)} fitted"
        for value, rows in table.groupby(AXIS)
    )
    plates = [
        render_figure(
            "curves",
            "Losses, Lipschitz constant and the bias while networks learn sinusoids",
            "Medians over seeds and their range against epochs; colors are frequencies. Path per step and variance "
            "are of the last ten epochs. Losses are half squared errors, the Lipschitz constant is the mean of "
            "‖df/dx‖ over the training points.",
            functools.partial(curves, progress(runs, AXIS), AXIS),
        ),
        render_figure(
            "lipschitz",
            "Statistics of the bias against the Lipschitz constant of the function learned",
            f"Each point is a network at its end; hollow: train loss above {FITTED}.",
            functools.partial(against_lipschitz, table, AXIS, FITTED),
        ),
    ]
    notes = [
        f"Means over seeds at the end: {losses}.",
        "The statistics tell of the function that was learned, not of the target: a network that has not fitted a "
        "quick sinusoid yet has learned a flat function, and its bias a short path.",
    ]
    return Answer(findings, plates, table, notes)


def _ranks(table: pd.DataFrame, first: str, second: str, claim: str) -> Finding:
    estimate = rank_over_seeds(table, first, second)
    return Finding(
        claim,
        decided(estimate.value >= ORDERED and estimate.low > 0),
        f"Spearman {between(estimate)}, {len(table)} networks",
        guess="networks that have not learned their sinusoid yet lie between those that have",
    )
