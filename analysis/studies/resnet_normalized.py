"""Whether the line between normalised losses is there in ResNets and with BatchNorm."""

import functools
from collections.abc import Mapping

import pandas as pd

from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies import normalised
from analysis.studies.study import Answer

AXIS, LEAST = "init.scale", 0.6

RULE = f"""
Over networks that fit every training example, started from weights of six sizes. ResNet: outputs are divided by the
norm of the network's output on one fixed training image, the first. BatchNorm: it is folded into the weights, and
outputs are divided by the product of Frobenius norms. Linear, in each: {normalised.LINEAR_RULE}. Order, in each:
Spearman's rank correlation of normalised train loss and test error is at least {LEAST}, and the lower end of its 95%
interval over scales is above 0.
"""
PAPER = {"resnet": "figure 2, bottom: a line; test errors 7 to 9%", "batchnorm": "figure 12: a line"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    tables = {name: normalised.fitted(results[name]) for name in ("resnet", "batchnorm")}
    tables["resnet"] = _by_one_image(tables["resnet"])
    findings, figures = [], []
    for name, table in tables.items():
        findings += [
            normalised.linear(f"{name}: ", table, PAPER[name]),
            normalised.ordered(
                f"{name}: normalised train loss orders networks by test error",
                table,
                "normalised_train_loss",
                "test_error",
                [AXIS],
                LEAST,
            ),
        ]
        figures.append(
            plate(
                f"losses-{name}",
                f"{name}: test against train loss, as trained and normalised",
                "Each point is a network; colours are the factor of its initial weights. Right, outputs divided by "
                + ("the norm of the output on one image." if name == "resnet" else "the product of norms."),
                functools.partial(normalised.draw_losses, table, AXIS),
            )
        )
    return Answer(findings, figures, pd.concat([one.assign(network=name) for name, one in tables.items()]))


def _by_one_image(table: pd.DataFrame) -> pd.DataFrame:
    """Losses of outputs divided by the norm of the output on the first training image."""
    names = [f"normalised_{split}_loss" for split in ("train", "test")]
    return table.assign(**{name: table[f"{name}_by_output"] for name in names})
