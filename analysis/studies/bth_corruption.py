"""Whether the first layer's bias wanders more in networks that fit corrupted labels."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import MENDED, Answer, Finding, between, decided, rank_over_seeds
from benevolent.analysis.studies.shared.bias_path import (
    against_lipschitz,
    curves,
    identity_finding,
    probability_slopes,
    progress,
    rises,
)

AXIS = "data.label_corruption"
CLOSE, TIMES, FALLS = 1e-4, 1.3, 1

RULE = f"""
Identity: in every step that was recorded, what the bias moves by over the learning rate and the loss derivative misses
the local Lipschitz constant at that step's example by at most {CLOSE:g} of it. Corruption: the mean over seeds of the
total path (of the probability, which is the source's output, and of the logit, which is ours), of the variance in the
last ten epochs and of the distance from the start is with the most corrupted labels at least {TIMES} times that with
clean ones, with the lower end of the 95% interval (Student, over seeds) of the ratio above 1, and from one fraction of
corrupted labels to the next it falls at most {FALLS} time. Test loss: its mean over seeds rises from each fraction to
the next. Path and test loss: among a seed's networks Spearman's rank correlation of the probability's total path and
test loss is at least 0.6 in the mean over seeds, and the lower end of its interval above 0. More than the corruption:
among networks of one fraction the rank correlation of that path and test loss is positive, with p at most 0.05.
"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    table["probability_path"] = table["run_id"].map(_paths(runs))
    rank, alone = (rank_over_seeds(table, x, "test_loss") for x in ("probability_path", AXIS))
    within = st.within_configuration(table, "probability_path", "test_loss", [AXIS])
    findings = [
        identity_finding(runs, CLOSE),
        rises(table, "probability_path", AXIS, TIMES, FALLS, "a longer trajectory"),
        rises(table, "bias_increment_sum", AXIS, TIMES, FALLS),
        rises(table, "bias_variance", AXIS, TIMES, FALLS, "bigger variance"),
        rises(table, "bias_distance_from_init", AXIS, TIMES, FALLS, "often further from the initialization"),
        rises(table, "test_loss", AXIS, 1, 0),
        Finding(
            "networks whose bias takes the longer path have the larger test loss",
            decided(rank.value >= 0.6 and rank.low > 0),
            f"Spearman {between(rank)}, {len(table)} networks; the fraction of corrupted labels alone {between(alone)}",
        ),
        Finding(
            "so it is among networks with equally many corrupted labels",
            decided(bool(within.correlation > 0 and within.p <= 0.05) if within.degrees_of_freedom else None),
            f"rank correlation {within.correlation:+.2f}, p {within.p:.3f}".replace("-", "−")
            if within.degrees_of_freedom
            else "the seeds order the networks alike at every fraction, so that nothing is left of chance to compare",
            guess="networks of one fraction differ by chance only, in either; there are few of them",
        ),
    ]
    plates = [
        render_figure(
            "curves",
            "Losses, Lipschitz constant and the bias while networks learn corrupted labels",
            "Medians over seeds and their range against epochs; colors are fractions of training labels that were "
            "drawn anew. Path per step and variance are of the last ten epochs; losses are in nats, test labels clean.",
            functools.partial(curves, progress(runs, AXIS), AXIS),
        ),
        render_figure(
            "lipschitz",
            "Statistics of the bias against the Lipschitz constant of the function learned",
            "Each point is a network at its end.",
            functools.partial(against_lipschitz, table, AXIS),
        ),
    ]
    errors = "; ".join(
        f"{value:g}: train loss {rows['train_loss'].mean():.2g}, test error {rows['test_error'].mean():.3f}"
        for value, rows in table.groupby(AXIS)
    )
    notes = [
        f"Means over seeds at the end, by fraction of corrupted labels: {errors}.",
        "f is the logit here, so that ε = |sigmoid(f) − y|. The source takes the probability p = sigmoid(f), whose "
        "path is computed from checkpoints: the mean of ‖dp/dx‖ over the training points, integrated over steps.",
        f"{MENDED}: the last claim is undecided where nothing is left to compare; it did not hold.",
    ]
    return Answer(findings, plates, table, notes)


def _paths(runs: Results) -> pd.Series:
    """The sum over steps of ||d p / d x||, between checkpoints by the trapezoid rule, per run."""
    slopes, steps = probability_slopes(runs), int(runs.config(runs.runs["run_id"].iloc[0]).data.train_size)
    return slopes.groupby("run_id").apply(lambda rows: steps * np.trapezoid(rows["value"], rows["epoch"]))
