"""How the boundary of a network on a noisy disk grows: a line, the concept, the noise."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Answer, Finding, decided
from benevolent.analysis.studies.shared.explained_information import reaches, steps
from benevolent.analysis.studies.shared.outputs import examples

LINE, FORGOTTEN = 0.95, 0.05
#: Points of the grid that the disk is looked at with, along a side.
SIDE, PICTURES = 161, 6

RULE = f"""
On a grid of points of the disk; the best linear classifier is logistic regression on the noiseless labels of the grid.
All claims are asked of every seed. Line: at the first recorded step at which the network agrees with the curve as much
as the best linear classifier does, some linear classifier (logistic regression on the network's answers) agrees with
it on at least {LINE} of the disk. Concept: at some later step it agrees with the curve on more than the best linear
classifier does, by half or more of what that leaves. Noise: at the end it is right on every training example, the
wrongly labeled ones among them. Kept: at the end agreement with the curve is at most {FORGOTTEN} below its largest
value, and above the best linear classifier's. Order: the first recorded steps of line, concept (half of what the best
linear classifier leaves), and fit of all training examples come one after the other, none at the same step.
"""


class Grown(NamedTuple):
    """One network: at every step its agreement with the curve and with a line, and its logits on the grid `(N,)`."""

    run_id: str
    table: pd.DataFrame
    logits: Mapping[int, np.ndarray]


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    disk = results["disk"]
    grid = points()
    frequency = disk.config(disk.runs["run_id"].iloc[0]).data.frequency
    truth = above(grid, frequency)
    best = LogisticRegression(C=1e3).fit(grid, truth).score(grid, truth)
    runs = disk.runs.sort_values("seed")
    grown = [_grown(disk, run_id, grid, truth) for run_id in runs["run_id"]]
    figures = [
        render_figure(
            "boundary",
            "The boundary of one network while it trains",
            "The first seed. Shaded: where the network says 1; dashed: the curve that labels come from; points: the "
            "training examples by their label, crosses those whose label is wrong.",
            functools.partial(_boundary, disk, grown[0], frequency),
        ),
        render_figure(
            "agreement",
            "What the network agrees with while it trains",
            "Fractions of the disk, and of the training examples, wrong labels among them; each line is a network. "
            "Dotted: the best linear classifier's agreement with the curve.",
            functools.partial(_agreement, grown, best),
        ),
    ]
    numbers = pd.concat([one.table.assign(run_id=one.run_id).reset_index() for one in grown])
    notes = ["The source gives neither the height and frequency of its curve nor its network; those here are ours."]
    return Answer(_findings(grown, best), figures, numbers, notes)


def points() -> np.ndarray:
    """The grid points in the unit disk, `(N, 2)`."""
    side = np.linspace(-1, 1, SIDE)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    return grid[(grid**2).sum(1) <= 1]


def above(inputs: np.ndarray, frequency: float) -> np.ndarray:
    """The label without noise of points `(N, 2)`: whether they are above x_2 = sin(2 pi f x_1) / 2."""
    return inputs[:, 1] > np.sin(2 * np.pi * frequency * inputs[:, 0]) / 2


@torch.no_grad()
def _grown(results: Results, run_id: str, grid: np.ndarray, truth: np.ndarray) -> Grown:
    *before, end = steps(results, run_id)
    inputs, logits, rows = torch.from_numpy(grid).float(), {}, {}
    for step in [*before, end]:
        network = results.network(run_id, step if step != end else None)
        logits[step] = network(inputs).squeeze(-1).numpy()
        said = logits[step] > 0
        one_sided = said.all() or not said.any()
        line = 1.0 if one_sided else LogisticRegression(C=1e3).fit(grid, said).score(grid, said)
        rows[step] = {"curve": (said == truth).mean(), "line": line}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")
    errors = results.outcomes.query("run_id == @run_id and split == 'train' and name == 'error'")
    return Grown(run_id, table.assign(train=1 - errors.set_index("step")["value"]), logits)


def _findings(grown: Sequence[Grown], best: float) -> list[Finding]:
    tables = [one.table for one in grown]
    half = best + (1 - best) / 2
    linear, concept, fit = (
        [reaches(table[name], level) for table in tables]
        for name, level in (("curve", best), ("curve", half), ("train", 1.0))
    )
    lines = [
        table.loc[step, "line"] if step is not None else np.nan for table, step in zip(tables, linear, strict=True)
    ]
    most, ends = (np.array([pick(table["curve"]) for table in tables]) for pick in (np.max, lambda c: c.iloc[-1]))
    places = list(zip(linear, concept, fit, strict=True))
    order = pd.DataFrame(places, dtype=float)  # what is never reached is missing, and no later than anything
    ordered = (order[0] < order[1]) & (order[1] < order[2])
    return [
        Finding(
            "First the boundary is almost a line",
            decided(bool(np.all(np.array(lines) >= LINE))),
            f"as good as the best linear classifier ({best:.3f}) at steps {_list(linear)}; a line agrees with "
            f"{np.nanmin(lines):.3f} to {np.nanmax(lines):.3f} of the disk",
            "almost linear in the first phases",
            guess="by the step at which it is as right as a line, it is bent already",
        ),
        Finding(
            "Then it follows the curve",
            decided(None not in concept),
            f"agrees with the curve on {most.min():.3f} to {most.max():.3f} of the disk at best, asked {half:.3f}",
            "more complex classifiers are learned",
            guess="these examples, some of them wrong, do not show the bends of the curve well enough",
        ),
        Finding(
            "In the end it fits the noise",
            decided(all(table["train"].iloc[-1] == 1 for table in tables)),
            f"train accuracy at least {min(table['train'].iloc[-1] for table in tables):.4f}",
            "overfits to the label noise",
            guess="too few steps, or too narrow a network, for wrong labels among right ones",
        ),
        Finding(
            "And it keeps the concept",
            decided(bool((ends >= most - FORGOTTEN).all() and (ends > best).all())),
            f"agrees with the curve on {ends.min():.3f} to {ends.max():.3f} at the end, at most "
            f"{(most - ends).max():.4f} below its best",
            "retains the concept",
            guess="islands around wrong labels take some of the disk",
        ),
        Finding(
            "Line, concept and noise come one after the other",
            decided(bool(ordered.all())),
            "steps " + "; ".join(_list(place) for place in places),
            "in this order",
            guess="a phase that is never reached, or reached between the same two recorded steps as another",
        ),
    ]


def _list(found: Sequence[int | None]) -> str:
    return ", ".join("never" if step is None else str(step) for step in found)


def _boundary(results: Results, one: Grown, frequency: float) -> Figure:
    inputs, labels = (part.numpy() for part in examples(results, one.run_id, "train"))
    wrong = labels.astype(bool) != above(inputs, frequency)
    grid = points()
    cells = np.rint((grid + 1) / 2 * (SIDE - 1)).astype(int)
    kept = np.array(list(one.logits))
    chosen = np.unique(np.linspace(1, len(kept) - 1, PICTURES).round().astype(int))
    figure = Figure(figsize=(WIDTH_INCHES, 5.4), layout="constrained")
    x = np.linspace(-0.98, 0.98, 300)
    curve = np.sin(2 * np.pi * frequency * x) / 2
    curve[x**2 + curve**2 > 1] = np.nan
    for axes, step in zip(figure.subplots(2, PICTURES // 2).flat, kept[chosen], strict=False):
        image = np.full((SIDE, SIDE), np.nan)
        image[cells[:, 1], cells[:, 0]] = one.logits[step] > 0
        axes.imshow(image, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", vmin=0, vmax=3.2)
        axes.plot(x, curve, color="#1c1c1c", linewidth=1, linestyle="--")
        for label, color in ((0, "#b8741a"), (1, "#17456b")):
            for odd, marker in ((False, "o"), (True, "x")):
                rows = (labels == label) & (wrong == odd)
                axes.scatter(*inputs[rows].T, s=14 if odd else 5, c=color, marker=marker, linewidths=1 if odd else 0)
        row = one.table.loc[step]
        axes.set_title(f"step {step}\ncurve {row['curve']:.2f}, line {row['line']:.2f}, train {row['train']:.2f}")
        axes.set_axis_off()
    return figure


def _agreement(grown: Sequence[Grown], best: float) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.8), layout="constrained")
    axes = figure.subplots()
    looks = {
        "line": ("some line (fraction of the disk)", "#2a788e", "-"),
        "curve": ("the curve (fraction of the disk)", "#1c1c1c", "-"),
        "train": ("training labels", "#c0392b", "--"),
    }
    for name, (text, color, style) in looks.items():
        for index, one in enumerate(grown):
            label = text if index == 0 else None
            axes.plot(one.table.index, one.table[name], style, color=color, linewidth=1, label=label)
    axes.axhline(best, color="#1c1c1c", linewidth=0.8, linestyle=":")
    axes.set_xscale("symlog", linthresh=2)
    axes.set(xlabel="SGD steps", ylabel="agreement", xlim=(0, None))
    axes.legend(loc="lower right")
    return figure
