"""Figures of the study `bth-predict`: verdicts, early prediction, and associations over the grid."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import (
    RenderedFigure,
    both_claims_figure,
    early_prediction_figure,
    render_figure,
    short_label,
)
from benevolent.analysis.judging.early_prediction import early_prediction_views, rare_points_text, strongest_early
from benevolent.analysis.judging.histories import LOSS_HISTORIES, run_histories
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.drawing import new_figure
from benevolent.analysis.studies.shared.seed_means import minus_signs
from benevolent.analysis.studies.shared.tables import Tables

TARGET = "test_loss"
#: False discovery rate, and level of every p-value.
LEVEL = 0.05
#: Statistics drawn in the figure of early prediction.
SHOWN = 4


def claims_figure(verdicts: Tables) -> RenderedFigure:
    """Draw what the statistics of training say about the test loss, from the verdicts on each data set."""
    caption = (
        "Left: rank correlation with the test loss among runs that share every hyperparameter. Right: gain in "
        "cross-validated R² of ranks over the hyperparameters alone, in configurations held out. Intervals: 95%, from "
        f"resamples of lineages. Filled: the verdict makes the claim, at a false discovery rate of {LEVEL}."
    )
    title = "What the statistics of training say about the test loss"
    return render_figure("claims", title, caption, both_claims_figure, verdicts)


def early_figure(
    name: str, results: Results, table: pd.DataFrame, axes: Sequence[str], statistics: Sequence[str]
) -> RenderedFigure:
    """Draw how early the statistics of training, and the losses, predict the test loss.

    Args:
        name: of the data set.
        results: its runs.
        table: one row per run that counts.
        axes: of the grid.
        statistics: of training.
    """
    predictors = [*statistics, *LOSS_HISTORIES]
    needed = table[["run_id", "seed", "epoch", TARGET, *axes]]
    early = early_prediction_views(run_histories(results), needed, TARGET, axes, predictors)
    caption = (
        "Over all runs (top, with the 95% interval of the first statistic, from "
        f"{early['resamples'].max()} resamples of configurations) and within configurations (middle), after a number "
        "of epochs (left) or a fraction of each run's length (right, retrospective); black and gray are the losses at "
        "the same time, dashed their extrapolation by a power law. Below, the runs still training. "
        f"{rare_points_text(early)}"
    )
    return render_figure(
        f"early-{name.replace('_', '-')}",
        f"{name}: how early training predicts the test loss",
        caption.strip(),
        early_prediction_figure,
        early,
        strongest_early(early, statistics, SHOWN),
        TARGET,
    )


def regions_figure(chosen: str, associations: pd.DataFrame) -> RenderedFigure:
    """Draw the association of the chosen statistic with the test loss, for each value of each axis and data set."""
    return render_figure(
        "regions",
        f"Association of {chosen} with the test loss over the grid",
        "Rank correlation within configurations, among the runs with one value of one axis.",
        _draw_associations,
        associations,
    )


def _draw_associations(associations: pd.DataFrame) -> Figure:
    table = associations.assign(place=associations["axis"] + " = " + associations["value"])
    grid = table.pivot(index="place", columns="data", values="within").reindex(table["place"].unique())
    values = grid.to_numpy()
    figure = new_figure(0.6 + 0.24 * len(grid))
    panel = figure.subplots()
    image = panel.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        panel.text(column, row, minus_signs(f"{value:+.2f}"), ha="center", va="center", fontsize=7)
    panel.set(xticks=range(len(grid.columns)), xticklabels=[short_label(name) for name in grid.columns])
    panel.set(yticks=range(len(grid)), yticklabels=[short_label(place) for place in grid.index])
    panel.grid(visible=False)
    figure.colorbar(image, label="rank correlation within configurations")
    return figure
