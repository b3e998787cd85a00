"""Start networks from weights of several sizes: their normalized test loss should be linear in normalized train loss.

And the line should say more than the norm alone.
"""

import functools

import numpy as np
import pandas as pd

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.studies.shared.findings import RULE_CHANGED, Finding, StudyAnswer, StudyClaim, Sweeps, in_order
from benevolent.analysis.studies.shared.network_outputs import class_count, data_name, data_title
from benevolent.analysis.studies.shared.normalized_loss import deal_norms, fitted_networks, loss_line, network_outputs
from benevolent.analysis.studies.shared.normalized_loss_figures import draw_losses, own_norm_figure
from benevolent.analysis.studies.shared.normalized_loss_findings import (
    BEYOND_NORM_RULE,
    INTERVAL_RULE,
    LINE_R2,
    LINE_RULE,
    OWN_NORM,
    OWN_NORM_RULE,
    SLOPE_RANGE,
    beyond_norm_finding,
    describe_line,
    is_unit_line,
    line_finding,
    order_finding,
    own_norm_finding,
)

AXIS = "init.std"
NORM = "log_frobenius_product"
LEAST_RANK_CORRELATION = 0.8

RULE = f"""
Per data set, over networks with natural labels that fit every training example.

Linear: {LINE_RULE}. Ranking: Spearman's rank correlation of normalized train loss and test error is at least
{LEAST_RANK_CORRELATION}, and the lower end of its 95% interval above 0.

Same line: through the networks with natural labels and those that fit random ones, R2 is at least {LINE_R2} with a
slope in {SLOPE_RANGE}. Largest: each network that fits random labels has a larger normalized train loss than all
networks with natural labels and its initial standard deviation.

Own norm: {OWN_NORM_RULE}. Relative to chance: the same for R2 of the logarithms of how far either loss is below that of
chance, where differences are relative. Beyond the norm: {BEYOND_NORM_RULE}.

{INTERVAL_RULE}.
"""

#: Numbers of figures 15 and 16 of the source; figure 10, on CIFAR-10, varies another axis.
PAPER = {"mnist": "slope 1.0075, intercept −0.017, R² 1.0000, RMSE 9.1e-4"}
PAPER_RANDOM = {"mnist": "slope 1.0083, intercept −0.019, R² 1.0000, RMSE 9.1e-5"}
#: Ending of the names of sweeps with random labels.
RANDOM_SWEEP = "-random"

RANKING = StudyClaim(
    "the normalized train loss predicts the ranking of networks by test error",
    "figures 2 and 4: it is approximately predictive, at least of the ranking",
    "networks from weights of medium size differ little in test error, so that chance orders them",
)

RELATIVE = OWN_NORM._replace(text="on a scale relative to chance, too, the line needs each network's own norm")
ON_LINE = StudyClaim(
    "networks trained on random labels lie on the same line",
    "figure 2: satisfies approximately the same linear relationship",
    "the test labels of these networks are random too, so that their test loss is that of chance, where the line of "
    "the others does not end",
)
HIGHEST = StudyClaim(
    "networks trained on random labels have the largest normalized train loss",
    "figure 2: performance on the randomly labeled training set is bad once normalized",
    "fitting random labels takes larger norms, but not from all initial weights",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    findings = []
    figures = []
    numbers = []
    deals = {}
    own = {}
    natural_sweeps = [sweep for sweep in results if f"{sweep}{RANDOM_SWEEP}" in results]
    for sweep in natural_sweeps:
        runs = results[sweep]
        name = data_name(runs)
        natural = fitted_networks(runs)
        random = fitted_networks(results[f"{sweep}{RANDOM_SWEEP}"])
        norms = np.exp(natural[NORM].to_numpy())
        own[name] = natural
        deals[name] = deal_norms(network_outputs(runs, natural), norms)
        findings += _findings(name, natural, random, deals[name], class_count(runs))
        numbers.append(natural.assign(data=name, labels="natural"))
        numbers.append(random.assign(data=name, labels="random"))
        figures.append(_losses_figure(name, natural, random))
    figures.append(own_norm_figure(deals, own))
    notes = [
        "A normalized output is tiny, so either loss is the logarithm of the number of classes minus a small term that "
        "train and test share: part of the straightness is arithmetic. Our controls ask how much.",
        f"{RULE_CHANGED}: before, the relative line was asked without the control of dealt norms, and held three "
        "times.",
    ]
    return StudyAnswer(in_order(findings), figures, pd.concat(numbers), notes)


def _findings(
    name: str, natural: pd.DataFrame, random: pd.DataFrame, deals: list[pd.DataFrame], classes: int
) -> list[Finding]:
    title = data_title(name)
    relative_r2 = functools.partial(_relative_r2, classes=classes)
    return [
        line_finding(title, natural, PAPER.get(name, "appendix D: the line does not depend on the data set")),
        order_finding(RANKING.about(title), natural, "normalized_train_loss", "test_error", LEAST_RANK_CORRELATION),
        *_random_labels(name, natural, random),
        own_norm_finding(title, natural, deals),
        own_norm_finding(title, natural, deals, RELATIVE, relative_r2),
        beyond_norm_finding(title, natural, NORM),
    ]


def _random_labels(name: str, natural: pd.DataFrame, random: pd.DataFrame) -> list[Finding]:
    title = data_title(name)
    on_line = ON_LINE.about(title)
    if name in PAPER_RANDOM:
        on_line = on_line._replace(paper=PAPER_RANDOM[name])
    highest = HIGHEST.about(title)
    comparable = random[random[AXIS].isin(natural[AXIS])]
    if comparable.empty:
        return [claim.decide(None, "no network fits random labels") for claim in (on_line, highest)]
    return [_on_line(on_line, natural, comparable), _highest(highest, natural, comparable)]


def _on_line(claim: StudyClaim, natural: pd.DataFrame, random: pd.DataFrame) -> Finding:
    natural_line = loss_line(natural)
    line = loss_line(pd.concat([natural, random]))
    predicted = natural_line.intercept + natural_line.slope * random["normalized_train_loss"]
    deviations = (random["normalized_test_loss"] - predicted).abs() / natural_line.rmse
    off = f"{deviations.min():.0f} to {deviations.max():.0f} standard deviations off the line of the others"
    evidence = f"{describe_line(line)}, with {len(random)} networks of random labels; these are {off}"
    return claim.decide(is_unit_line(line), evidence)


def _highest(claim: StudyClaim, natural: pd.DataFrame, random: pd.DataFrame) -> Finding:
    highest_natural = natural.groupby(AXIS)["normalized_train_loss"].max()
    above = random["normalized_train_loss"].to_numpy() > highest_natural[random[AXIS]].to_numpy()
    evidence = f"{above.sum()} of {len(above)} are above all networks with natural labels and the same initial weights"
    return claim.decide(bool(above.all()), evidence)


def _relative_r2(losses: pd.DataFrame, classes: int) -> float:
    """Return R2 of log(log C - test loss) on log(log C - train loss) over networks better than chance."""
    below_chance = np.log(classes) - losses[["normalized_train_loss", "normalized_test_loss"]].to_numpy()
    better = below_chance[(below_chance > 0).all(1)]
    train, test = np.log(better).T
    return st.linear_fit(train, test).r2


def _losses_figure(name: str, natural: pd.DataFrame, random: pd.DataFrame) -> RenderedFigure:
    return render_figure(
        f"losses-{name.replace('_', '-')}",
        f"{name}: test against train loss, as trained and normalized",
        "Each point is a network; colors are the standard deviation of the initial weights, red crosses are networks "
        "that were trained and tested on random labels. Left, the losses as trained (natural labels only: with random "
        "ones, test losses are tens of nats); right, those of the outputs divided by the product of the layers' norms. "
        "Lines are fitted to natural labels.",
        draw_losses,
        natural,
        AXIS,
        random,
    )
