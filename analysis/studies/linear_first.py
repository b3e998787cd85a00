"""Whether what a network knows first is what a linear classifier knows, and stays so."""

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
from benevolent.analysis.studies.shared import explained_information
from benevolent.analysis.studies.shared.answer import Answer, Finding, decided
from benevolent.analysis.studies.shared.outputs import answers, examples

RATIO, EARLY, GAP, KEPT, LITTLE = 0.75, 0.7, 0.25, 0.9, 0.25
#: Inverse strengths of the ridge, of which the best on the validation split is taken.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
#: Where linear classifiers differ though they do equally well: that which says most of what the network says at T0.
REFIT = ("cifar10-first-last",)

RULE = f"""
Per task, on test images and in bits; L is the linear classifier (logistic regression), and for CIFAR-10 first against
last five that which best fits the network at T0, the first recorded step at which I(F; Y) reaches I(L; Y) of the best
linear classifier. Linear first: T0 exists in every seed; at T0 mu_Y(F; L) is at least {RATIO} of I(F; Y), and {EARLY}
of it at every recorded step up to T0 at which I(F; Y) is at least {LITTLE} of I(L; Y), each in the mean over seeds.
More than chance: at T0 that share is larger than the null model's by {GAP} or more, or by half of what the null model
leaves where that is less. Then beyond: I(F; Y | L) is larger at the end than at T0 in every seed. Kept: at the end
mu_Y(F; L) is at least {KEPT} of I(L; Y) in the mean over seeds, and the network right on every training example,
unless these are drawn anew in every epoch.
"""

#: mu / I(F; Y) at T0, and of the null model, where the source gives them.
PAPER = {"cifar10-first-last": "0.80, null model 0.31"}
TITLES = {
    "mnist": "MNIST, 0-4 against 5-9",
    "cifar10-animals-objects": "CIFAR-10, animals against objects",
    "cifar10-first-last": "CIFAR-10, first against last five",
    "sinusoid": "sinusoid in 100 dimensions, streamed",
}


class Course(NamedTuple):
    """One network: what is explained of it at every step, and its T0, None if it was not reached."""

    table: pd.DataFrame
    first: int | None
    linear: float


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    courses = {name: _courses(name, one) for name, one in results.items()}
    fresh = {name: one.config(str(one.runs["run_id"].iloc[0])).data.fresh for name, one in results.items()}
    findings = [finding for name, task in courses.items() for finding in _findings(name, task, fresh[name])]
    numbers = pd.concat([one.table.assign(task=name) for name, task in courses.items() for one in task]).reset_index()
    figure = render_figure(
        "information",
        "What networks know, and what a linear classifier explains of it",
        "Mutual information with the labels of the test split, and the accuracy of an unbiased binary classifier that "
        "knows as much. Each line is a network; vertical lines are T0, where networks reach the best linear classifier "
        "(dotted). Steps are shown on a logarithmic scale, the source's epochs on a linear one.",
        functools.partial(_information, courses),
    )
    share = render_figure(
        "shares",
        "How much of what a network knows at T0 is explained",
        "The share of I(F; Y) at T0 that the linear classifier explains (dots, one for each network), and that its "
        "null model does, a classifier that knows as much of the labels and is else drawn by lot (crosses).",
        functools.partial(_shares, courses),
    )
    notes = [
        "Values are plug-in estimates. Classifiers that know much must share much: the null model's share rises with "
        "I(L; Y), so the claim against it is asked relative to what it leaves.",
    ]
    return Answer(findings, [figure, share], numbers, notes)


def fitted(inputs: Tensor, labels: Tensor, held_out: tuple[Tensor, Tensor]) -> LogisticRegression:
    """The logistic regression on flattened inputs that does best on held-out examples, of `STRENGTHS`."""
    flat, others = inputs.flatten(1).numpy(), held_out[0].flatten(1).numpy()
    models = [LogisticRegression(C=strength, max_iter=10_000).fit(flat, labels.numpy()) for strength in STRENGTHS]
    return max(models, key=lambda model: model.score(others, held_out[1].numpy()))


def _courses(name: str, results: Results) -> Sequence[Course]:
    runs = results.runs.sort_values("seed")
    some = runs["run_id"].iloc[0]
    train, validation, test = (examples(results, some, split) for split in ("train", "validation", "test"))
    best = _says(fitted(*train, validation), test[0])
    level, found = mutual_information(best, test[1]).item(), []
    for run_id, seed in zip(runs["run_id"], runs["seed"], strict=True):
        paths = explained_information.predictions(results, run_id)
        first, by = explained_information.reaches(explained_information.known(paths, test[1]), level), best
        if name in REFIT and first is not None:
            said = [answers(results, run_id, split, first) for split in ("train", "validation")]
            by = _says(fitted(train[0], said[0], (validation[0], said[1])), test[0])
        table = explained_information.explained(paths, test[1], by)
        errors = results.outcomes.query("run_id == @run_id and split == 'train' and name == 'error'")
        table["train_accuracy"] = 1 - errors.set_index("step")["value"]
        linear = mutual_information(by, test[1]).item()
        found.append(Course(table.assign(seed=seed, linear=linear, best_linear=level, first=first), first, linear))
    return found


def _says(model: LogisticRegression, inputs: Tensor) -> Tensor:
    return torch.from_numpy(model.predict(inputs.flatten(1).numpy()))


def _findings(name: str, task: Sequence[Course], streamed: bool) -> list[Finding]:
    reached = all(one.first is not None for one in task)
    ends = pd.DataFrame([one.table.iloc[-1] for one in task])
    kept = (ends["explained"] / ends["linear"]).mean()
    title, accuracy = TITLES[name], ends["train_accuracy"].min()
    claims = (
        f"{title}: until T0 what the network knows is what the linear classifier knows",
        f"{title}: that is more than what classifiers that good share anyhow",
        f"{title}: after T0 the network learns what no linear classifier says",
    )
    retained = Finding(
        f"{title}: at the end the network still knows what the linear classifier knows",
        decided(bool(kept >= KEPT and (streamed or accuracy == 1))),
        f"μ is {kept:.3f} of I(L; Y) = {ends['linear'].mean():.3f} bits, I(L; Y | F) = {ends['missed'].mean():.4f} "
        f"bits, train accuracy {accuracy:.4f}",
        "μ plateaus near I(L; Y), I(L; Y | F) about 0",
        guess="another part of what can be learned linearly is known at the end"
        if streamed or accuracy == 1
        else "not every example was fitted",
    )
    if not reached:
        missed = "the network learns something else at once, and never does as well as the linear classifier"
        return [*[Finding(claim, "does not hold", "T0 is not reached", guess=missed) for claim in claims], retained]
    firsts = pd.DataFrame([one.table.loc[one.first] for one in task])
    share, null = (float((firsts[column] / firsts["known"]).mean()) for column in ("explained", "null"))
    lowest = float(np.mean([_early(one) for one in task]))
    wanted = min(GAP, (1 - null) / 2)
    more = bool((ends["beyond"].to_numpy() > firsts["beyond"].to_numpy()).all())
    steps = ", ".join(str(one.first) for one in task)
    return [
        Finding(
            claims[0],
            decided(share >= RATIO and lowest >= EARLY),
            f"μ / I(F; Y) is {share:.3f} at T0 (steps {steps}), at least {lowest:.3f} up to it",
            PAPER.get(name, "μ ≈ I(F; Y)"),
            guess="the network learns something else at once",
        ),
        Finding(
            claims[1],
            decided(share - null >= wanted),
            f"{share:.3f} against {null:.3f} of the null model; larger by {share - null:.3f}, asked {wanted:.3f}",
            PAPER.get(name, ""),
            guess="two classifiers that are right so often, or so seldom, share about as much by chance",
        ),
        Finding(
            claims[2],
            decided(more),
            f"I(F; Y | L) rises from {firsts['beyond'].mean():.4f} to {ends['beyond'].mean():.4f} bits",
            "I(F; Y | L) rises from about 0",
            guess="the network ends no better than the linear classifier",
        ),
        retained,
    ]


def _early(one: Course) -> float:
    """The least share explained up to T0, where something is known."""
    rows = one.table[(one.table.index <= one.first) & (one.table["known"] >= LITTLE * one.linear)]
    return float((rows["explained"] / rows["known"]).min())


def _information(courses: Mapping[str, Sequence[Course]]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 5.6), layout="constrained")
    looks = {
        "known": ("I(F; Y)", "#1c1c1c", "-"),
        "explained": ("μ(F; L), explained by linear", "#2a788e", "-"),
        "beyond": ("I(F; Y | L), beyond linear", "#c0392b", "--"),
        "missed": ("I(L; Y | F)", "#9aa5b1", "-."),
    }
    panels = figure.subplots(2, 2).flat
    for axes, (name, task) in zip(panels, courses.items(), strict=False):
        for column, (text, color, line) in looks.items():
            for index, one in enumerate(task):
                label = text if index == 0 and axes is figure.axes[0] else None
                axes.plot(one.table.index, one.table[column], line, color=color, linewidth=1, label=label)
        for one in task:
            if one.first is not None:
                axes.axvline(one.first, color="#d9b44a", linewidth=0.8, zorder=0)
        axes.axhline(task[0].table["best_linear"].iloc[0], color="#1c1c1c", linewidth=0.8, linestyle=":")
        axes.set_xscale("symlog", linthresh=10)
        axes.set(
            title=TITLES[name],
            xlabel="SGD steps",
            ylabel="mutual information (bits)",
            xlim=(0, None),
            ylim=(-0.005, None),
        )
        _accuracy(axes)
    figure.legend(loc="outside upper center", ncols=len(looks))
    return figure


def _accuracy(axes: Axes) -> None:
    """An axis on the right: the accuracy of an unbiased binary classifier, I = 1 - h(accuracy)."""
    accuracy = np.linspace(0.5, 1 - 1e-9, 2001)
    bits = 1 + accuracy * np.log2(accuracy) + (1 - accuracy) * np.log2(1 - accuracy)

    def to_accuracy(value: Any) -> Any:
        return np.interp(value, bits, accuracy)

    def to_bits(value: Any) -> Any:
        return np.interp(value, accuracy, bits)

    right = axes.secondary_yaxis("right", functions=(to_accuracy, to_bits))
    ticks = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99]
    top = float(np.interp(axes.get_ylim()[1], bits, accuracy))
    chosen = [tick for tick in ticks if tick <= top]
    right.set_yticks(
        chosen if len(chosen) < 6 else [0.5, *[tick for tick in chosen if tick in (0.7, 0.8, 0.9, 0.95, 0.99)]]
    )
    right.set_ylabel("accuracy")


def _shares(courses: Mapping[str, Sequence[Course]]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.2), layout="constrained")
    axes = figure.subplots()
    for place, task in enumerate(courses.values()):
        rows = [one.table.loc[one.first] for one in task if one.first is not None]
        own, null = ([row[column] / row["known"] for row in rows] for column in ("explained", "null"))
        first = place == 0
        heights = np.full(len(rows), -place)
        axes.scatter(own, heights, s=26, color="#2a788e", label="linear classifier" if first else None, zorder=3)
        axes.scatter(null, heights, s=30, color="#1c1c1c", marker="x", label="null model" if first else None, zorder=3)
    axes.set_yticks(-np.arange(len(courses)), [TITLES[name] for name in courses])
    axes.set(xlabel="explained at T0, share of I(F; Y)", xlim=(0, 1.02), ylim=(-len(courses) + 0.5, 0.5))
    axes.legend(loc="lower left")
    return figure
