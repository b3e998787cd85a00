"""Compare winning tickets with their dense networks, and with sparse networks that have other initial weights."""

import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, StudyAnswer, Sweeps
from benevolent.analysis.studies.shared.seed_means import minus_signs
from benevolent.analysis.studies.shared.tables import rows_with
from benevolent.analysis.studies.shared.ticket_figures import draw_by_iteration, draw_kinds
from benevolent.analysis.studies.shared.ticket_findings import (
    FASTEST,
    MOST_ACCURATE,
    SMALL,
    SMALLEST,
    TOLERANCE,
    controls,
    convolutional_networks,
    iterative_pruning,
    other_initial_weights,
    speed_and_accuracy,
)
from benevolent.analysis.studies.shared.ticket_values import early_stop_values

RULE = f"""
The early-stop iteration is that of the lowest validation loss, and accuracy is that on the test split there; the dense
network and all sparse ones of one seed are compared, and intervals are Student's 95% intervals over seeds of the mean
difference of accuracies, or of the mean logarithm of the ratio of iterations. A claim that one kind of networks learns
faster, or is more accurate, holds if the interval is on that side of 1, or of 0.

Of the fractions of weights left after any round of pruning, the one nearest in ratio to {FASTEST:.1%} is taken for
LeNet, and named beside the claim, except: more accurate than dense, {MOST_ACCURATE:.1%}; a tenth of the weights,
controls of initial weights, and convolutional networks, {SMALL:.0%}; iterative against one-shot pruning, and the mask
alone, {SMALLEST:.1%}.

A tenth matches if the interval of its accuracy minus the dense network's is above −{TOLERANCE:.1%} and that of the
ratio of its early-stop iteration to the dense network's is below 1; it does not if the first lies below
−{TOLERANCE:.1%} or the second above 1; else this is undecided, as every claim is with fewer than two seeds.

Ahead from the first iterations on: the accuracy at the first recorded iteration is higher.
"""
#: Kinds of sparse networks: how claims and legends name them.
NAMES = {
    "ticket": "winning ticket",
    "reinit": "ticket, reinitialized",
    "shuffle": "ticket, initial weights shuffled",
    "random_mask": "random sparse network",
    "one-shot": "winning ticket, pruned at once",
}

NOTES = (
    "Early stops near the end of training are lower bounds: networks that learn slowly, such as reinitialized ones "
    "with few weights left, had not reached their lowest validation loss. Where a ticket is compared with such "
    "networks, it is faster than the ratio of the iterations says.",
    f"{RULE_CHANGED}: a ticket does not match the dense network if it is certainly worse by more than "
    f"{TOLERANCE:.1%}; before, it could match and be worse at once. Two controls are undecided with one seed.",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    lenet = early_stop_values(results["lenet"])
    one_shot = early_stop_values(results["lenet-one-shot"])
    pruned_at_once = one_shot[one_shot["left"] < 1].assign(control="one-shot")
    lenet = pd.concat([lenet, pruned_at_once], ignore_index=True)
    conv = early_stop_values(results["conv"])
    findings = [*speed_and_accuracy(lenet), *other_initial_weights(lenet), iterative_pruning(lenet)]
    for _, values in conv.groupby("model"):
        findings += convolutional_networks(values)
    findings += controls(lenet)
    values = pd.concat([lenet, conv], ignore_index=True)
    return StudyAnswer(findings, _figures(values), values, _notes(values))


def _figures(values: pd.DataFrame) -> list[RenderedFigure]:
    lenet = rows_with(values, "model", "LeNet")
    points = "Points are means over seeds, bars the range of the seeds; the horizontal line is the dense network."
    tickets = render_figure(
        "tickets",
        "Early stops of winning tickets, and of sparse networks with other initial weights or other masks",
        "The iteration at which early stopping would occur, and the test accuracy at that iteration, against the "
        f"weights left, as in figures 1, 4 and 5 of the source. {points}",
        draw_kinds,
        values,
        _named("ticket", "reinit", "random_mask"),
    )
    iterations = render_figure(
        "iterations",
        "Test accuracy of LeNet while it trains",
        "Means over seeds, as in figure 3 of the source; left winning tickets, right the same sparse networks "
        "reinitialized. 100% is the dense network.",
        draw_by_iteration,
        lenet,
        ("ticket", "reinit"),
        NAMES,
    )
    controls_figure = render_figure(
        "controls",
        "LeNet pruned in several rounds or at once, and tickets with their initial weights shuffled",
        f"As the first figure. {points}",
        draw_kinds,
        lenet,
        _named("ticket", "one-shot", "shuffle"),
    )
    return [tickets, iterations, controls_figure]


def _named(*kinds: str) -> dict[str, str]:
    return {kind: NAMES[kind] for kind in kinds}


def _notes(values: pd.DataFrame) -> list[str]:
    described = [_describe_best(str(model), rows) for model, rows in values.groupby("model")]
    return [*described, *NOTES]


def _describe_best(model: str, rows: pd.DataFrame) -> str:
    """Say where dense networks stop, and which tickets of a model are the most accurate and the fastest."""
    dense = rows_with(rows, "left", 1)
    accuracy = dense["accuracy"].mean()
    iteration = dense["iteration"].mean()
    tickets = rows_with(rows[rows["left"] < 1], "control", "ticket").groupby("left")
    gains = 100 * (tickets["accuracy"].mean() - accuracy)
    times = tickets["iteration"].mean() / iteration
    gain = minus_signs(f"{gains.max():+.2f}")
    most_accurate = f"the most accurate at {gains.idxmax():.1%} of weights ({gain} points)"
    fastest = f"the fastest at {times.idxmin():.1%} (× {times.min():.2f})"
    stop = f"dense networks stop at iteration {iteration:.0f} with an accuracy of {accuracy:.1%}"
    return f"{model}: {stop}; tickets are {most_accurate} and {fastest}."
