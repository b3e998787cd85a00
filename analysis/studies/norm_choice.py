"""Normalize losses by products of several norms, and compare the lines through them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics import LinearFit
from benevolent.analysis.studies.shared.drawing import axis_palette, new_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps, in_order
from benevolent.analysis.studies.shared.normalized_loss import (
    Outputs,
    deal_norms,
    fitted_networks,
    loss_line,
    network_outputs,
    normalized_losses,
)
from benevolent.analysis.studies.shared.normalized_loss_figures import draw_fit, draw_points
from benevolent.analysis.studies.shared.normalized_loss_findings import (
    LINE_R2,
    OWN_NORM_CHANGED,
    OWN_NORM_RULE,
    describe_line,
    own_norm_finding,
)
from benevolent.analysis.studies.shared.seed_means import minus_signs, rank_correlation, show_interval
from benevolent.analysis.studies.shared.tables import Tables

AXIS = "pretrain.label_corruption"
#: Exponents of the norms.
NORMS = {"L1": 1.0, "L2": 2.0, "L4": 4.0, "L∞": float("inf")}
LEAST_RANK_CORRELATION = 0.9
#: Largest output of the median network, after division.
LARGEST_OUTPUT = 1.0
#: Largest difference of two slopes that count as one.
SLOPE_DIFFERENCE = 0.1

RULE = f"""
Over networks that fit every training example. rho is the product over the layers of the entrywise p-norm of the
weights, p = 1, 2, 4 and infinity. Outputs are divided by rho and multiplied by one constant per norm, such that the
median network's largest output is {LARGEST_OUTPUT} (the source divides L1 norms by 100: products of large norms leave
losses that differ in the last digits only).

Linear: for each p, R2 of normalized test loss on normalized train loss is at least {LINE_R2}. The same line: the slope
differs from that by L2 by at most {SLOPE_DIFFERENCE}, and the 95% intervals of the two slopes overlap.

Alike: Spearman's rank correlation between the normalized train losses by L2 and by each other norm is at least
{LEAST_RANK_CORRELATION} in the mean over seeds, and the lower end of its interval (Student) above 0.

Own norm, by L2: {OWN_NORM_RULE}.
"""
PAPER = {
    "L1": "figure 9: slope 0.836, intercept 0.378, R² 0.9998",
    "L2": "figure 10: slope 0.836, intercept 0.377, R² 0.9998",
}
X = "normalized_train_loss"
Y = "normalized_test_loss"

LINEAR = StudyClaim(
    "the normalized test loss is linear in the normalized train loss",
    "appendix D: the choice of the norm does not matter",
    "some networks keep more of their training lead on test examples than others, whichever norm divides",
)
SAME_LINE = StudyClaim(
    "the line is the same as by L2",
    explanation="norms weigh large and small weights differently, and networks differ in their spread",
    kind="ours",
)
SAME_ORDER = StudyClaim(
    "L2 and {} order the networks alike",
    explanation="networks whose losses are almost equal by one norm may be in another order by another norm",
    kind="ours",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    (runs,) = results.values()
    table = fitted_networks(runs)
    networks = network_outputs(runs, table)
    losses = {norm: _losses(runs, table, networks, p) for norm, p in NORMS.items()}
    deals = {norm: deal_norms(networks, rows["divisor"].to_numpy()) for norm, rows in losses.items()}
    others = [norm for norm in NORMS if norm != "L2"]
    findings = [_is_line(norm, losses[norm]) for norm in NORMS]
    findings += [_same_line(norm, losses, deals) for norm in others]
    findings += [_same_order(norm, losses) for norm in others]
    findings.append(own_norm_finding("Divided by L2", losses["L2"], deals["L2"]))
    norms_figure = render_figure(
        "norms",
        "Test against train loss, outputs divided by products of several norms",
        "Each point is a network; colors are the fraction of labels swapped in pretraining.",
        _draw,
        losses,
        Y,
        "normalized test loss (nats)",
    )
    errors_figure = render_figure(
        "errors",
        "Test error against normalized train loss, by the same norms",
        "The same networks, as on the right of figure 9 of the source.",
        _draw,
        losses,
        "test_error",
        "test error (fraction)",
    )
    figures = [norms_figure, errors_figure]
    numbers = pd.concat([rows.assign(norm=norm) for norm, rows in losses.items()])
    return StudyAnswer(in_order(findings), figures, numbers, [OWN_NORM_CHANGED])


def _losses(runs: Results, table: pd.DataFrame, networks: Outputs, p: float) -> pd.DataFrame:
    """Return the normalized losses of every network by the product of p-norms, scaled to one unit."""
    rho = np.array([_norm_product(runs, run_id, p) for run_id in table["run_id"]])
    largest = np.array([float(logits.abs().max()) for logits, _ in networks["train"]])
    divisor = rho * float(np.median(largest / rho)) / LARGEST_OUTPUT
    rows = table[["run_id", "seed", AXIS, "test_error"]].assign(rho=rho, divisor=divisor)
    return pd.concat([rows, normalized_losses(networks, divisor)], axis=1)


def _norm_product(runs: Results, run_id: str, p: float) -> float:
    weights = [value.double() for value in runs.network(run_id).parameters() if value.ndim >= 2]
    norms = torch.stack([torch.linalg.vector_norm(weight, ord=p) for weight in weights])
    return float(norms.prod())


def _is_line(norm: str, losses: pd.DataFrame) -> Finding:
    fit = loss_line(losses)
    claim = LINEAR.about(f"Divided by {norm}")
    if norm in PAPER:
        claim = claim._replace(paper=PAPER[norm])
    return claim.decide(fit.r2 >= LINE_R2, f"{describe_line(fit)} ({fit.n} networks)")


def _same_line(norm: str, losses: Tables, deals: Mapping[str, list[pd.DataFrame]]) -> Finding:
    fit = loss_line(losses[norm])
    usual = loss_line(losses["L2"])
    dealt_alike = []
    for dealt, dealt_l2 in zip(deals[norm], deals["L2"], strict=True):  # the deals are the same for all norms
        dealt_alike.append(_are_one_line(loss_line(dealt), loss_line(dealt_l2)))
    by_chance = f"with the norms of other networks the two lines are one in {np.mean(dealt_alike):.0%} of deals"
    claim = SAME_LINE.about(f"Divided by {norm}")
    if norm in PAPER:
        claim = claim._replace(paper=PAPER[norm].partition(",")[0], kind="paper")
    return claim.decide(_are_one_line(fit, usual), f"slope {_show_slope(fit)}, by L2 {_show_slope(usual)}; {by_chance}")


def _are_one_line(fit: LinearFit, other: LinearFit) -> bool:
    low, high = fit.slope_interval
    other_low, other_high = other.slope_interval
    overlap = low <= other_high and other_low <= high
    return abs(fit.slope - other.slope) <= SLOPE_DIFFERENCE and overlap


def _show_slope(fit: LinearFit) -> str:
    low, high = fit.slope_interval
    return minus_signs(f"{fit.slope:.3f} [{low:.3f}, {high:.3f}]")


def _same_order(norm: str, losses: Tables) -> Finding:
    both = losses["L2"].assign(other=losses[norm][X])
    rank = rank_correlation(both, X, "other")
    holds = rank.value >= LEAST_RANK_CORRELATION and rank.low > 0
    return SAME_ORDER.naming(norm).decide(holds, f"Spearman {show_interval(rank)}")


def _draw(losses: Tables, y: str, label: str) -> Figure:
    figure = new_figure(5.4)
    panels = figure.subplots(2, 2).ravel()
    for panel, (norm, rows) in zip(panels, losses.items(), strict=True):
        draw_points(panel, rows, X, y, AXIS)
        fit = st.linear_fit(rows[X], rows[y])
        draw_fit(panel, fit, rows[X])
        panel.set_title(f"{norm}: R² {fit.r2:.4f}, slope {fit.slope:.3g}", loc="left")
        panel.set(xlabel="normalized train loss (nats)", ylabel=label)
    axis_palette(AXIS, losses["L2"][AXIS]).legend(figure)
    return figure
