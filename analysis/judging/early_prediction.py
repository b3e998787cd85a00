"""Early prediction: the statistics of a verdict as a function of training progress."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benevolent.analysis.judging.final_outcome import UNDEFINED, FinalOutcome
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.trainables.errors import BadInput

FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
#: Smallest fraction of the runs still training that must have a predictor at a point; with fewer, nothing is estimated.
MINIMUM_PRESENT = 0.5
#: Smallest fraction of all runs that must still train at an epoch; fewer are runs of another kind.
MINIMUM_TRAINING = 0.1
View = Literal["epoch", "fraction"]
VIEWS: tuple[View, ...] = ("epoch", "fraction")


class EarlyPoint(NamedTuple):
    """One row of the table of `early_prediction`.

    Attributes:
        view: "epoch" or "fraction".
        progress: the epoch, or the fraction of the run's own length.
        predictor: name in the history.
        kendall_tau: Kendall rank correlation with the outcome at the end.
        low: lower end of its bootstrap interval.
        high: upper end of its bootstrap interval.
        within: rank correlation within configurations.
        runs: number of runs that have the predictor at this point.
        training: number of runs that still trained.
        stopped: number of runs that had stopped by then.
        resamples: number of bootstrap resamples of whole lineages.
    """

    view: str
    progress: float
    predictor: str
    kendall_tau: float
    low: float
    high: float
    within: float
    runs: int
    training: int
    stopped: int
    resamples: int


@threadpool_limits.wrap(limits=1)  # as in `judge`
def early_prediction(
    history: pd.DataFrame,
    table: pd.DataFrame,
    target: str,
    axes: Sequence[str],
    predictors: Sequence[str],
    *,
    view: View = "epoch",
    points: Sequence[float] | None = None,
    confidence: float = 0.95,
    resamples: int = 300,
    random_seed: int = 0,
) -> pd.DataFrame:
    """Correlate predictors read early in training with the outcome at its end.

    Args:
        history: from `analysis.judging.histories.run_histories`.
        table: one row per run, with run_id, target, axes, and the `epoch` at which each run stopped; runs without a
            finite target are left out.
        target: the outcome at the end.
        axes: columns that make a configuration.
        predictors: names in the history.
        view: "epoch" reads all runs after the same number of epochs, as one could while they train; runs that had
            stopped by then are left out and counted. "fraction" reads each run at a fraction of its own length (the
            last record by then): retrospective, since nobody knows while training when a run will stop.
        points: epochs or fractions; by default the recorded epochs that enough runs share, or `FRACTIONS`.
        confidence: coverage of the intervals of tau.
        resamples: bootstrap resamples of whole lineages.
        random_seed: seed of the resamples.

    Returns:
        one row per point and predictor, the fields of `EarlyPoint`. Statistics are NaN where less than
        `MINIMUM_PRESENT` of the runs still training have the predictor: these are other runs than its rivals have.

    Raises:
        BadInput: a column is absent, or the view unknown.
    """
    if view not in VIEWS:
        raise BadInput(f"view {view!r} is not one of {', '.join(VIEWS)}")
    table = table[np.isfinite(numeric_column(table, target, "target"))].set_index("run_id").sort_index()
    numeric_column(table, "epoch", "column")
    history = history.astype({"run_id": "category", "name": "category"})  # smaller than text, and faster to compare
    history = history[history["run_id"].isin(table.index) & history["name"].isin(predictors)]
    last_epochs = history["run_id"].map(table["epoch"]).astype(float)
    if points is None:
        points = FRACTIONS if view == "fraction" else _shared_epochs(history, last_epochs)
    rows = []
    outcomes: dict[bytes, FinalOutcome] = {}  # by the runs that have the predictor
    for point in points:
        if view == "epoch":
            records = history[(history["epoch"] == point) & (last_epochs > point)]
            training = int((table["epoch"] > point).sum())
        else:
            records = history[history["epoch"] <= point * last_epochs].sort_values("epoch")
            records = records.drop_duplicates(["run_id", "name"], keep="last")
            training = int((table["epoch"] >= 0).sum())
        wide = records.pivot_table(index="run_id", columns="name", values="value", aggfunc="last", observed=True)
        wide = wide.reindex(table.index)
        for predictor in predictors:
            if predictor not in wide:
                continue
            values = wide[predictor].to_numpy(dtype=float)
            present = ~np.isnan(values)
            runs = int(present.sum())
            associations = UNDEFINED
            if runs >= MINIMUM_PRESENT * training:
                key = present.tobytes()
                if key not in outcomes:
                    outcomes[key] = FinalOutcome(table[present], target, axes, resamples, random_seed)
                associations = outcomes[key].associations(values[present], confidence)
            stopped = len(table) - training
            rows.append(EarlyPoint(view, point, predictor, *associations, runs, training, stopped, resamples))
    return pd.DataFrame(rows, columns=list(EarlyPoint._fields))


def early_prediction_views(
    history: pd.DataFrame, table: pd.DataFrame, target: str, axes: Sequence[str], predictors: Sequence[str]
) -> pd.DataFrame:
    """Return the table of `early_prediction` of both views, with its defaults."""
    return pd.concat([early_prediction(history, table, target, axes, predictors, view=view) for view in VIEWS])


def rare_points_text(early: pd.DataFrame) -> str:
    """Return a sentence on the points that too few runs have the predictor at; empty if there are none."""
    if early.empty:
        return ""
    rare = int((early["runs"] < MINIMUM_PRESENT * early["training"]).sum())
    if not rare:
        return ""
    return (
        f"{rare:,} of {len(early):,} points are left out, at which less than {MINIMUM_PRESENT:.0%} of the runs still "
        "training have the predictor."
    )


def strongest_early(early: pd.DataFrame, names: Sequence[str], count: int) -> list[str]:
    """Return the named predictors with the largest mean |tau| over the points of the view by epoch.

    Args:
        early: table from `early_prediction`; a missing tau counts as 0.
        names: predictors to choose from.
        count: how many to return at most.
    """
    if early.empty:
        return []
    rows = early[early["view"] == "epoch"]
    taus = rows.pivot_table(index="predictor", columns="progress", values="kendall_tau").abs()
    strength = taus[taus.index.isin(names)].fillna(0).mean(axis=1)
    strongest = strength.sort_values(ascending=False, kind="stable").index[:count]
    return [str(name) for name in strongest]


def _shared_epochs(history: pd.DataFrame, last_epochs: "pd.Series[float]") -> list[float]:
    """Return the epochs after the start at which enough runs still trained, and enough of those were recorded."""
    running = history[(history["epoch"] > 0) & (last_epochs > history["epoch"])]
    recorded = running.groupby("epoch")["run_id"].nunique()
    length_of_run = last_epochs.groupby(history["run_id"], observed=True).first()
    epochs = []
    for epoch, count in recorded.items():
        training = (length_of_run > epoch).sum()
        if count >= MINIMUM_PRESENT * training and training >= MINIMUM_TRAINING * len(length_of_run):
            epochs.append(epoch)
    return epochs
