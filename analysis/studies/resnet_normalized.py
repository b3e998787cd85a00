"""Whether the line between normalized losses is there in ResNets and with BatchNorm."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import Answer

AXIS, LEAST, NORM = "init.scale", 0.6, "log_norm"

RULE = f"""
Over networks that fit every training example, started from weights of six sizes. ResNet: outputs are divided by the
norm of the network's output on one fixed training image, the first. BatchNorm: it is folded into the weights, and
outputs are divided by the product of Frobenius norms. Linear, in each: {normalized_loss.LINEAR_RULE}. Order, in each:
Spearman's rank correlation of normalized train loss and test error is at least {LEAST}, and the lower end of its 95%
interval above 0. Own norm, in each: {normalized_loss.OWN_NORM_RULE}. Beyond the norm, in each: {normalized_loss.BEYOND_RULE}.
{normalized_loss.INTERVAL_RULE}.
"""
PAPER = {"resnet": "figure 2, bottom: a line, of ResNet-56", "batchnorm": "figure 12: a line, on CIFAR-10"}
PAPER_ERROR = {"resnet": "test errors 7 to 9%, on CIFAR-10"}
BY = {"resnet": "the norm of the output on one image", "batchnorm": normalized_loss.PRODUCT}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    findings, figures, numbers, notes = [], [], [], []
    deals, own = {}, {}
    for name, by in BY.items():
        table = normalized_loss.fitted(results[name])
        known = normalized_loss.known_outputs(results[name], table)
        table = _by_one_image(known, table) if name == "resnet" else _by_product(table)
        deals[name], own[name] = normalized_loss.dealt(known, np.exp(table[NORM].to_numpy())), table
        findings += [
            normalized_loss.linear(name, table, PAPER[name]),
            normalized_loss.ordered(
                f"{name}: normalized train loss orders networks by test error",
                table,
                "normalized_train_loss",
                "test_error",
                LEAST,
                guess="what they are divided by tells little of how they generalize",
            ),
            normalized_loss.own_norm(name, table, deals[name]),
            normalized_loss.beyond_norm(name, table, NORM),
        ]
        figures.append(
            render_figure(
                f"losses-{name}",
                f"{name}: test against train loss, as trained and normalized",
                "Each point is a network; colors are the factor of its initial weights. Right, outputs divided by "
                f"{by}.",
                functools.partial(normalized_loss.draw_losses, table, AXIS, by=by),
            )
        )
        errors = table["test_error"]
        notes.append(
            f"{name}: test errors {errors.min():.1%} to {errors.max():.1%}"
            + (f" (source: {PAPER_ERROR[name]})." if name in PAPER_ERROR else ".")
        )
        numbers.append(table.assign(network=name))
    figures.append(normalized_loss.deals_plate(deals, own))
    return Answer(findings, figures, pd.concat(numbers), [*notes, normalized_loss.OWN_NORM_MENDED])


def _by_product(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{NORM: table["log_frobenius_product"]})


def _by_one_image(known: normalized_loss.Known, table: pd.DataFrame) -> pd.DataFrame:
    """Losses of outputs divided by the norm of the output on the first training image, and the norm's logarithm."""
    names = [f"normalized_{split}_loss" for split in ("train", "test")]
    norms = [float(logits[0].norm()) for logits, _ in known["train"]]
    return table.assign(**{name: table[f"{name}_by_output"] for name in names}, **{NORM: np.log(norms)})
