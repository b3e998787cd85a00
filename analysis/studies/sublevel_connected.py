"""Follow the train loss on paths between networks with one hidden layer that were trained apart."""

import math
from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.studies.shared.findings import StudyAnswer, Sweeps
from benevolent.analysis.studies.shared.network_outputs import class_count, example_config
from benevolent.analysis.studies.shared.tables import Tables
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

#: What figures of paths show, in words.
SHOWN = "Means over pairs of networks that were trained apart"


def answer(results: Sweeps) -> StudyAnswer:
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
    within = heights_within_runs(results[MANY], example_config(results[MANY]).steps_per_epoch, chance)
    few = tables[FEW]
    many = pd.concat([tables[MANY], within], ignore_index=True)
    examples = {sweep: example_config(results[sweep]).data.train_size for sweep in tables}
    few_runs = results[FEW].table()
    reached = example_config(results[FEW]).stop.train_loss
    assert reached is not None  # the sweep names it
    findings = [
        *valleys(few, few_runs, examples[FEW], reached),
        *straight_lines(many),
        *narrow_and_rescaled(few, many, examples[FEW]),
        *path_checks(few, examples[FEW], max(changes)),
    ]
    numbers = pd.concat([few.assign(sweep=FEW), many.assign(sweep=MANY)], ignore_index=True)
    figures = [
        _losses_figure(losses[FEW], examples[FEW], chance),
        *_heights_figures({FEW: few, MANY: many}, examples),
    ]
    return StudyAnswer(findings, figures, numbers, _notes(few_runs, reached, results))


def _losses_figure(losses: pd.DataFrame, examples: int, chance: float) -> RenderedFigure:
    available = sorted(losses["width"].unique())
    middle = available[len(available) // 2 - 1]
    titles = {width: f"{width} units" for width in (available[0], middle, available[-1])}
    return render_figure(
        "valleys",
        "The loss between networks that were trained apart, from narrow to wide",
        f"Train loss on paths from one network to another, {examples} examples. {SHOWN}. Dotted: the loss of chance. "
        f"The path of the proof needs up to {2 * examples} units.",
        draw_losses,
        losses,
        titles,
        ("straight", "matched", "curve", "proof"),
        chance,
    )


def _heights_figures(tables: Tables, examples: Mapping[str, int]) -> list[RenderedFigure]:
    titles = {sweep: f"{count} examples" for sweep, count in examples.items()}
    named = {titles[sweep]: table for sweep, table in tables.items()}
    counts = {titles[sweep]: count for sweep, count in examples.items()}
    rises = render_figure(
        "rises",
        "How high paths rise above the worse of both networks",
        f"{SHOWN}; bars are their range, and what is below 0.01% is drawn there. Dashed: as many units as examples "
        "(n), and twice as many.",
        draw_heights,
        named,
        "excess",
        ("straight", "matched", "curve"),
        counts,
    )
    barriers = render_figure(
        "barriers",
        "Barriers over the chord of the ends, with two controls",
        f"{SHOWN}; bars are their range. Rescaled: each layer on the straight line has the norm between those of "
        "the ends. Within one run: from the first epoch to the end.",
        draw_heights,
        named,
        "barrier",
        ("straight", "rescaled", "matched", "run"),
        counts,
    )
    return [rises, barriers]


def _notes(runs: pd.DataFrame, reached: float, results: Sweeps) -> list[str]:
    stuck = runs.loc[runs["train_loss"] > reached, "model.width"].value_counts().sort_index()
    named = ", ".join(f"{count} of width {width}" for width, count in stuck.items())
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
