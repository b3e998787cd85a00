"""Figures of a report: which ones there are, the data they are drawn from, and their captions."""

import math
from collections.abc import Sequence

import pandas as pd

from benevolent.analysis import figures
from benevolent.analysis.figures import RenderedFigure, axis_label, render_figure
from benevolent.analysis.formatting import in_words
from benevolent.analysis.judging.early_prediction import rare_points_text, strongest_early
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.descriptions import Descriptions
from benevolent.analysis.report.judged_runs import judged_runs
from benevolent.analysis.statistics.selection_loss import BEST_TENTH, REFERENCE, SAME_RUNS
from benevolent.trainables.optimization.losses import LOSSES

SHOWN_PREDICTORS = 4
DEFAULT_TARGET = "test_loss"


def gallery(report: Report, about: Descriptions | None = None) -> list[RenderedFigure]:
    """Draw the report's figures in reading order, for the target of its first verdicts.

    A figure that lacks its data says so on the page of a sweep; on the page of any other table it is left out.
    """
    verdicts = report.verdicts[0] if report.verdicts else None
    target = verdicts.target if verdicts else DEFAULT_TARGET
    runs = judged_runs(report.table, verdicts)
    rendered = [
        _early(report, target),
        _losses(report, runs),
        _dynamics(report, runs, target, _strongest(verdicts, report.dynamics_names)),
        _training_curves(report, target),
        _granulated(verdicts, target),
        _agreement(verdicts, target),
    ]
    if about is not None:
        rendered += [_selection(about, _loss_unit(report)), _fragility(about)]
    return [figure for figure in rendered if figure.svg or report.from_sweep]


def _early(report: Report, target: str) -> RenderedFigure:
    outcome = in_words(target)
    shown = strongest_early(report.early, report.dynamics_names, SHOWN_PREDICTORS)
    resamples = ""
    if not report.early.empty:
        resamples = f", from {report.early['resamples'].max():,} resamples of configurations"
    caption = (
        f"Statistics of the training path, read during training, against {outcome} at the end: over all runs (top, "
        f"with the 95% interval of the first{resamples}) and within configurations (middle). Shown are those with the "
        "largest mean |τ|. Black and gray: validation and train loss at the same time; dashed: a power law through "
        "their last two records, continued to the end. Left: all runs after the same number of epochs, without those "
        "that had stopped by then (bottom). Right: each run at a fraction of its own length, which nobody knows during "
        f"training. {rare_points_text(report.early)}"
    )
    return render_figure(
        "early-prediction",
        f"How early training predicts {outcome}",
        caption.strip(),
        lambda: figures.early_prediction_figure(report.early, shown, target),
    )


def _losses(report: Report, runs: pd.DataFrame) -> RenderedFigure:
    unit = _loss_unit(report)
    entropy = LOSSES["cross_entropy"].unit if report.from_sweep else ""  # whatever was minimized
    divided = "Outputs divided by the product of norms"
    panels = [
        _loss_panel("train_loss", "test_loss", "As trained", unit),
        _loss_panel("normalized_train_loss", "normalized_test_loss", divided, entropy),
    ]
    return render_figure(
        "train-test-loss",
        "Train and test loss, as trained and normalized",
        "Each point is a run, the line is a least-squares fit. Normalized: the outputs are divided by the "
        "product of the layers’ norms before the loss is taken (Liao et al. 2018). Both normalized losses of "
        "a run share that one product, so part of the linearity is mechanical: a large product pulls both "
        "towards the same constant.",
        lambda: figures.train_test_scatter(runs, report.axes, panels),
    )


def _loss_panel(train: str, test: str, title: str, unit: str) -> figures.ScatterPanel:
    return figures.ScatterPanel(train, test, title, axis_label(train, unit), axis_label(test, unit))


def _dynamics(report: Report, runs: pd.DataFrame, target: str, taus: dict[str, float]) -> RenderedFigure:
    units = {"test_loss": _loss_unit(report), "loss_gap": _loss_unit(report)}
    if report.from_sweep:
        units |= {"test_error": "fraction", "gap": "fraction"}
    for name, definition in report.definitions.items():
        units[name] = definition.unit
    outcome = in_words(target)
    predictors = "statistics of training" if report.from_sweep else "predictors"
    return render_figure(
        "dynamics",
        f"{outcome.capitalize()} against the {predictors} that track it best",
        f"The {predictors} with the largest |τ| ({SHOWN_PREDICTORS} at most); each point is a run. Color and marker "
        f"show the axis that separates {outcome} best: a predictor that only sorts the colors says nothing more than "
        "that axis.",
        lambda: figures.outcome_by_predictors(runs, report.axes, target, taus, units),
    )


def _training_curves(report: Report, target: str) -> RenderedFigure:
    unit = _loss_unit(report)
    return render_figure(
        "training-curves",
        "Loss during training",
        "One line per configuration, the mean over its seeds; a run that has stopped keeps its last loss. Phases "
        "stand side by side in the order in which they were trained (of more than four, the first three and the "
        "last); all panels share one scale.",
        lambda: figures.loss_curves(report.table, report.axes, report.dynamics, report.outcomes, target, unit),
    )


def _granulated(verdicts: Verdicts | None, target: str) -> RenderedFigure:
    table = verdicts.table if verdicts else pd.DataFrame()
    return render_figure(
        "granulated-tau",
        f"Which predictor follows {in_words(target)} along which axis",
        "Granulated Kendall τ: runs are compared only with runs that differ from them in the one axis "
        "named above the column. Ψ is the mean over axes. A dash means that nothing could be compared.",
        lambda: figures.granulated_heat_map(table),
    )


def _agreement(verdicts: Verdicts | None, target: str) -> RenderedFigure:
    table = verdicts.table if verdicts else pd.DataFrame()
    return render_figure(
        "agreement",
        f"Where the statistics agree about {in_words(target)}, and where they do not",
        "Rank of every predictor by each statistic. Among the predictors that are in the top ten by any statistic, the "
        "six whose ranks differ most are colored: a predictor that looks strong over all runs may say nothing within "
        "configurations.",
        lambda: figures.statistic_agreement(table),
    )


def _selection(about: Descriptions, loss_unit: str) -> RenderedFigure:
    selection = about.selection
    names = selection["data"].unique()
    first = names[0] if len(names) else ""
    place = f" Data set {first}." if first else ""
    rows = selection[selection["choice"] == BEST_TENTH]
    rows = rows[(rows["data"] == first) & (rows["direction_from"] == SAME_RUNS)]
    unit = loss_unit if about.target == "test_loss" else ""
    return render_figure(
        "selection",
        f"{in_words(about.target).capitalize()} lost if networks are chosen by a predictor",
        f"The best tenth by each predictor against the best tenth by {in_words(about.target)} itself: the predictors "
        "that lose least, with 95% intervals from resamples of whole lineages; validation loss in another color, a "
        f"random choice dashed. They are the best of many in hindsight.{place}",
        lambda: figures.selection_figure(rows, about.target, REFERENCE, unit),
    )


def _fragility(about: Descriptions) -> RenderedFigure:
    kind = about.fragility["kind"].iloc[0] if len(about.fragility) else "within configurations"
    return render_figure(
        "fragility",
        f"Where predictors are associated with {in_words(about.target)}",
        f"Rank correlation {kind}, among the runs with one value of one axis. Bold: the sign is shown to change along "
        "the axis (Gail and Simon 1985, false discovery rate 5% over all pairs of predictor and axis). Predictors "
        "with a change of sign come first, then those with the largest mean |ρ|.",
        lambda: figures.fragility_heat_map(about.fragility),
    )


def _loss_unit(report: Report) -> str:
    """Return the unit of the loss that all runs were trained with; empty if they differ, or if the table has none."""
    names = set(report.table.get("loss.name", ["cross_entropy"] if report.from_sweep else [""]))
    units = {LOSSES[name].unit if name in LOSSES else "" for name in names}
    return units.pop() if len(units) == 1 else ""


def _strongest(verdicts: Verdicts | None, names: Sequence[str]) -> dict[str, float]:
    """Return the Kendall tau of the named predictors with the largest |tau|, largest first."""
    taus: dict[str, float] = {}
    for verdict in verdicts.in_reading_order() if verdicts else ():
        if verdict.predictor in names and not math.isnan(verdict.kendall_tau):
            taus[verdict.predictor] = verdict.kendall_tau
    strongest = sorted(taus, key=lambda name: -abs(taus[name]))[:SHOWN_PREDICTORS]
    return {name: taus[name] for name in strongest}
