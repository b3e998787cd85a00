"""Follow the decision boundary of networks on a noisy disk: from a line to the concept to the noise."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.studies.shared.boundary_figures import draw_agreement, draw_boundaries
from benevolent.analysis.studies.shared.boundary_history import (
    BoundaryHistory,
    boundary_history,
    disk_points,
    is_above_curve,
    line_agreement,
)
from benevolent.analysis.studies.shared.explained_information import first_step_reaching
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.network_outputs import example_config

#: Smallest agreement of the first boundary with a line.
LEAST_LINE_AGREEMENT = 0.95
#: Largest loss of agreement with the curve until the end.
LARGEST_LOSS = 0.05
#: Fraction of what the best linear classifier leaves that counts as the concept.
CONCEPT = 0.5

RULE = f"""
On a grid of points of the disk; the best linear classifier is logistic regression on the noiseless labels of the grid.
All claims are asked of every seed.

Line: at the first recorded step at which the network agrees with the curve as much as the best linear classifier does,
some linear classifier (logistic regression on the network's answers) agrees with it on at least {LEAST_LINE_AGREEMENT}
of the disk. Concept: at some later step it agrees with the curve on more than the best linear classifier does, by at
least {CONCEPT} of what that leaves.

Noise: at the end it is right on every training example, including the wrongly labeled ones. Kept: at the end, agreement
with the curve is at most {LARGEST_LOSS} below its largest value, and above the best linear classifier's.

Order: the first recorded steps of line, concept ({CONCEPT} of what the best linear classifier leaves), and fit of all
training examples come one after the other, none at the same step.
"""

#: Claims of the findings.
LINE_FIRST = StudyClaim(
    "An almost linear boundary emerges first",
    "figure 1: an almost linear boundary emerges in the first phases of training",
    explanation="at the step at which the boundary is as accurate as a line, it is already bent",
)
THEN_CONCEPT = StudyClaim(
    "The network learns more than a linear boundary: the concept",
    "figure 1: more complex classifiers are learned afterwards",
    explanation="these examples, some of them wrong, do not show the bends of the curve well enough",
)
THEN_NOISE = StudyClaim(
    "The network overfits to the label noise at the end",
    "figure 1: in the last stages, the network overfits to the label noise",
    explanation="the steps are too few, or the network too narrow, to fit wrong labels among right ones",
)
CONCEPT_KEPT = StudyClaim(
    "The network retains the concept while it overfits",
    "figure 1: while still retaining the concept",
    explanation="islands around wrong labels take some of the disk",
)
IN_ORDER = StudyClaim(
    "The network learns the line, the concept and the noise in this order",
    "figure 1: first, then, in the last stages",
    explanation="a phase is never reached, or is reached between the same two recorded steps as another",
)


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


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    disk = results["disk"]
    frequency = example_config(disk).data.frequency
    grid = disk_points()
    truth = is_above_curve(grid, frequency)
    best_line = line_agreement(grid, truth)
    runs = disk.runs.sort_values("seed")
    histories = [boundary_history(disk, run_id, grid, truth) for run_id in runs["run_id"]]
    boundary_figure = render_figure(
        "boundary",
        "The boundary of one network while it trains",
        "The first seed. Shaded: the network's class 1; dashed: the curve that labels come from; points: the "
        "training examples, circles and triangles by their label; crosses and plus signs are wrong labels.",
        draw_boundaries,
        disk,
        histories[0],
        frequency,
    )
    agreement_figure = render_figure(
        "agreement",
        "Agreement of the network with a line, the curve and the training labels while it trains",
        "Fractions of the disk, and of the training examples with their wrong labels; each line is a network. "
        "Dotted: agreement of the best linear classifier with the curve.",
        draw_agreement,
        histories,
        best_line,
    )
    figures = [boundary_figure, agreement_figure]
    numbers = pd.concat([history.table.assign(run_id=history.run_id).reset_index() for history in histories])
    notes = ["The source gives neither the height and frequency of its curve nor its network; those here are ours."]
    return StudyAnswer(_findings(histories, best_line), figures, numbers, notes)


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
    holds = bool(np.all(np.array(agreements) >= LEAST_LINE_AGREEMENT))
    evidence = (
        f"as good as the best linear classifier ({best_line:.3f}) at steps {_show_steps(steps)}; a line agrees with "
        f"{lowest:.3f} to {highest:.3f} of the disk"
    )
    return LINE_FIRST.decide(holds, evidence)


def _then_concept(tables: Sequence[pd.DataFrame], phases: Sequence[Phases], best_line: float) -> Finding:
    most = [table["curve"].max() for table in tables]
    holds = all(network.concept is not None for network in phases)
    evidence = (
        f"agrees with the curve on {min(most):.3f} to {max(most):.3f} of the disk at best; asked for is "
        f"{_concept_level(best_line):.3f}"
    )
    return THEN_CONCEPT.decide(holds, evidence)


def _then_noise(tables: Sequence[pd.DataFrame]) -> Finding:
    lowest = min(table["train"].iloc[-1] for table in tables)
    holds = bool(lowest == 1)
    evidence = f"train accuracy at least {lowest:.4f}"
    return THEN_NOISE.decide(holds, evidence)


def _concept_kept(tables: Sequence[pd.DataFrame], best_line: float) -> Finding:
    most = np.array([table["curve"].max() for table in tables])
    ends = np.array([table["curve"].iloc[-1] for table in tables])
    near_best = (ends >= most - LARGEST_LOSS).all()
    above_line = (ends > best_line).all()
    holds = bool(near_best and above_line)
    evidence = (
        f"agrees with the curve on {ends.min():.3f} to {ends.max():.3f} at the end, at most "
        f"{(most - ends).max():.4f} below its best"
    )
    return CONCEPT_KEPT.decide(holds, evidence)


def _in_order(phases: Sequence[Phases]) -> Finding:
    holds = all(network.in_order for network in phases)
    evidence = "first steps of the three: " + "; ".join(_show_steps(network) for network in phases)
    return IN_ORDER.decide(holds, evidence)


def _show_steps(steps: Sequence[int | None]) -> str:
    return ", ".join("never" if step is None else str(step) for step in steps)
