"""Whether the product of norms orders networks of one train loss by their test loss and error."""

import functools
from collections.abc import Mapping

import pandas as pd

from analysis import statistics as st
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies import normalised
from analysis.studies.study import Answer, Finding, between, decided

NORM, GROUP, LEAST, NEAR = "log_frobenius_product", "start", 0.6, (0.0035, 0.0055)

RULE = f"""
Over networks that fit every training example with a train loss in [{NEAR[0]}, {NEAR[1]}] (each is the snapshot
nearest to 0.0044), started from weights of five sizes or after pretraining on labels swapped in four parts. Orders:
Spearman's rank correlation of the norm product with test loss, and with test error, is at least {LEAST}, and the
lower end of its 95% interval over starts is above 0. Within: the same is asked among starts of different size alone,
and among pretrained networks alone; it holds if both correlations with test loss are at least {LEAST} with lower ends
above 0.
"""
PAPER = "figure 13: rises at train loss 0.0044 ± 0.0001"
GUESS = """networks that have seen labels of which some are right are better than others of their norm, and those that
started small have small norms, and are no better for it"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    kinds = {
        "scales": ("init.std", "std {:g}"),
        "pretraining": ("pretrain.label_corruption", "swapped {:g}"),
    }
    parts = []
    for name, (axis, text) in kinds.items():
        table = normalised.fitted(results[name])
        table = table[table["train_loss"].between(*NEAR)]
        parts.append(table.assign(**{GROUP: table[axis].map(text.format), "kind": name}))
    table = pd.concat(parts, ignore_index=True)
    findings = [
        normalised.ordered(
            f"{words} rises with the norm product", table, NORM, outcome, [GROUP], LEAST, PAPER, guess=GUESS
        )
        for outcome, words in (("test_loss", "test loss"), ("test_error", "test error"))
    ]
    findings.append(_within(dict(zip(kinds, parts, strict=True))))
    pairs = [(NORM, "test_loss"), (NORM, "test_error"), ("normalised_test_loss", "test_error")]
    units = {"test_loss": "nats", "test_error": "fraction", "normalised_test_loss": "nats"}
    drawn = plate(
        "capacity",
        "Test loss and error against the product of norms, at one train loss",
        "Each point is a network at the snapshot nearest to a train loss of 0.0044; colours and markers tell how it "
        "started. Right, its test error against its normalised test loss, as in figure 4 of the source.",
        functools.partial(normalised.draw_pairs, table, GROUP, pairs, units),
    )
    return Answer(findings, [drawn], table)


def _within(parts: Mapping[str, pd.DataFrame]) -> Finding:
    ranks = {
        name: st.bootstrap(
            part, lambda rows: st.spearman(rows[NORM], rows["test_loss"]), [GROUP], resamples=normalised.RESAMPLES
        )
        for name, part in parts.items()
    }
    return Finding(
        "the same among starts of different size, and among pretrained networks",
        decided(all(rank.value >= LEAST and rank.low > 0 for rank in ranks.values())),
        "; ".join(f"{name}: Spearman {between(rank)}" for name, rank in ranks.items()),
        guess="of starts of different size the product counts the size, which the loss divides out",
    )
