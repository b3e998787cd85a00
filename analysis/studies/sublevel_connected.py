"""Follow the train loss on paths between networks with one hidden layer that were trained apart."""

import functools
import math
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import StudyAnswer
from benevolent.analysis.studies.shared.network_outputs import class_count, example_config
from benevolent.analysis.studies.shared.valley_figures import draw_heights, draw_losses
from benevolent.analysis.studies.shared.valley_findings import (
    FAR_NARROWER,
    NARROWEST,
    NEGLIGIBLE,
    ROUNDING,
    narrow_and_rescaled,
    path_checks,
    straight_lines,
    valleys,
)
from benevolent.analysis.studies.shared.valley_heights import heights, heights_within_runs
from benevolent.analysis.studies.shared.valley_pairs import (
    largest_change_of_outputs,
    losses_along_paths,
    pairs_by_width,
    steps_per_epoch,
    widths_without_partner,
)

FEW = "few-examples"
MANY = "mnist"
RULE = f"""
Pairs of networks of one width, from different starts; pairs are the unit of Student's 95% intervals. The rise of a path
is its highest train loss minus the larger one of its ends, its barrier the greatest height over the chord of its ends
(mean of both, weighted by position), both as fractions of the loss of chance, log of the number of classes; a rise or
barrier is negligible if the upper end of its interval is below {NEGLIGIBLE:.0%}.

One valley: on n examples, the rise of fitted curves is negligible over widths of 2 n and more; narrower, at the width
nearest to {FAR_NARROWER:g} n. No bad valley: all networks of more than n units reach the train loss at which training
stops. The narrowest: over widths below {NARROWEST:g} n the lower end of the rise's interval is above {NEGLIGIBLE:.0%}.

Many examples, at the largest width: the barrier of the straight line is there if the lower end of its interval is above
{NEGLIGIBLE:.0%}; matching lowers it if the interval of the difference is below 0; matched networks and curves have none
if it is negligible; matching does more than scaling the layers of the straight line to the norms of the ends if the
interval of the difference is below 0. Matched barriers fall with the width: over widths, the interval of the mean
Spearman correlation is below 0.

Within a run, from its first epoch to its end, the barrier is negligible over all widths.

The path of the proof rises by less than {ROUNDING:g} over widths of 2 n and more, and permuted networks compute the
same outputs up to a relative {ROUNDING:g}.
"""


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    chance = math.log(class_count(results[FEW]))
    losses = {}
    tables = {}
    changes = []
    for sweep in (FEW, MANY):
        widths = pairs_by_width(results[sweep])
        losses[sweep] = losses_along_paths(widths)
        tables[sweep] = heights(losses[sweep], chance)
        changes.append(largest_change_of_outputs(widths))
    within = heights_within_runs(results[MANY], steps_per_epoch(results[MANY]), chance)
    many = pd.concat([tables[MANY], within], ignore_index=True)
    examples = {sweep: example_config(results[sweep]).data.train_size for sweep in tables}
    few_runs = results[FEW].table()
    reached = example_config(results[FEW]).stop.train_loss
    assert reached is not None  # the sweep names it
    findings = [
        *valleys(tables[FEW], few_runs, examples[FEW], reached),
        *straight_lines(many),
        *narrow_and_rescaled(tables[FEW], many, examples[FEW]),
        *path_checks(tables[FEW], examples[FEW], max(changes)),
    ]
    numbers = pd.concat([tables[FEW].assign(sweep=FEW), many.assign(sweep=MANY)], ignore_index=True)
    figures = _figures(losses[FEW], {FEW: tables[FEW], MANY: many}, examples, chance)
    return StudyAnswer(findings, figures, numbers, _notes(few_runs, reached, results))


def _figures(
    losses: pd.DataFrame, tables: Mapping[str, pd.DataFrame], examples: Mapping[str, int], chance: float
) -> list[RenderedFigure]:
    number = examples[FEW]
    available = sorted(losses["width"].unique())
    middle = available[len(available) // 2 - 1]
    widths = {available[0]: f"{available[0]} units", middle: f"{middle} units", available[-1]: f"{available[-1]} units"}
    titles = {FEW: f"{number} examples", MANY: f"{examples[MANY]} examples"}
    named = {titles[sweep]: table for sweep, table in tables.items()}
    counts = {titles[sweep]: examples[sweep] for sweep in tables}
    shown = "Means over pairs of networks that were trained apart"
    return [
        render_figure(
            "valleys",
            "The loss between networks that were trained apart, from narrow to wide",
            f"Train loss on paths from one network to another, {number} examples. {shown}. Dotted: the loss of chance. "
            f"The path of the proof needs up to {2 * number} units.",
            functools.partial(draw_losses, losses, widths, ("straight", "matched", "curve", "proof"), chance),
        ),
        render_figure(
            "rises",
            "How high paths rise above the worse of both networks",
            f"{shown}; bars are their range, and what is below 0.01% is drawn there. Dashed: as many units as examples "
            "(n), and twice as many.",
            functools.partial(draw_heights, named, "excess", ("straight", "matched", "curve"), counts),
        ),
        render_figure(
            "barriers",
            "Barriers over the chord of the ends, with two controls",
            f"{shown}; bars are their range. Rescaled: each layer on the straight line has the norm between those of "
            "the ends. Within one run: from the first epoch to the end.",
            functools.partial(draw_heights, named, "barrier", ("straight", "rescaled", "matched", "run"), counts),
        ),
    ]


def _notes(runs: pd.DataFrame, reached: float, results: Mapping[str, Results]) -> list[str]:
    stuck = runs.assign(stuck=runs["train_loss"] > reached).groupby("model.width")["stuck"].sum()
    named = ", ".join(f"{count} of width {width}" for width, count in stuck.items() if count)
    notes = [
        "The theorems are about every pair of points in a sublevel set and leaky ReLU; here are pairs that training "
        "found, and ReLU. The path of the proof, made explicit for one hidden layer, works for any activation.",
        f"Of the networks on few examples, {named or 'none'} did not reach a train loss of {reached:g}.",
    ]
    for sweep in (FEW, MANY):
        alone = widths_without_partner(results[sweep])
        if alone:
            widths = ", ".join(str(width) for width in alone)
            notes.append(f"In {sweep} the last network has no partner, and is in no pair, at width {widths}.")
    return notes
