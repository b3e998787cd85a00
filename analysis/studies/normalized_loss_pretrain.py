"""Whether networks that have seen random labels generalize worse at the same train loss, and normalized loss knows."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import MENDED, Answer
from benevolent.analysis.studies.shared.outputs import data_name

AXIS, RISES, NEAR = "pretrain.label_corruption", 0.6, (0.004, 0.008)

RULE = f"""
Per data set, over networks that fit every training example with a train loss in [{NEAR[0]}, {NEAR[1]}] (each is the
snapshot nearest to 0.006). Rises: Spearman's rank correlation of the swapped part with test loss, with test error,
and with the logarithm of the norm product is at least {RISES} each, and the lower ends of their 95% intervals above 0.
Linear: {normalized_loss.LINEAR_RULE}. Own norm: {normalized_loss.OWN_NORM_RULE}. Beyond the norm: {normalized_loss.BEYOND_RULE}.
{normalized_loss.INTERVAL_RULE}.
"""

#: Of the source: figure 5, where losses rise with the swapped part, and figure 10.
PAPER_RISES = {"cifar10": "figure 5: rises with the swapped part"}
PAPER_LINE = {
    ("cifar10", "puzzles_cnn"): "figure 10: slope 0.836, intercept 0.377, R² 0.9998, RMSE 4.8e-5",
    ("cifar10", "puzzles_bn"): "figure 11: a line",
    ("cifar100", "puzzles_bn"): "figure 17: a line",
}
OUTCOMES = {"test_loss": "test loss", "test_error": "test error", "log_frobenius_product": "the norm product"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    findings, figures, numbers = [], [], []
    deals, own = {}, {}
    for one in results.values():
        name, table = data_name(one), normalized_loss.fitted(one)
        family = one.config(str(one.runs["run_id"].iloc[0])).flat()["model.family"]
        table = table[table["train_loss"].between(*NEAR)].reset_index(drop=True)
        norms = np.exp(table["log_frobenius_product"].to_numpy())
        deals[name], own[name] = normalized_loss.dealt(normalized_loss.known_outputs(one, table), norms), table
        for outcome, words in OUTCOMES.items():
            paper = "" if outcome == "log_frobenius_product" else PAPER_RISES.get(name, "")
            claim = f"{name}: {words} rises with the part of the labels that was swapped in pretraining"
            findings.append(normalized_loss.ordered(claim, table, AXIS, outcome, RISES, paper, guess=GUESS))
        findings += [
            normalized_loss.linear(name, table, PAPER_LINE.get((name, family), "")),
            normalized_loss.own_norm(name, table, deals[name]),
            normalized_loss.beyond_norm(name, table, "log_frobenius_product"),
        ]
        numbers.append(table.assign(data=name))
        pairs = [(AXIS, "test_loss"), (AXIS, "test_error"), ("log_frobenius_product", "test_loss")]
        units = {"test_loss": "nats", "test_error": "fraction", AXIS: "fraction"}
        figures += [
            render_figure(
                f"corruption-{name.replace('_', '-')}",
                f"{name}: what is left of random labels seen before",
                "Each point is a network at the snapshot nearest to a train loss of 0.006: its test loss and error "
                "against the part of the labels that was swapped in pretraining, and its test loss against the "
                "logarithm of the product of its layers' norms.",
                functools.partial(normalized_loss.draw_pairs, table, AXIS, pairs, units),
            ),
            render_figure(
                f"losses-{name.replace('_', '-')}",
                f"{name}: test against train loss, as trained and normalized",
                "The same networks. Left, losses as trained; right, of outputs divided by the product of norms.",
                functools.partial(normalized_loss.draw_losses, table, AXIS),
            ),
        ]
    figures.append(normalized_loss.deals_plate(deals, own))
    notes = [
        f"{MENDED}: a partial correlation that is undefined in a seed counts as 0 there; "
        "left out, one claim beyond the norm held, on MNIST.",
        normalized_loss.OWN_NORM_MENDED,
    ]
    return Answer(findings, figures, pd.concat(numbers), notes)


GUESS = "training on natural labels may make up for what was seen before, and more so for some parts than for others"
