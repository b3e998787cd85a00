"""Follow the decision boundary of networks on a noisy disk: from a line to the concept to the noise."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from benevolent.analysis.figures import WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.drawing import BLACK, RED, TEAL
from benevolent.analysis.studies.shared.explained_information import first_step_reaching, recorded_steps
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.network_outputs import example_config, examples

#: Smallest agreement of the first boundary with a line.
LEAST_LINE_AGREEMENT = 0.95
#: Largest loss of agreement with the curve until the end.
LARGEST_LOSS = 0.05
#: Fraction of what the best linear classifier leaves that counts as the concept.
CONCEPT = 0.5
#: Points of the grid over the disk, along a side.
SIDE = 161
#: Boundaries drawn of one network.
PICTURES = 6
#: Inverse strength of the ridge of logistic regressions.
INVERSE_RIDGE = 1e3
#: Colors of the two labels.
LABEL_COLORS = ("#b8741a", "#17456b")

RULE = f"""
On a grid of points of the disk; the best linear classifier is logistic regression on the noiseless labels of the grid.
All claims are asked of every seed. Line: at the first recorded step at which the network agrees with the curve as much
as the best linear classifier does, some linear classifier (logistic regression on the network's answers) agrees with it
on at least {LEAST_LINE_AGREEMENT} of the disk. Concept: at some later step it agrees with the curve on more than the
best linear classifier does, by at least {CONCEPT} of what that leaves. Noise: at the end it is right on every training
example, including the wrongly labeled ones. Kept: at the end, agreement with the curve is at most {LARGEST_LOSS} below
its largest value, and above the best linear classifier's. Order: the first recorded steps of line, concept ({CONCEPT}
of what the best linear classifier leaves), and fit of all training examples come one after the other, none at the same
step.
"""


class BoundaryHistory(NamedTuple):
    """Boundary of one network at every recorded step.

    Attributes:
        run_id: of the network.
        table: one row per step: agreement with the `curve` and with the best `line`, and `train` accuracy.
        logits: on the grid `(N,)`, by step.
    """

    run_id: str
    table: pd.DataFrame
    logits: Mapping[int, np.ndarray]


class Phases(NamedTuple):
    """First recorded steps of the phases of one network; None for a phase that is never reached."""

    line: int | None
    concept: int | None
    noise: int | None

    @property
    def in_order(self) -> bool:
        """Return whether all phases are reached, one after the other."""
        if self.line is None or self.concept is None or self.noise is None:
            return False
        return self.line < self.concept < self.noise


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    disk = results["disk"]
    frequency = example_config(disk).data.frequency
    grid = disk_points()
    truth = is_above_curve(grid, frequency)
    best_line = _line_agreement(grid, truth)
    runs = disk.runs.sort_values("seed")
    histories = [_boundary_history(disk, run_id, grid, truth) for run_id in runs["run_id"]]
    boundary_figure = render_figure(
        "boundary",
        "The boundary of one network while it trains",
        "The first seed. Shaded: the network's class 1; dashed: the curve that labels come from; points: the "
        "training examples by their label, crosses are wrong labels.",
        functools.partial(_draw_boundaries, disk, histories[0], frequency),
    )
    agreement_figure = render_figure(
        "agreement",
        "Agreement of the network with a line, the curve and the training labels while it trains",
        "Fractions of the disk, and of the training examples with their wrong labels; each line is a network. "
        "Dotted: agreement of the best linear classifier with the curve.",
        functools.partial(_draw_agreement, histories, best_line),
    )
    figures = [boundary_figure, agreement_figure]
    numbers = pd.concat([history.table.assign(run_id=history.run_id).reset_index() for history in histories])
    notes = ["The source gives neither the height and frequency of its curve nor its network; those here are ours."]
    return StudyAnswer(_findings(histories, best_line), figures, numbers, notes)


def disk_points() -> np.ndarray:
    """Return the grid points in the unit disk, `(N, 2)`."""
    ends = np.linspace(-1, 1, SIDE)
    grid = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    return grid[(grid**2).sum(1) <= 1]


def is_above_curve(inputs: np.ndarray, frequency: float) -> np.ndarray:
    """Return the noiseless labels of points `(N, 2)`: which are above x_2 = sin(2 pi f x_1) / 2."""
    return inputs[:, 1] > _curve(inputs[:, 0], frequency)


def _curve(x: np.ndarray, frequency: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * x) / 2


def _line_agreement(grid: np.ndarray, labels: np.ndarray) -> float:
    """Return the agreement of the best linear classifier with labels on the grid."""
    if labels.all() or not labels.any():
        return 1.0
    return float(LogisticRegression(C=INVERSE_RIDGE).fit(grid, labels).score(grid, labels))


@torch.no_grad()
def _boundary_history(results: Results, run_id: str, grid: np.ndarray, truth: np.ndarray) -> BoundaryHistory:
    *earlier, last = recorded_steps(results, run_id)
    inputs = torch.from_numpy(grid).float()
    logits = {}
    rows = {}
    for step in [*earlier, last]:
        network = results.network(run_id, step if step != last else None)
        logits[step] = network(inputs).squeeze(-1).numpy()
        predicted = logits[step] > 0
        rows[step] = {"curve": (predicted == truth).mean(), "line": _line_agreement(grid, predicted)}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")
    errors = results.outcomes.query("run_id == @run_id and split == 'train' and name == 'error'")
    table["train"] = 1 - errors.set_index("step")["value"]
    return BoundaryHistory(run_id, table, logits)


def _phases(table: pd.DataFrame, best_line: float) -> Phases:
    return Phases(
        first_step_reaching(table["curve"], best_line),
        first_step_reaching(table["curve"], _concept_level(best_line)),
        first_step_reaching(table["train"], 1.0),
    )


def _concept_level(best_line: float) -> float:
    return best_line + (1 - best_line) * CONCEPT


def _findings(histories: Sequence[BoundaryHistory], best_line: float) -> list[Finding]:
    tables = [history.table for history in histories]
    phases = [_phases(table, best_line) for table in tables]
    return [
        _line_first(tables, phases, best_line),
        _then_concept(tables, phases, best_line),
        _then_noise(tables),
        _concept_kept(tables, best_line),
        _in_order(phases),
    ]


def _line_first(tables: Sequence[pd.DataFrame], phases: Sequence[Phases], best_line: float) -> Finding:
    steps = [network.line for network in phases]
    agreements = []
    for table, step in zip(tables, steps, strict=True):
        agreements.append(np.nan if step is None else table.loc[step, "line"])
    lowest = np.nanmin(agreements)
    highest = np.nanmax(agreements)
    decision = decide(bool(np.all(np.array(agreements) >= LEAST_LINE_AGREEMENT)))
    evidence = (
        f"as good as the best linear classifier ({best_line:.3f}) at steps {_show_steps(steps)}; a line agrees with "
        f"{lowest:.3f} to {highest:.3f} of the disk"
    )
    return Finding(
        "An almost linear boundary emerges first",
        decision,
        evidence,
        "figure 1: an almost linear boundary emerges in the first phases of training",
        explanation="at the step at which the boundary is as accurate as a line, it is already bent",
    )


def _then_concept(tables: Sequence[pd.DataFrame], phases: Sequence[Phases], best_line: float) -> Finding:
    most = [table["curve"].max() for table in tables]
    decision = decide(all(network.concept is not None for network in phases))
    evidence = (
        f"agrees with the curve on {min(most):.3f} to {max(most):.3f} of the disk at best; asked for is "
        f"{_concept_level(best_line):.3f}"
    )
    return Finding(
        "The network learns more than a linear boundary: the concept",
        decision,
        evidence,
        "figure 1: more complex classifiers are learned afterwards",
        explanation="these examples, some of them wrong, do not show the bends of the curve well enough",
    )


def _then_noise(tables: Sequence[pd.DataFrame]) -> Finding:
    lowest = min(table["train"].iloc[-1] for table in tables)
    decision = decide(bool(lowest == 1))
    evidence = f"train accuracy at least {lowest:.4f}"
    return Finding(
        "The network overfits to the label noise at the end",
        decision,
        evidence,
        "figure 1: in the last stages, the network overfits to the label noise",
        explanation="the steps are too few, or the network too narrow, to fit wrong labels among right ones",
    )


def _concept_kept(tables: Sequence[pd.DataFrame], best_line: float) -> Finding:
    most = np.array([table["curve"].max() for table in tables])
    ends = np.array([table["curve"].iloc[-1] for table in tables])
    near_best = (ends >= most - LARGEST_LOSS).all()
    above_line = (ends > best_line).all()
    decision = decide(bool(near_best and above_line))
    evidence = (
        f"agrees with the curve on {ends.min():.3f} to {ends.max():.3f} at the end, at most "
        f"{(most - ends).max():.4f} below its best"
    )
    return Finding(
        "The network retains the concept while it overfits",
        decision,
        evidence,
        "figure 1: while still retaining the concept",
        explanation="islands around wrong labels take some of the disk",
    )


def _in_order(phases: Sequence[Phases]) -> Finding:
    decision = decide(all(network.in_order for network in phases))
    evidence = "first steps of the three: " + "; ".join(_show_steps(network) for network in phases)
    return Finding(
        "The network learns the line, the concept and the noise in this order",
        decision,
        evidence,
        "figure 1: first, then, in the last stages",
        explanation="a phase is never reached, or is reached between the same two recorded steps as another",
    )


def _show_steps(steps: Sequence[int | None]) -> str:
    return ", ".join("never" if step is None else str(step) for step in steps)


def _draw_boundaries(results: Results, history: BoundaryHistory, frequency: float) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 5.4), layout="constrained")
    recorded = np.array(list(history.logits))
    chosen = np.unique(np.linspace(1, len(recorded) - 1, PICTURES).round().astype(int))
    for panel, step in zip(figure.subplots(2, PICTURES // 2).flat, recorded[chosen], strict=False):
        _draw_boundary(panel, history.logits[step])
        _draw_curve(panel, frequency)
        _draw_examples(panel, results, history.run_id, frequency)
        row = history.table.loc[step]
        panel.set_title(f"step {step}\ncurve {row['curve']:.2f}, line {row['line']:.2f}, train {row['train']:.2f}")
        panel.set_axis_off()
    return figure


def _draw_boundary(panel: Axes, logits: np.ndarray) -> None:
    cells = np.rint((disk_points() + 1) / 2 * (SIDE - 1)).astype(int)
    image = np.full((SIDE, SIDE), np.nan)
    image[cells[:, 1], cells[:, 0]] = logits > 0
    panel.imshow(image, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", vmin=0, vmax=3.2)


def _draw_curve(panel: Axes, frequency: float) -> None:
    x = np.linspace(-0.98, 0.98, 300)
    y = _curve(x, frequency)
    y[x**2 + y**2 > 1] = np.nan
    panel.plot(x, y, color=BLACK, linewidth=1, linestyle="--")


def _draw_examples(panel: Axes, results: Results, run_id: str, frequency: float) -> None:
    inputs, labels = (part.numpy() for part in examples(results, run_id, "train"))
    wrong = labels.astype(bool) != is_above_curve(inputs, frequency)
    for label, color in enumerate(LABEL_COLORS):
        x, y = inputs[(labels == label) & ~wrong].T
        panel.scatter(x, y, s=5, c=color, marker="o", linewidths=0)
        x, y = inputs[(labels == label) & wrong].T
        panel.scatter(x, y, s=14, c=color, marker="x", linewidths=1)


def _draw_agreement(histories: Sequence[BoundaryHistory], best_line: float) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.8), layout="constrained")
    panel = figure.subplots()
    styles = {
        "line": ("some line (fraction of the disk)", TEAL, "-"),
        "curve": ("the curve (fraction of the disk)", BLACK, "-"),
        "train": ("training labels", RED, "--"),
    }
    for column, (label, color, style) in styles.items():
        for index, history in enumerate(histories):
            shown_label = label if index == 0 else None
            panel.plot(history.table.index, history.table[column], style, color=color, linewidth=1, label=shown_label)
    panel.axhline(best_line, color=BLACK, linewidth=0.8, linestyle=":")
    panel.set_xscale("symlog", linthresh=2)
    panel.set(xlabel="SGD steps", ylabel="agreement", xlim=(0, None))
    panel.legend(loc="lower right")
    return figure
