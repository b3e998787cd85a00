"""Order networks with one train loss by their product of norms, and compare with their test loss and error."""

import functools
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.judging.match_windows import in_windows
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer
from benevolent.analysis.studies.shared.network_outputs import data_name, data_title
from benevolent.analysis.studies.shared.normalized_loss import fitted_networks
from benevolent.analysis.studies.shared.normalized_loss_figures import draw_pairs
from benevolent.analysis.studies.shared.normalized_loss_findings import INTERVAL_RULE, order_finding

NORM = "log_frobenius_product"
LEAST_RANK_CORRELATION = 0.6
#: Train loss of the snapshots, which the sweeps say too (`stop.snapshot_loss`), and the window around it.
SNAPSHOT_LOSS = 0.0044
WINDOW = (0.0035, 0.0055)

RULE = f"""
Over networks that fit every training example with a train loss in [{WINDOW[0]}, {WINDOW[1]}] (each is the snapshot
nearest to {SNAPSHOT_LOSS}).

Pretrained, on labels of which four fractions were swapped: Spearman's rank correlation of the norm product with test
error, and with test loss, is at least {LEAST_RANK_CORRELATION}, and the lower end of its 95% interval above 0.
Normalized: the same for the norm product and the normalized test loss, which figure 4 of the source shows. Starts: the
first two are also asked of networks that were not pretrained, started from weights of five sizes.

{INTERVAL_RULE}.
"""
#: Sweeps.
PRETRAINING = "pretraining"
SCALES = "scales"
#: What the source says of each outcome, by sweep.
PAPER = {
    (PRETRAINING, "test_error"): "figure 13: when the norm product increases, so does the test error",
    (
        PRETRAINING,
        "test_loss",
    ): "appendix E: the minimizer of higher norm product has the higher loss",
    (PRETRAINING, "normalized_test_loss"): "figure 4 a: rises with the norm product",
    (SCALES, "test_error"): "figure 4 c: monotonic in the norm product",
    (SCALES, "test_loss"): "figure 12: a positive correlation",
}
OUTCOMES = {"test_error": "test error", "test_loss": "test loss", "normalized_test_loss": "normalized test loss"}
UNITS = {"test_error": "fraction", "test_loss": "nats", "normalized_test_loss": "nats"}

#: Axis of each sweep.
AXES = {PRETRAINING: "pretrain.label_corruption", SCALES: "init.std"}
COLORS = {
    PRETRAINING: "the fraction of labels swapped in pretraining",
    SCALES: "the initial standard deviation",
}
POPULATIONS = {PRETRAINING: "random pretraining", SCALES: "initial weights of several sizes"}
EXPLANATIONS = {
    PRETRAINING: "networks pretrained on different labels have almost the same product, so that chance orders them",
    SCALES: "the product reflects the size of the initial weights, on which the test loss depends little",
}


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    findings = []
    figures = []
    numbers = []
    for sweep in AXES:
        table = fitted_networks(results[sweep])
        table = table[in_windows(table, {"train_loss": WINDOW})].reset_index(drop=True)
        where = f"{data_title(data_name(results[sweep]))}, {POPULATIONS[sweep]}"
        findings += _findings(sweep, where, table)
        figures.append(_figure(sweep, where, table))
        numbers.append(table.assign(sweep=sweep))
    return StudyAnswer(findings, figures, pd.concat(numbers))


def _findings(sweep: str, where: str, table: pd.DataFrame) -> list[Finding]:
    findings = []
    for outcome, name in OUTCOMES.items():
        if outcome == "normalized_test_loss" and sweep != PRETRAINING:
            continue
        findings.append(
            order_finding(
                f"{where}: the {name} rises with the product of norms",
                table,
                NORM,
                outcome,
                LEAST_RANK_CORRELATION,
                PAPER[sweep, outcome],
                explanation=EXPLANATIONS[sweep],
            )
        )
    return findings


def _figure(sweep: str, where: str, table: pd.DataFrame) -> RenderedFigure:
    pairs = [(NORM, outcome) for outcome in OUTCOMES]
    return render_figure(
        f"capacity-{sweep}",
        f"{where}: test error and losses against the product of norms, at one train loss",
        f"Each point is a network at the snapshot nearest to a train loss of {SNAPSHOT_LOSS}; colors are "
        f"{COLORS[sweep]}.",
        functools.partial(draw_pairs, table, AXES[sweep], pairs, UNITS),
    )
