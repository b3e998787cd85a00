"""Train networks on corrupted labels: the first layer's bias should take longer paths where more are corrupted."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.bias_figures import draw_against_lipschitz, draw_curves
from benevolent.analysis.studies.shared.bias_path import (
    identity_finding,
    increase_finding,
    probability_slopes,
    recorded_progress,
)
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.network_outputs import example_config
from benevolent.analysis.studies.shared.seed_means import minus_signs, rank_correlation, show_interval

AXIS = "data.label_corruption"
#: Largest relative error of the identity.
TOLERANCE = 1e-4
#: Smallest ratio of a statistic with the most corrupted labels to that with clean ones.
LEAST_RATIO = 1.3
#: How often a statistic may fall from one fraction of corrupted labels to the next.
MAX_DECREASES = 1
LEAST_RANK_CORRELATION = 0.6
LEVEL = 0.05

RULE = f"""
Identity: in every recorded step, the increment of the bias over the learning rate and the loss derivative misses the
local Lipschitz constant at that step's example by at most {TOLERANCE:g} of it. Corruption: the means over seeds of the
total path (of the probability, which is the source's output, and of the logit, which is ours), of the variance in the
last ten epochs, and of the distance from initialization are with the most corrupted labels at least {LEAST_RATIO} times
those with clean ones, with the lower end of the 95% interval (Student, over seeds) of the ratio above 1, and each falls
at most {MAX_DECREASES} time from one fraction of corrupted labels to the next. Test loss: its mean over seeds rises
from each fraction to the next. Path and test loss: among a seed's networks, Spearman's rank correlation of the
probability's total path and test loss is at least {LEAST_RANK_CORRELATION} in the mean over seeds, and the lower end of
its interval above 0. More than the corruption: among networks with the same fraction, the rank correlation of that path
and test loss is positive, with p at most {LEVEL}.
"""

#: Statistics that should rise with the corrupted labels, with the words of the source.
PAPER = {
    "probability_path": "a longer trajectory",
    "bias_increment_sum": "",
    "bias_variance": "bigger variance",
    "bias_distance_from_init": "often further from the initialization",
}


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    table["probability_path"] = table["run_id"].map(_probability_paths(runs))
    findings = [identity_finding(runs, TOLERANCE)]
    for statistic, paper in PAPER.items():
        findings.append(increase_finding(table, statistic, AXIS, LEAST_RATIO, MAX_DECREASES, paper))
    findings += [
        increase_finding(table, "test_loss", AXIS, least_ratio=1, max_decreases=0),
        _path_orders_test_loss(table),
        _path_within_fractions(table),
    ]
    curves_figure = render_figure(
        "curves",
        "Losses, Lipschitz constant and the bias while networks learn corrupted labels",
        "Medians over seeds and their range against epochs; colors are the fractions of training labels that were "
        "redrawn. Path per step and variance are those of the last ten epochs; losses are in nats, test labels are "
        "clean.",
        functools.partial(draw_curves, recorded_progress(runs, AXIS), AXIS),
    )
    lipschitz_figure = render_figure(
        "lipschitz",
        "Statistics of the bias against the Lipschitz constant of the learned function",
        "Each point is a network at the end of its training.",
        functools.partial(draw_against_lipschitz, table, AXIS),
    )
    figures = [curves_figure, lipschitz_figure]
    notes = [
        _describe_ends(table),
        "f is the logit here, so that ε = |sigmoid(f) − y|. The source takes the probability p = sigmoid(f); its path "
        "is computed from checkpoints: the mean of ‖dp/dx‖ over the training points, integrated over steps.",
        f"{RULE_CHANGED}: the last claim is undecided if nothing is left to compare; before, it did not hold.",
    ]
    return StudyAnswer(findings, figures, table, notes)


def _probability_paths(runs: Results) -> pd.Series:
    """Return the sum over steps of ||d p / d x|| of every run, between checkpoints by the trapezoid rule."""
    steps_per_epoch = example_config(runs).data.train_size

    def path(rows: pd.DataFrame) -> float:
        return steps_per_epoch * float(np.trapezoid(rows["value"], rows["epoch"]))

    paths = {run_id: path(rows) for run_id, rows in probability_slopes(runs).groupby("run_id")}
    return pd.Series(paths)


def _path_orders_test_loss(table: pd.DataFrame) -> Finding:
    rank = rank_correlation(table, "probability_path", "test_loss")
    corruption_alone = rank_correlation(table, AXIS, "test_loss")
    decision = decide(rank.value >= LEAST_RANK_CORRELATION and rank.low > 0)
    evidence = (
        f"Spearman {show_interval(rank)}, {len(table)} networks; the fraction of corrupted labels alone "
        f"{show_interval(corruption_alone)}"
    )
    return Finding(
        "networks whose bias takes the longer path have the larger test loss",
        decision,
        evidence,
    )


def _path_within_fractions(table: pd.DataFrame) -> Finding:
    within = st.within_configuration(table, "probability_path", "test_loss", [AXIS])
    if within.degrees_of_freedom:
        decision = decide(bool(within.correlation > 0 and within.p <= LEVEL))
        evidence = minus_signs(f"rank correlation {within.correlation:+.2f}, p {within.p:.3f}")
    else:
        decision = decide(None)
        evidence = "seeds order the networks alike at every fraction, so that no chance is left to compare"
    return Finding(
        "the same among networks with equally many corrupted labels",
        decision,
        evidence,
        explanation="networks with the same fraction differ by chance only, in either quantity; there are few of them",
    )


def _describe_ends(table: pd.DataFrame) -> str:
    ends = []
    for fraction, rows in table.groupby(AXIS):
        loss = rows["train_loss"].mean()
        ends.append(f"{fraction:g}: train loss {loss:.2g}, test error {rows['test_error'].mean():.3f}")
    return f"Means over seeds at the end, by fraction of corrupted labels: {'; '.join(ends)}."
