"""Whether test loss is linear in train loss once both are normalized, and the line says more than the norm alone."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import MENDED, Answer, Finding, decided
from benevolent.analysis.studies.shared.outputs import classes, data_name

AXIS, ORDERED = "init.std", 0.8

RULE = f"""
Per data set, over networks with natural labels that fit every training example. Linear: {normalized_loss.LINEAR_RULE}.
Order: Spearman's rank correlation of normalized train loss and test error is at least {ORDERED}, and the lower end of
its 95% interval above 0. Random labels lie on the line: through the networks with natural labels and those that fit
random ones R2 is at least {normalized_loss.LINEAR} with a slope in [{normalized_loss.SLOPES[0]}, {normalized_loss.SLOPES[1]}]; and
highest of their scale: each has a larger normalized train loss than all networks with natural labels of its initial
deviation. Own norm: {normalized_loss.OWN_NORM_RULE}. Relative: the same of R2 of the logarithms of what either loss lacks
to that of chance, where differences are relative. Beyond the norm: {normalized_loss.BEYOND_RULE}.
{normalized_loss.INTERVAL_RULE}.
"""

#: Of the source, figures 15 and 16; figure 10, of CIFAR-10, varies another axis.
PAPER = {"mnist": "slope 1.0075, intercept −0.017, R² 1.0000, RMSE 9.1e-4"}
PAPER_RANDOM = {"mnist": "slope 1.0083, intercept −0.019, R² 1.0000, RMSE 9.1e-5"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    findings, figures, numbers = [], [], []
    deals, own = {}, {}
    for sweep in (name for name in results if f"{name}-random" in results):
        name = data_name(results[sweep])
        natural, random = (normalized_loss.fitted(results[one]) for one in (sweep, f"{sweep}-random"))
        norms = np.exp(natural["log_frobenius_product"].to_numpy())
        known = normalized_loss.known_outputs(results[sweep], natural)
        deals[name], own[name] = normalized_loss.dealt(known, norms), natural
        findings += [
            normalized_loss.linear(name, natural, PAPER.get(name, "")),
            normalized_loss.ordered(
                f"{name}: normalized train loss orders networks by test error",
                natural,
                "normalized_train_loss",
                "test_error",
                ORDERED,
                guess="networks of middling starts differ little in test error, and chance orders them",
            ),
            *_random(name, natural, random),
            normalized_loss.own_norm(name, natural, deals[name]),
            normalized_loss.own_norm(
                name,
                natural,
                deals[name],
                "so does the line of the logarithms of how far the losses are from chance",
                functools.partial(_relative, classes=classes(results[sweep])),
            ),
            normalized_loss.beyond_norm(name, natural, "log_frobenius_product"),
        ]
        numbers += [
            natural.assign(data=name, labels="natural"),
            random.assign(data=name, labels="random"),
        ]
        figures.append(
            render_figure(
                f"losses-{name.replace('_', '-')}",
                f"{name}: test against train loss, as trained and normalized",
                "Each point is a network; colors are the standard deviation of the initial weights, red crosses "
                "networks that were trained and tested on random labels. Left, the losses as trained (natural labels "
                "alone: with random ones test losses are tens of nats); right, of the outputs divided by the product "
                "of the layers' norms. Lines through natural labels.",
                functools.partial(normalized_loss.draw_losses, natural, AXIS, random),
            )
        )
    figures.append(normalized_loss.deals_plate(deals, own))
    notes = [
        "A normalized output is tiny, so either loss is the logarithm of the number of classes less a small term that "
        "train and test share: part of the straightness is arithmetic. The last three claims of a data set ask how "
        "much.",
        f"{MENDED}: the relative line was asked without the control of dealt norms, and held three times.",
    ]
    return Answer(findings, figures, pd.concat(numbers), notes)


def _random(name: str, natural: pd.DataFrame, random: pd.DataFrame) -> list[Finding]:
    claims = (
        f"{name}: networks that fit random labels lie on the line of the others",
        f"{name}: and highest of their scale",
    )
    both = random[random[AXIS].isin(natural[AXIS])]
    if both.empty:
        return [Finding(claim, "undecided", "no network fits random labels") for claim in claims]
    fit, old = normalized_loss.line(pd.concat([natural, both])), normalized_loss.line(natural)
    off = (both["normalized_test_loss"] - old.intercept - old.slope * both["normalized_train_loss"]).abs()
    highest = natural.groupby(AXIS)["normalized_train_loss"].max()
    above = both["normalized_train_loss"].to_numpy() > highest[both[AXIS]].to_numpy()
    return [
        Finding(
            claims[0],
            decided(
                fit.r2 >= normalized_loss.LINEAR and normalized_loss.SLOPES[0] <= fit.slope <= normalized_loss.SLOPES[1]
            ),
            f"{normalized_loss.in_words(fit)}, with {len(both)} of random labels; these are {off.min() / old.rmse:.0f} to "
            f"{off.max() / old.rmse:.0f} standard deviations off the line of the others",
            PAPER_RANDOM.get(name, ""),
            guess="their outputs lead for other classes than the random ones of the test split as often as not, so "
            "that their test loss is that of chance, and the line of the others does not end there",
        ),
        Finding(
            claims[1],
            decided(bool(above.all())),
            f"{above.sum()} of {len(above)} above all networks of their scale with natural labels",
            "the uppermost point" if name in PAPER_RANDOM else "",
            guess="fitting random labels takes larger norms, but not for every start",
        ),
    ]


def _relative(losses: pd.DataFrame, classes: int) -> float:
    """R2 of log(log C - test loss) on log(log C - train loss) over C classes, of networks better than chance."""
    lacks = np.log(classes) - losses[["normalized_train_loss", "normalized_test_loss"]].to_numpy()
    return st.linear_fit(*np.log(lacks[(lacks > 0).all(1)]).T).r2
