"""Look for the line between normalized losses in ResNets and in networks with BatchNorm."""

import numpy as np
import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps, in_order
from benevolent.analysis.studies.shared.normalized_loss import Outputs, deal_norms, fitted_networks, network_outputs
from benevolent.analysis.studies.shared.normalized_loss_figures import NORM_PRODUCT, draw_losses, own_norm_figure
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

AXIS = "init.scale"
NORM = "log_norm"
LEAST_RANK_CORRELATION = 0.6

RULE = f"""
Over networks that fit every training example, started from weights of six sizes. ResNet: outputs are divided by the
norm of the network's output on one fixed training image, the first. BatchNorm: it is folded into the weights, and
outputs are divided by the product of Frobenius norms.

Linear, in each: {LINE_RULE}. Order, in each: Spearman's rank correlation of normalized train loss and test error is at
least {LEAST_RANK_CORRELATION}, and the lower end of its 95% interval above 0.

Own norm, in each: {OWN_NORM_RULE}. Beyond the norm, in each: {BEYOND_NORM_RULE}.

{INTERVAL_RULE}.
"""

#: Sweeps, and the divisor of the outputs in words.
RESNET = "resnet"
BATCHNORM = "batchnorm"
TITLES = {RESNET: "ResNet", BATCHNORM: "BatchNorm"}
DIVISORS = {RESNET: "the norm of the output on one image", BATCHNORM: NORM_PRODUCT}
PAPER = {RESNET: "figure 2, bottom: a line, for ResNet-56", BATCHNORM: "figure 12: a line, on CIFAR-10"}
PAPER_ERROR = {RESNET: "test errors 7 to 9%, on CIFAR-10"}

ORDER = StudyClaim(
    "the normalized train loss predicts the ranking of networks by test error",
    "section 1: it is approximately predictive, at least of the ranking",
    "the norm that divides the outputs says little about how the networks generalize",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    findings = []
    figures = []
    numbers = []
    notes = []
    deals = {}
    own = {}
    for name in DIVISORS:
        table = fitted_networks(results[name])
        networks = network_outputs(results[name], table)
        if name == RESNET:
            table = _divided_by_one_output(networks, table)
        else:
            table = table.assign(**{NORM: table["log_frobenius_product"]})
        own[name] = table
        deals[name] = deal_norms(networks, np.exp(table[NORM].to_numpy()))
        findings += _findings(name, table, deals[name])
        figures.append(_figure(name, table))
        notes.append(_describe_errors(name, table))
        numbers.append(table.assign(network=name))
    figures.append(own_norm_figure(deals, own))
    return StudyAnswer(in_order(findings), figures, pd.concat(numbers), [*notes, OWN_NORM_CHANGED])


def _divided_by_one_output(networks: Outputs, table: pd.DataFrame) -> pd.DataFrame:
    """Return losses of outputs divided by the norm of the output on the first training image, and its logarithm."""
    norms = [float(logits[0].norm()) for logits, _ in networks["train"]]
    train = table["normalized_train_loss_by_output"]
    test = table["normalized_test_loss_by_output"]
    return table.assign(normalized_train_loss=train, normalized_test_loss=test, **{NORM: np.log(norms)})


def _findings(name: str, table: pd.DataFrame, deals: list[pd.DataFrame]) -> list[Finding]:
    title = TITLES[name]
    return [
        line_finding(title, table, PAPER[name]),
        order_finding(ORDER.about(title), table, "normalized_train_loss", "test_error", LEAST_RANK_CORRELATION),
        own_norm_finding(title, table, deals),
        beyond_norm_finding(title, table, NORM),
    ]


def _figure(name: str, table: pd.DataFrame) -> RenderedFigure:
    return render_figure(
        f"losses-{name}",
        f"{TITLES[name]}: test against train loss, as trained and normalized",
        "Each point is a network; colors are the factor of its initial weights. Right, outputs divided by "
        f"{DIVISORS[name]}.",
        draw_losses,
        table,
        AXIS,
        by=DIVISORS[name],
    )


def _describe_errors(name: str, table: pd.DataFrame) -> str:
    errors = table["test_error"]
    source = f" (source: {PAPER_ERROR[name]})" if name in PAPER_ERROR else ""
    return f"{TITLES[name]}: test errors {errors.min():.1%} to {errors.max():.1%}{source}."
