"""The figures of a report: which ones, drawn from what, and what their captions say."""

import math
from collections.abc import Sequence

import pandas as pd

from benevolent.analysis import figures
from benevolent.analysis.figures import RenderedFigure, axis_label, render_figure
from benevolent.analysis.formatting import in_words
from benevolent.analysis.judging.early_prediction import best_early, left_out
from benevolent.analysis.judging.match_windows import Windows, in_windows
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.content import Report
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.losses import LOSSES

DYNAMICS_SHOWN = 4
SPLITS = ("train", "test")


def gallery(report: Report) -> list[RenderedFigure]:
    """Draw the report's figures in reading order, for the target of its first verdicts."""
    first = report.verdicts[0] if report.verdicts else None
    target = first.target if first else "test_loss"
    verdict_table = first.table if first else pd.DataFrame()
    runs = _in_scope(report.table, first.scope if first else "", first.match if first else {})
    foremost = best_early(report.early, report.dynamics_names, DYNAMICS_SHOWN)
    plates = [
        _early(report, target, foremost),
        _losses(report, runs),
        _dynamics(report, runs, target, _strongest(first, report.dynamics_names)),
        render_figure(
            "training-curves",
            "Loss while training",
            "One line per configuration, the mean over its seeds; a run that has stopped keeps its last "
            "loss. Phases stand side by side in the order they were trained (of more than four, the first "
            "three and the last); all panels share one scale.",
            lambda: figures.loss_curves(
                report.table, report.axes, report.dynamics, report.outcomes, target, _loss_unit(report)
            ),
        ),
        render_figure(
            "granulated-tau",
            f"Which predictor follows {in_words(target)} along which axis",
            "Granulated Kendall τ: runs are compared only with runs that differ from them in the one axis "
            "named above the column. Ψ is the mean over axes. A dash means that nothing could be compared.",
            lambda: figures.granulated_heat_map(verdict_table),
        ),
        render_figure(
            "agreement",
            f"Where the statistics agree about {in_words(target)}, and where they do not",
            "The place of every predictor by each statistic. Colored are, of those among the ten strongest by any, "
            "the six whose places lie farthest apart: what looks strong over all runs may say nothing within "
            "configurations.",
            lambda: figures.statistic_agreement(verdict_table),
        ),
    ]
    return [one for one in plates if one.svg or report.of_a_sweep]  # of a mere table, those that it has the data for


def _early(report: Report, target: str, foremost: Sequence[str]) -> RenderedFigure:
    words = in_words(target)
    resampled = "" if report.early.empty else f", from {report.early['resamples'].max():,} resamples of configurations"
    return render_figure(
        "early-prediction",
        f"How early the training predicts {words}",
        f"Statistics of the training path, read while training, against {words} at the end: over all runs (top, with "
        f"the 95% interval of the first{resampled}) and within configurations (middle). Shown are those with the "
        "largest mean |τ|. Black and gray: what validation and train loss say at the same time; dashed, what a power "
        "law through their last two records says of the end. Left, all runs are read after the same number of epochs, "
        "and those that had stopped by then are left out (bottom); right, each at a share of its own length, which "
        f"nobody knows while training. {left_out(report.early)}".strip(),
        lambda: figures.early_prediction_figure(report.early, foremost, target),
    )


def _losses(report: Report, runs: pd.DataFrame) -> RenderedFigure:
    unit = _loss_unit(report)
    entropy = LOSSES["cross_entropy"].unit if report.of_a_sweep else ""  # whatever was minimized
    plain = figures.ScatterPanel(
        "train_loss", "test_loss", "As trained", *(axis_label(f"{s}_loss", unit) for s in SPLITS)
    )
    normalized = figures.ScatterPanel(
        *report.normalized_losses,
        "Outputs divided by the product of norms",
        *(axis_label(f"normalized_{s}_loss", entropy) for s in SPLITS),
    )
    return render_figure(
        "train-test-loss",
        "Train and test loss, as trained and normalized",
        "Each point is a run, the line is a least-squares fit. Normalized: the outputs are divided by the "
        "product of the layers’ norms before the loss is taken (Liao et al. 2018). Both normalized losses of "
        "a run share that one product, so part of the linearity is mechanical: a large product pulls both "
        "towards the same constant.",
        lambda: figures.train_test_scatter(runs, report.axes, [plain, normalized]),
    )


def _dynamics(report: Report, runs: pd.DataFrame, target: str, taus: dict[str, float]) -> RenderedFigure:
    loss = _loss_unit(report)
    units = {"test_loss": loss, "loss_gap": loss}
    if report.of_a_sweep:
        units |= {"test_error": "fraction", "gap": "fraction"}
    units |= {name: definition.unit for name, definition in report.definitions.items()}
    words, what = in_words(target), "statistics of training" if report.of_a_sweep else "predictors"
    return render_figure(
        "dynamics",
        f"{words.capitalize()} against the {what} that track it best",
        f"The {what} with the largest |τ| ({DYNAMICS_SHOWN} at most); each point is "
        f"a run. Color and marker show the axis that separates {words} best: a predictor that only sorts "
        "the colors repeats what that axis says.",
        lambda: figures.outcome_by_predictors(runs, report.axes, target, taus, units),
    )


def _loss_unit(report: Report) -> str:
    """The unit of the loss that all runs were trained with; none if they differ, or if a mere table does not say."""
    names = set(report.table.get("loss.name", ["cross_entropy"] if report.of_a_sweep else [""]))
    units = {LOSSES[name].unit if name in LOSSES else "" for name in names}
    return units.pop() if len(units) == 1 else ""


def _in_scope(table: pd.DataFrame, scope: str, match: Windows) -> pd.DataFrame:
    """Return the runs that scatter figures show: those judged, and never a diverged or failed one."""
    table = table[in_windows(table, match)]
    if "status" not in table:
        return table
    return table[table["status"].isin([Status.CONVERGED] if scope == "converged" else [Status.CONVERGED, Status.LIMIT])]


def _strongest(verdicts: Verdicts | None, names: Sequence[str]) -> dict[str, float]:
    """Return the named predictors with the largest |tau|, largest first."""
    if verdicts is None:
        return {}
    taus = {
        verdict.predictor: verdict.kendall_tau
        for verdict in verdicts.in_reading_order()
        if verdict.predictor in names and not math.isnan(verdict.kendall_tau)
    }
    strongest = sorted(taus, key=lambda name: -abs(taus[name]))[:DYNAMICS_SHOWN]
    return {name: taus[name] for name in strongest}
