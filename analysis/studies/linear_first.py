"""Compare what a network knows first with what a linear classifier knows, and with what it knows at the end."""

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, Sweeps, decide
from benevolent.analysis.studies.shared.linear_explanation import KNOWN, Task, explain_task
from benevolent.analysis.studies.shared.linear_first_figures import TITLES, draw_information, draw_shares
from benevolent.analysis.studies.shared.network_outputs import example_config

#: Smallest share of I(F; Y) that the linear classifier explains at T0.
LEAST_SHARE = 0.75
#: The same up to T0, where at least `KNOWN` of I(L; Y) is known.
LEAST_EARLY_SHARE = 0.7
#: Smallest excess over the null model's share, unless it leaves less than twice as much.
LEAST_EXCESS = 0.25
#: Smallest fraction of I(L; Y) that is explained at the end.
LEAST_KEPT = 0.9

RULE = f"""
Each task is decided on its test images, in bits. L is the linear classifier (logistic regression). T0 is the first
recorded step at which I(F; Y) reaches I(L; Y) of the best linear classifier. For CIFAR-10 first against last five, L is
the one that best fits the network at T0.

Initial performance: T0 exists in every seed. At T0 mu_Y(F; L) is at least {LEAST_SHARE} of I(F; Y), and
{LEAST_EARLY_SHARE} of it at every recorded step up to T0 at which I(F; Y) is at least {KNOWN} of I(L; Y), each in the
mean over seeds. Null model: at T0 that share is larger than the null model's by {LEAST_EXCESS} or more, or by half of
what the null model leaves if that is less.

More expressive: I(F; Y | L) is larger at the end than at T0 in every seed. Not forgotten: at the end mu_Y(F; L) is at
least {LEAST_KEPT} of I(L; Y) in the mean over seeds, and the network is right on every training example, unless these
are redrawn in every epoch.
"""

#: mu / I(F; Y) at T0, and that of the null model, where the source gives them.
PAPER = {"cifar10-first-last": "0.80, null model 0.31"}


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    tasks = {name: explain_task(name, runs) for name, runs in results.items()}
    findings = []
    tables = []
    for name, task in tasks.items():
        findings += _findings(name, task, streamed=example_config(results[name]).data.fresh)
        tables += [network.table.assign(task=name) for network in task]
    information_figure = render_figure(
        "information",
        "Performance of networks while they train, and how much of it a linear classifier explains",
        "Mutual information with the labels of the test split, and the accuracy of an unbiased binary classifier "
        "of that information. Each line is a network; vertical lines are T0, where networks reach the best linear "
        "classifier (thin horizontal line, dotted). Steps are shown on a logarithmic scale, the source's epochs on a "
        "linear one.",
        draw_information,
        tasks,
    )
    shares_figure = render_figure(
        "shares",
        "Share of a network's performance at T0 that a linear classifier explains",
        "The share of I(F; Y) at T0 that the linear classifier explains (dots, one for each network), and that its "
        "null model explains, a random classifier with the same information on the labels (crosses).",
        draw_shares,
        tasks,
    )
    figures = [information_figure, shares_figure]
    notes = [
        "Values are plug-in estimates. Classifiers that know much must share much: the null model's share rises with "
        "I(L; Y), so the claim against it is asked relative to what it leaves.",
    ]
    return StudyAnswer(findings, figures, pd.concat(tables).reset_index(), notes)


def _findings(name: str, task: Task, streamed: bool) -> list[Finding]:
    title = TITLES[name]
    claims = (
        f"{title}: the linear classifier explains the initial performance of the network",
        f"{title}: the linear classifier explains it better than a null model does",
        f"{title}: the network becomes more expressive than the linear classifier later",
    )
    if any(network.t0 is None for network in task):
        explanation = "the network never does as well as the linear classifier"
        findings = [Finding(claim, "does not hold", "T0 is not reached", explanation=explanation) for claim in claims]
    else:
        linear, chance, beyond = claims
        findings = [_linear_first(linear, name, task), _more_than_chance(chance, name, task), _beyond(beyond, task)]
    return [*findings, _kept(title, task, streamed)]


def _mean_share(task: Task, column: str) -> float:
    """Return the mean over networks of a column over I(F; Y) at T0."""
    return float(np.mean([network.at_t0[column] / network.at_t0["known"] for network in task]))


def _linear_first(claim: str, name: str, task: Task) -> Finding:
    share = _mean_share(task, "explained")
    lowest = float(np.mean([network.lowest_early_share for network in task]))
    steps = ", ".join(str(network.t0) for network in task)
    decision = decide(share >= LEAST_SHARE and lowest >= LEAST_EARLY_SHARE)
    evidence = f"μ / I(F; Y) is {share:.3f} at T0 (steps {steps}), at least {lowest:.3f} up to it"
    return Finding(
        claim,
        decision,
        evidence,
        PAPER.get(name, "claim 1: μ ≈ I(F; Y) up to T0"),
        explanation="the network learns something else from the beginning",
    )


def _more_than_chance(claim: str, name: str, task: Task) -> Finding:
    share = _mean_share(task, "explained")
    null = _mean_share(task, "null")
    wanted = min(LEAST_EXCESS, (1 - null) / 2)
    decision = decide(share - null >= wanted)
    evidence = f"{share:.3f}, null model {null:.3f}; larger by {share - null:.3f}, {wanted:.3f} is asked for"
    return Finding(
        claim,
        decision,
        evidence,
        PAPER.get(name, "the ratio is small for the null model, and much closer to 1 for the linear one"),
        explanation="two classifiers that are right so often, or so seldom, share almost as much by chance",
    )


def _beyond(claim: str, task: Task) -> Finding:
    firsts = np.array([network.at_t0["beyond"] for network in task])
    ends = np.array([network.table["beyond"].iloc[-1] for network in task])
    decision = decide(bool((ends > firsts).all()))
    evidence = f"I(F; Y | L) rises from {firsts.mean():.4f} to {ends.mean():.4f} bits"
    return Finding(
        claim,
        decision,
        evidence,
        "table 1: I(F; Y | L) rises from about 0",
        explanation="the network ends no better than the linear classifier",
    )


def _kept(title: str, task: Task, streamed: bool) -> Finding:
    ends = pd.DataFrame([network.table.iloc[-1] for network in task])
    kept = (ends["explained"] / ends["linear"]).mean()
    accuracy = ends["train_accuracy"].min()
    fitted = streamed or accuracy == 1
    if fitted:
        explanation = "the network knows another part of what can be learned linearly at the end"
    else:
        explanation = "not every example was fitted"
    decision = decide(bool(kept >= LEAST_KEPT and fitted))
    evidence = (
        f"μ is {kept:.3f} of I(L; Y) = {ends['linear'].mean():.3f} bits, I(L; Y | F) = {ends['missed'].mean():.4f} "
        f"bits, train accuracy {accuracy:.4f}"
    )
    return Finding(
        f"{title}: the network does not forget the linear classifier",
        decision,
        evidence,
        "table 1: μ plateaus near I(L; Y), I(L; Y | F) is about 0",
        explanation=explanation,
    )
