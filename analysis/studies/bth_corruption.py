"""Train networks on corrupted labels: the first layer's bias should take longer paths where more are corrupted."""

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
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, StudyAnswer, StudyClaim, Sweeps
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
Corruption: the means over seeds of the total path, of the variance in the last ten epochs, and of the distance from
initialization are with the most corrupted labels at least {LEAST_RATIO} times those with clean ones. The lower end of
the 95% interval (Student, over seeds) of each ratio is above 1, and each mean falls at most {MAX_DECREASES} time from
one fraction of corrupted labels to the next. The source's path is that of the probability, its output; ours is that of
the logit.

Path and test loss: among a seed's networks, Spearman's rank correlation of the probability's total path and test loss
is at least {LEAST_RANK_CORRELATION} in the mean over seeds, and the lower end of its interval above 0. Test loss: its
mean over seeds rises from each fraction to the next.

Equally many corrupted labels: among networks with the same fraction, the rank correlation of the probability's total
path and test loss is positive, with p at most {LEVEL}.

Identity: in every recorded step, the increment of the bias over the learning rate and the loss derivative misses the
local Lipschitz constant at that step's example by at most {TOLERANCE:g} of it.
"""

#: Claims of the findings.
PATH_ORDERS = StudyClaim(
    "Networks with a longer trajectory have a larger test loss",
    "abstract: good training behavior can be a useful bias towards good generalization",
)
PATH_WITHIN = StudyClaim(
    "Among networks with equally many corrupted labels, a longer trajectory means a larger test loss",
    explanation="networks with the same fraction differ only by chance in either quantity, and there are few",
    kind="ours",
)

#: Claims on statistics that should rise with the corrupted labels, of the source and ours.
RISING = {
    "probability_path": StudyClaim(
        "Networks trained on more corrupted labels have a longer trajectory",
        "abstract: more complex networks have a longer trajectory",
    ),
    "bias_variance": StudyClaim(
        "Networks trained on more corrupted labels have a bigger variance",
        "abstract: more complex networks have a bigger variance",
    ),
    "bias_distance_from_init": StudyClaim(
        "Networks trained on more corrupted labels veer further from their initialization",
        "abstract: more complex networks often veer further from it",
    ),
}

LONGER_LOGIT_PATH = StudyClaim(
    "Networks trained on more corrupted labels have a longer trajectory of the logit", kind="ours"
)
LARGER_TEST_LOSS = StudyClaim("Networks trained on more corrupted labels have a larger test loss", kind="ours")

NOTES = (
    "f is the logit here, so that ε = |sigmoid(f) − y|. The source takes the probability p = sigmoid(f); its path "
    "is computed from checkpoints: the mean of ‖dp/dx‖ over the training points, integrated over steps.",
    f"{RULE_CHANGED}: the claim among equally many corrupted labels is undecided if nothing is left to compare; "
    "before, it did not hold.",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = runs.table()
    table["probability_path"] = table["run_id"].map(_probability_paths(runs))
    findings = []
    for statistic, claim in RISING.items():
        findings.append(increase_finding(claim, table, statistic, AXIS, LEAST_RATIO, MAX_DECREASES))
    findings += [
        _path_orders_test_loss(table),
        increase_finding(LONGER_LOGIT_PATH, table, "bias_increment_sum", AXIS, LEAST_RATIO, MAX_DECREASES),
        increase_finding(LARGER_TEST_LOSS, table, "test_loss", AXIS, least_ratio=1, max_decreases=0),
        _path_within_fractions(table),
        identity_finding(runs, TOLERANCE),
    ]
    curves_figure = render_figure(
        "curves",
        "Losses, Lipschitz constant and the bias while networks learn corrupted labels",
        "Medians over seeds and their range against epochs; colors are the fractions of training labels that were "
        "redrawn. Path per step and variance are those of the last ten epochs; losses are in nats, test labels are "
        "clean.",
        draw_curves,
        recorded_progress(runs, AXIS),
        AXIS,
    )
    lipschitz_figure = render_figure(
        "lipschitz",
        "Statistics of the bias against the Lipschitz constant of the learned function",
        "Each point is a network at the end of its training.",
        draw_against_lipschitz,
        table,
        AXIS,
    )
    notes = [_describe_ends(table), *NOTES]
    return StudyAnswer(findings, [curves_figure, lipschitz_figure], table, notes)


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
    alone = f"of the fraction of corrupted labels with test loss {show_interval(corruption_alone)}"
    holds = rank.value >= LEAST_RANK_CORRELATION and rank.low > 0
    return PATH_ORDERS.decide(holds, f"Spearman {show_interval(rank)}, {len(table)} networks; {alone}")


def _path_within_fractions(table: pd.DataFrame) -> Finding:
    within = st.within_configuration(table, "probability_path", "test_loss", [AXIS])
    if not within.degrees_of_freedom:
        nothing = "the seeds order the networks alike at every fraction, so that no differences are left to compare"
        return PATH_WITHIN.decide(None, nothing)
    evidence = minus_signs(f"rank correlation {within.correlation:+.2f}, p {within.p:.3f}")
    return PATH_WITHIN.decide(bool(within.correlation > 0 and within.p <= LEVEL), evidence)


def _describe_ends(table: pd.DataFrame) -> str:
    ends = []
    for fraction, rows in table.groupby(AXIS):
        loss = rows["train_loss"].mean()
        ends.append(f"{fraction:g}: train loss {loss:.2g}, test error {rows['test_error'].mean():.3f}")
    return f"Means over seeds at the end, by fraction of corrupted labels: {'; '.join(ends)}."
