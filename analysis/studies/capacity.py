"""Whether the product of norms orders networks of one train loss by their test loss and error."""

import functools
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import Answer
from benevolent.analysis.studies.shared.outputs import data_name

NORM, LEAST, NEAR = "log_frobenius_product", 0.6, (0.0035, 0.0055)

RULE = f"""
Over networks that fit every training example with a train loss in [{NEAR[0]}, {NEAR[1]}] (each is the snapshot nearest
to 0.0044). Pretrained, after labels swapped in four parts: Spearman's rank correlation of the norm product with test
error, and with test loss, is at least {LEAST}, and the lower end of its 95% interval above 0. Normalized: the same of
the norm product and the normalized test loss, which figure 4 of the source shows. Starts: the first two are also asked
of networks that were not pretrained, started from weights of five sizes. {normalized_loss.INTERVAL_RULE}.
"""
PAPER = {
    "test_error": "figure 13: rises at train loss 0.0044 ± 0.0001",
    "test_loss": "appendix E: among minimizers of one loss",
    "normalized_test_loss": "figure 4: rises",
}
OUTCOMES = {"test_error": "test error", "test_loss": "test loss", "normalized_test_loss": "normalized test loss"}
AXES = {"pretraining": "pretrain.label_corruption", "scales": "init.std"}
GUESS = {
    "pretraining": "the products of networks that have seen other labels may be near to each other, and chance orders "
    "them",
    "scales": "of starts of different size the product counts the size, which the loss at the end does not know",
}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    findings, figures, numbers = [], [], []
    for sweep, axis in AXES.items():
        table, name = normalized_loss.fitted(results[sweep]), data_name(results[sweep])
        table = table[table["train_loss"].between(*NEAR)].reset_index(drop=True)
        pretrained = sweep == "pretraining"
        where = f"{name}, " + ("pretrained" if pretrained else "started from weights of several sizes")
        findings += [
            normalized_loss.ordered(
                f"{where}: {words} rises with the norm product",
                table,
                NORM,
                outcome,
                LEAST,
                PAPER[outcome] if pretrained else "",
                guess=GUESS[sweep],
            )
            for outcome, words in OUTCOMES.items()
            if pretrained or outcome != "normalized_test_loss"
        ]
        numbers.append(table.assign(sweep=sweep))
        figures.append(
            render_figure(
                f"capacity-{sweep}",
                f"{where}: test error and losses against the product of norms, at one train loss",
                "Each point is a network at the snapshot nearest to a train loss of 0.0044; colors are "
                + ("the part of the labels swapped in pretraining." if pretrained else "the initial deviation."),
                functools.partial(
                    normalized_loss.draw_pairs,
                    table,
                    axis,
                    [(NORM, outcome) for outcome in OUTCOMES],
                    {"test_error": "fraction", "test_loss": "nats", "normalized_test_loss": "nats"},
                ),
            )
        )
    return Answer(findings, figures, pd.concat(numbers))
