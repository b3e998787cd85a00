"""Pretrain networks on random labels: they should then generalize worse at the same train loss."""

import numpy as np
import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.judging.match_windows import in_windows
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, StudyAnswer, StudyClaim, Sweeps, in_order
from benevolent.analysis.studies.shared.network_outputs import data_name, data_title, example_config
from benevolent.analysis.studies.shared.normalized_loss import deal_norms, fitted_networks, network_outputs
from benevolent.analysis.studies.shared.normalized_loss_figures import draw_losses, draw_pairs, own_norm_figure
from benevolent.analysis.studies.shared.normalized_loss_findings import (
    BEYOND_NORM_RULE,
    INTERVAL_RULE,
    LINE_RULE,
    OWN_NORM_CHANGED,
    OWN_NORM_RULE,
    beyond_norm_finding,
    line_finding,
    order_finding,
    own_norm_finding,
)

AXIS = "pretrain.label_corruption"
NORM = "log_frobenius_product"
LEAST_RANK_CORRELATION = 0.6
#: Train loss of the snapshots, which the sweeps say too (`stop.snapshot_loss`), and the window around it.
SNAPSHOT_LOSS = 0.006
WINDOW = (0.004, 0.008)

RULE = f"""
Per data set, over networks that fit every training example with a train loss in [{WINDOW[0]}, {WINDOW[1]}] (each is the
snapshot nearest to {SNAPSHOT_LOSS}).

Rises: Spearman's rank correlation of the swapped fraction with test loss, with test error, and with the logarithm of
the norm product is at least {LEAST_RANK_CORRELATION} each, and the lower ends of their 95% intervals above 0.

Linear: {LINE_RULE}.

Own norm: {OWN_NORM_RULE}. Beyond the norm: {BEYOND_NORM_RULE}.

{INTERVAL_RULE}.
"""

#: The source: figure 5, where losses rise with the swapped fraction, and the lines of figures 10, 11 and 17.
PAPER_RISES = "figure 5: performance becomes increasingly worse"
PAPER_LINE = {
    ("cifar10", "puzzles_cnn"): "figure 10: slope 0.836, intercept 0.377, R² 0.9998, RMSE 4.8e-5",
    ("cifar10", "puzzles_bn"): "figure 11: a line",
    ("cifar100", "puzzles_bn"): "figure 17: a line",
}
PAPER_ANY_LINE = "appendix D: the line depends on neither the data set nor the initialization"
UNITS = {"test_loss": "nats", "test_error": "fraction", AXIS: "fraction"}

#: Why a claim about rising outcomes may not hold.
UNDONE = (
    "training on natural labels may undo the effect of the labels seen before, for some fractions more than for others"
)

#: Claims by outcome.
RISES = {
    "test_loss": StudyClaim(
        "the test loss rises with the corruption of the labels in pretraining", PAPER_RISES, UNDONE
    ),
    "test_error": StudyClaim(
        "the test error rises with the corruption of the labels in pretraining", PAPER_RISES, UNDONE
    ),
    NORM: StudyClaim(
        "the product of norms rises with the corruption of the labels in pretraining", explanation=UNDONE, kind="ours"
    ),
}


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    findings = []
    figures = []
    numbers = []
    deals = {}
    own = {}
    for runs in results.values():
        name = data_name(runs)
        table = fitted_networks(runs)
        table = table[in_windows(table, {"train_loss": WINDOW})].reset_index(drop=True)
        own[name] = table
        norms = np.exp(table[NORM].to_numpy())
        deals[name] = deal_norms(network_outputs(runs, table), norms)
        family = example_config(runs).flat()["model.family"]
        title = data_title(name)
        for outcome, claim in RISES.items():
            findings.append(order_finding(claim.about(title), table, AXIS, outcome, LEAST_RANK_CORRELATION))
        findings += [
            line_finding(title, table, PAPER_LINE.get((name, family), PAPER_ANY_LINE)),
            own_norm_finding(title, table, deals[name]),
            beyond_norm_finding(title, table, NORM),
        ]
        figures += _figures(name, table)
        numbers.append(table.assign(data=name))
    figures.append(own_norm_figure(deals, own))
    notes = [
        f"{RULE_CHANGED}: a partial correlation that is undefined in a seed counts as 0 there; "
        "with such seeds left out, one claim beyond the norm held, on MNIST.",
        OWN_NORM_CHANGED,
    ]
    return StudyAnswer(in_order(findings), figures, pd.concat(numbers), notes)


def _figures(name: str, table: pd.DataFrame) -> list[RenderedFigure]:
    pairs = [(AXIS, "test_loss"), (AXIS, "test_error"), (NORM, "test_loss")]
    corruption_figure = render_figure(
        f"corruption-{name.replace('_', '-')}",
        f"{name}: effect of random labels seen before",
        f"Each point is a network at the snapshot nearest to a train loss of {SNAPSHOT_LOSS}: its test loss and "
        "error against the fraction of labels swapped in pretraining, and its test loss against the logarithm of "
        "the product of its layers' norms.",
        draw_pairs,
        table,
        AXIS,
        pairs,
        UNITS,
    )
    losses_figure = render_figure(
        f"losses-{name.replace('_', '-')}",
        f"{name}: test against train loss, as trained and normalized",
        "The same networks. Left, losses as trained; right, those of outputs divided by the product of norms.",
        draw_losses,
        table,
        AXIS,
    )
    return [corruption_figure, losses_figure]
