"""Compare what a network knows first with what a linear classifier knows, and with what it knows at the end."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import mutual_information
from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, TEAL
from benevolent.analysis.studies.shared.explained_information import (
    explained_by,
    first_step_reaching,
    information_by_step,
    predictions_by_step,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.network_outputs import example_config, examples, predictions

#: Smallest share of I(F; Y) that the linear classifier explains at T0.
LEAST_SHARE = 0.75
#: Smallest share up to T0, where at least `KNOWN` of I(L; Y) is known.
LEAST_EARLY_SHARE = 0.7
KNOWN = 0.25
#: Smallest excess over the null model's share, unless it leaves less than twice as much.
LEAST_EXCESS = 0.25
#: Smallest fraction of I(L; Y) that is explained at the end.
LEAST_KEPT = 0.9
#: Inverse strengths of the ridge, of which the best one on the validation split is taken.
INVERSE_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
#: Tasks in which linear classifiers differ though they do equally well: the one nearest to the network at T0 is taken.
REFITTED = ("cifar10-first-last",)
#: Yellow lines at T0.
YELLOW = "#d9b44a"

RULE = f"""
Each task is decided on its test images, in bits. L is the linear classifier (logistic regression). T0 is the first
recorded step at which I(F; Y) reaches I(L; Y) of the best linear classifier. For CIFAR-10 first against last five, L is
the one that best fits the network at T0. Initial performance: T0 exists in every seed. At T0 mu_Y(F; L) is at least
{LEAST_SHARE} of I(F; Y), and {LEAST_EARLY_SHARE} of it at every recorded step up to T0 at which I(F; Y) is at least
{KNOWN} of I(L; Y), each in the mean over seeds. Null model: at T0 that share is larger than the null model's by
{LEAST_EXCESS} or more, or by half of what the null model leaves if that is less. More expressive: I(F; Y | L) is larger
at the end than at T0 in every seed. Not forgotten: at the end mu_Y(F; L) is at least {LEAST_KEPT} of I(L; Y) in the
mean over seeds, and the network is right on every training example, unless these are redrawn in every epoch.
"""

#: mu / I(F; Y) at T0, and that of the null model, where the source gives them.
PAPER = {"cifar10-first-last": "0.80, null model 0.31"}
TITLES = {
    "mnist": "MNIST, 0-4 against 5-9",
    "cifar10-animals-objects": "CIFAR-10, animals against objects",
    "cifar10-first-last": "CIFAR-10, first against last five",
    "sinusoid": "sinusoid in 100 dimensions, streamed",
}


class Explanation(NamedTuple):
    """The information of one network that its linear classifier explains.

    Attributes:
        table: one row per step, from `explained_by`, with train accuracy.
        t0: first step at which the network does as well as the best linear classifier; None if it never does.
        linear: I(L; Y) in bits.
    """

    table: pd.DataFrame
    t0: int | None
    linear: float

    @property
    def at_t0(self) -> "pd.Series[float]":
        """Row of the table at T0, which must have been reached."""
        return self.table.loc[self.t0]

    @property
    def lowest_early_share(self) -> float:
        """Smallest explained share of I(F; Y) up to T0, over steps at which at least `KNOWN` of I(L; Y) is known."""
        rows = self.table[(self.table.index <= self.t0) & (self.table["known"] >= KNOWN * self.linear)]
        return float((rows["explained"] / rows["known"]).min())


Task = Sequence[Explanation]


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    tasks = {name: _explain(name, runs) for name, runs in results.items()}
    findings = []
    tables = []
    for name, task in tasks.items():
        findings += _findings(name, task, streamed=example_config(results[name]).data.fresh)
        tables += [network.table.assign(task=name) for network in task]
    information_figure = render_figure(
        "information",
        "Knowledge of networks, and how much of it a linear classifier explains",
        "Mutual information with the labels of the test split, and the accuracy of an unbiased binary classifier "
        "that knows as much. Each line is a network; vertical lines are T0, where networks reach the best linear "
        "classifier (dotted). Steps are shown on a logarithmic scale, the source's epochs on a linear one.",
        functools.partial(_draw_information, tasks),
    )
    shares_figure = render_figure(
        "shares",
        "Explained share of a network's knowledge at T0",
        "The share of I(F; Y) at T0 that the linear classifier explains (dots, one for each network), and that its "
        "null model explains, a classifier that knows as much about the labels and is otherwise random (crosses).",
        functools.partial(_draw_shares, tasks),
    )
    figures = [information_figure, shares_figure]
    notes = [
        "Values are plug-in estimates. Classifiers that know much must share much: the null model's share rises with "
        "I(L; Y), so the claim against it is asked relative to what it leaves.",
    ]
    return StudyAnswer(findings, figures, pd.concat(tables).reset_index(), notes)


def fit_linear(inputs: Tensor, labels: Tensor, held_out: tuple[Tensor, Tensor]) -> LogisticRegression:
    """Fit logistic regressions on flattened inputs, and return the one of `INVERSE_RIDGES` best on held-out examples.

    Args:
        inputs: `(N, ...)`.
        labels: `(N,)`.
        held_out: inputs and labels of other examples.
    """
    flat = inputs.flatten(1).numpy()
    held_out_inputs = held_out[0].flatten(1).numpy()
    held_out_labels = held_out[1].numpy()
    models = []
    for inverse_ridge in INVERSE_RIDGES:
        models.append(LogisticRegression(C=inverse_ridge, max_iter=10_000).fit(flat, labels.numpy()))
    return max(models, key=lambda model: model.score(held_out_inputs, held_out_labels))


def _predict(model: LogisticRegression, inputs: Tensor) -> Tensor:
    return torch.from_numpy(model.predict(inputs.flatten(1).numpy()))


def _explain(name: str, results: Results) -> Task:
    runs = results.runs.sort_values("seed")
    some_run = runs["run_id"].iloc[0]
    train_inputs, train_labels = examples(results, some_run, "train")
    validation = examples(results, some_run, "validation")
    test_inputs, test_labels = examples(results, some_run, "test")
    best = _predict(fit_linear(train_inputs, train_labels, validation), test_inputs)
    best_information = mutual_information(best, test_labels).item()
    task = []
    for run_id, seed in zip(runs["run_id"], runs["seed"], strict=True):
        by_step = predictions_by_step(results, run_id)
        t0 = first_step_reaching(information_by_step(by_step, test_labels), best_information)
        classifier = best
        if name in REFITTED and t0 is not None:
            answers = predictions(results, run_id, "train", t0)
            held_out = (validation[0], predictions(results, run_id, "validation", t0))
            classifier = _predict(fit_linear(train_inputs, answers, held_out), test_inputs)
        table = explained_by(by_step, test_labels, classifier)
        errors = results.outcomes.query("run_id == @run_id and split == 'train' and name == 'error'")
        table["train_accuracy"] = 1 - errors.set_index("step")["value"]
        linear = mutual_information(classifier, test_labels).item()
        table = table.assign(seed=seed, linear=linear, best_linear=best_information, first=t0)
        task.append(Explanation(table, t0, linear))
    return task


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


def _draw_information(tasks: Mapping[str, Task]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 5.6), layout="constrained")
    styles = {
        "known": ("I(F; Y)", BLACK, "-"),
        "explained": ("μ(F; L), explained by linear", TEAL, "-"),
        "beyond": ("I(F; Y | L), beyond linear", RED, "--"),
        "missed": ("I(L; Y | F)", GRAY, "-."),
    }
    for panel, (name, task) in zip(figure.subplots(2, 2).flat, tasks.items(), strict=False):
        for column, (label, color, style) in styles.items():
            for index, network in enumerate(task):
                shown_label = label if index == 0 and panel is figure.axes[0] else None
                values = network.table[column]
                panel.plot(values.index, values, style, color=color, linewidth=1, label=shown_label)
        for network in task:
            if network.t0 is not None:
                panel.axvline(network.t0, color=YELLOW, linewidth=0.8, zorder=0)
        panel.axhline(task[0].table["best_linear"].iloc[0], color=BLACK, linewidth=0.8, linestyle=":")
        panel.set_xscale("symlog", linthresh=10)
        panel.set(title=TITLES[name], xlabel="SGD steps", ylabel="mutual information (bits)")
        panel.set(xlim=(0, None), ylim=(-0.005, None))
        _add_accuracy_scale(panel)
    figure.legend(loc="outside upper center", ncols=len(styles))
    return figure


def _add_accuracy_scale(panel: Axes) -> None:
    """Add a scale on the right: the accuracy of an unbiased binary classifier, I = 1 - h(accuracy)."""
    accuracy = np.linspace(0.5, 1 - 1e-9, 2001)
    bits = 1 + accuracy * np.log2(accuracy) + (1 - accuracy) * np.log2(1 - accuracy)

    def to_accuracy(value: Any) -> Any:
        return np.interp(value, bits, accuracy)

    def to_bits(value: Any) -> Any:
        return np.interp(value, accuracy, bits)

    scale = panel.secondary_yaxis("right", functions=(to_accuracy, to_bits))
    highest = float(to_accuracy(panel.get_ylim()[1]))
    ticks = [tick for tick in np.arange(50, 100, 5) / 100 if tick <= highest]
    if highest >= 0.99:
        ticks.append(0.99)
    if len(ticks) >= 6:
        ticks = [tick for tick in ticks if tick in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)]
    scale.set_yticks(ticks)
    scale.set_ylabel("accuracy")


def _draw_shares(tasks: Mapping[str, Task]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.2), layout="constrained")
    panel = figure.subplots()
    for place, task in enumerate(tasks.values()):
        rows = [network.at_t0 for network in task if network.t0 is not None]
        own = [row["explained"] / row["known"] for row in rows]
        null = [row["null"] / row["known"] for row in rows]
        heights = np.full(len(rows), -place)
        labels = ("linear classifier", "null model") if place == 0 else (None, None)
        panel.scatter(own, heights, s=26, color=TEAL, label=labels[0], zorder=3)
        panel.scatter(null, heights, s=30, color=BLACK, marker="x", label=labels[1], zorder=3)
    panel.set_yticks(-np.arange(len(tasks)), [TITLES[name] for name in tasks])
    panel.set(xlabel="explained at T0, share of I(F; Y)", xlim=(0, 1.02), ylim=(-len(tasks) + 0.5, 0.5))
    panel.legend(loc="lower left")
    return figure
