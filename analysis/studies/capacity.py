"""Order networks with one train loss by their product of norms, and compare with their test loss and error."""

import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.judging.match_windows import in_windows
from benevolent.analysis.studies.shared.findings import StudyAnswer, StudyClaim, Sweeps
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
UNITS = {"test_error": "fraction", "test_loss": "nats", "normalized_test_loss": "nats"}

#: Axis of each sweep.
AXES = {PRETRAINING: "pretrain.label_corruption", SCALES: "init.std"}
COLORS = {
    PRETRAINING: "the fraction of labels swapped in pretraining",
    SCALES: "the initial standard deviation",
}
POPULATIONS = {PRETRAINING: "random pretraining", SCALES: "initial weights of several sizes"}

#: Possible explanations if a claim about a sweep does not hold.
ALMOST_EQUAL = "networks pretrained on different labels have almost the same product, so that chance orders them"
SIZE_OF_START = "the product reflects the size of the initial weights, on which the test loss depends little"
#: Claims by sweep and outcome.
CLAIMS = {
    (PRETRAINING, "test_error"): StudyClaim(
        "the test error rises with the product of norms",
        "figure 13: when the norm product increases, so does the test error",
        ALMOST_EQUAL,
    ),
    (PRETRAINING, "test_loss"): StudyClaim(
        "the test loss rises with the product of norms",
        "appendix E: the minimizer of higher norm product has the higher loss",
        ALMOST_EQUAL,
    ),
    (PRETRAINING, "normalized_test_loss"): StudyClaim(
        "the normalized test loss rises with the product of norms",
        "figure 4 a: rises with the norm product",
        ALMOST_EQUAL,
    ),
    (SCALES, "test_error"): StudyClaim(
        "the test error rises with the product of norms", "figure 4 c: monotonic in the norm product", SIZE_OF_START
    ),
    (SCALES, "test_loss"): StudyClaim(
        "the test loss rises with the product of norms", "figure 12: a positive correlation", SIZE_OF_START
    ),
}


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    findings = []
    figures = []
    numbers = []
    for sweep in AXES:
        table = fitted_networks(results[sweep])
        table = table[in_windows(table, {"train_loss": WINDOW})].reset_index(drop=True)
        where = f"{data_title(data_name(results[sweep]))}, {POPULATIONS[sweep]}"
        for (asked, outcome), claim in CLAIMS.items():
            if asked == sweep:
                findings.append(order_finding(claim.about(where), table, NORM, outcome, LEAST_RANK_CORRELATION))
        figures.append(_figure(sweep, where, table))
        numbers.append(table.assign(sweep=sweep))
    return StudyAnswer(findings, figures, pd.concat(numbers))


def _figure(sweep: str, where: str, table: pd.DataFrame) -> RenderedFigure:
    pairs = [(NORM, outcome) for outcome in UNITS]
    return render_figure(
        f"capacity-{sweep}",
        f"{where}: test error and losses against the product of norms, at one train loss",
        f"Each point is a network at the snapshot nearest to a train loss of {SNAPSHOT_LOSS}; colors are "
        f"{COLORS[sweep]}.",
        draw_pairs,
        table,
        AXES[sweep],
        pairs,
        UNITS,
    )
