"""How early does a predictor predict? The statistics of a verdict as a function of training progress."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.results import Results
from benevolent.analysis.statistics.configurations import GroupedRuns, numeric_column
from benevolent.analysis.statistics.correlation import kendall_interval, kendall_tau
from benevolent.analysis.statistics.resampling import bootstrap_counts
from benevolent.analysis.statistics.within_configuration import WithinConfigurations
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator

#: What was known of the losses at the same time, which any other predictor has to beat.
LOSSES = ("train_loss", "validation_loss", "train_loss_extrapolated", "validation_loss_extrapolated")
FRACTIONS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
_COUNTS = ("runs", "training", "stopped", "resamples")
COLUMNS = ("view", "progress", "predictor", "kendall_tau", "low", "high", "within", *_COUNTS)
PRESENT = 0.5  # the least share of the runs still training that a predictor is read in: of fewer, nothing is said
GOING = 0.1  # the least share of all runs that still train at an epoch: fewer are runs of another kind
View = Literal["epoch", "fraction"]


def histories(results: Results) -> pd.DataFrame:
    """What was recorded of every run in its last phase, long: run_id, epoch, name, value.

    Names are the dynamics, the measures of checkpoints, and the losses on train and validation data as
    ``<split>_loss``, also as `extrapolated` sees them.
    """
    columns = ["run_id", "epoch", "name", "value"]
    nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    if "phase" not in results.runs:
        return nothing
    last = results.runs[["run_id", "phase"]].dropna()
    dynamics = results.dynamics.merge(last, on=["run_id", "phase"])
    epochs = dynamics[["run_id", "step", "epoch"]].drop_duplicates(["run_id", "step"])
    losses = results.outcomes.merge(last, on=["run_id", "phase"])
    losses = losses[(losses["name"] == "loss") & losses["split"].isin(["train", "validation"])]
    losses = losses.assign(name=losses["split"] + "_loss").merge(epochs, on=["run_id", "step"])
    measures = results.measures[results.measures["index"] == 0].merge(last, on=["run_id", "phase"])
    measures = measures.drop(columns="epoch", errors="ignore").merge(epochs, on=["run_id", "step"])
    limits = results.runs.set_index("run_id")["stop.max_epochs"]
    parts = [part[columns] for part in (dynamics, losses, measures, extrapolated(losses[columns], limits)) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else nothing  # forests have no dynamics, so no epochs


def extrapolated(losses: pd.DataFrame, limits: "pd.Series[float]") -> pd.DataFrame:
    """Every loss as a power law of the epochs through the last two records sees it at the run's limit of epochs.

    With losses l and l' at the epochs e and e' before it (both above 0), it is ``l (l / l')^k`` with
    ``k = log(limit / e) / log(e / e')``. Nothing is known where a record lacks a predecessor or a loss is not positive.

    >>> losses = pd.DataFrame({"run_id": "r", "epoch": [1, 2], "name": "train_loss", "value": [4.0, 2.0]})
    >>> extrapolated(losses, pd.Series({"r": 8}))["value"].tolist()
    [0.5]
    """
    rows = losses.sort_values(["run_id", "name", "epoch"])
    before = rows.groupby(["run_id", "name"])[["epoch", "value"]].shift(1)
    known = (before["epoch"] > 0) & (before["value"] > 0) & (rows["value"] > 0)
    rows, before = rows[known], before[known]
    now, then = rows["epoch"].astype(float), before["epoch"].astype(float)
    limit = rows["run_id"].map(limits).astype(float)
    power = np.log(limit / now) / np.log(now / then)
    with np.errstate(over="ignore"):
        value = rows["value"] * (rows["value"] / before["value"]) ** power
    return rows.assign(name=rows["name"] + "_extrapolated", value=value)


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
    """How predictors read early in training go with the outcome at its end.

    Args:
        history: from `histories`.
        table: one row per run, with run_id, target, axes, and the `epoch` at which each run stopped; runs without a
            finite target are left out.
        target: the outcome at the end.
        axes: columns that make a configuration.
        predictors: names in the history.
        view: "epoch" reads all runs after the same number of epochs, as one could while they train; runs that had
            stopped by then are left out and counted. "fraction" reads each run at a share of its own length (the last
            record by then): retrospective, since nobody knows while training when a run will stop.
        points: epochs or fractions; by default the recorded epochs that all runs share, or `FRACTIONS`.
        confidence: coverage of the intervals of tau.
        resamples: bootstrap resamples of whole configurations.
        random_seed: of the resamples.

    Returns:
        one row per point and predictor, columns `COLUMNS`: Kendall tau with its interval, the rank correlation within
        configurations, how many runs it is read in, how many still trained, how many had stopped, and from how many
        resamples the interval is. Statistics are NaN where it is read in less than `PRESENT` of those that still
        trained: these are other runs than its rivals are read in.

    Raises:
        BadInput: a column is absent, or the view unknown.
    """
    if view not in ("epoch", "fraction"):
        raise BadInput(f"view {view!r} is not one of epoch, fraction")
    table = table[np.isfinite(numeric_column(table, target, "target"))].set_index("run_id")
    numeric_column(table, "epoch", "column")
    history = history[history["run_id"].isin(table.index) & history["name"].isin(predictors)]
    ends = history["run_id"].map(table["epoch"])
    if points is None:
        points = FRACTIONS if view == "fraction" else _shared_epochs(history, ends)
    rows = []
    for point in points:
        if view == "epoch":
            there, going = history[(history["epoch"] == point) & (ends > point)], table["epoch"] > point
        else:
            there = history[history["epoch"] <= point * ends].sort_values("epoch")
            there, going = there.drop_duplicates(["run_id", "name"], keep="last"), table["epoch"] >= 0
        wide = there.pivot_table(index="run_id", columns="name", values="value", aggfunc="last")
        training = int(going.sum())
        for predictor in predictors:
            if predictor in wide:
                values = wide[predictor].dropna()
                row = (np.nan,) * 4
                if len(values) >= PRESENT * training:
                    row = _associations(values, table, target, axes, confidence, resamples, random_seed)
                counts = len(values), training, len(table) - training, resamples
                rows.append((view, point, predictor, *row, *counts))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def left_out(early: pd.DataFrame) -> str:
    """A sentence on the points at which too few runs have the predictor; empty if there are none."""
    rare = 0 if early.empty else int((early["runs"] < PRESENT * early["training"]).sum())
    which = f"less than {PRESENT:.0%} of the runs that still trained have the predictor then"
    return f"Left out are {rare:,} of {len(early):,} points, at which {which}." if rare else ""


def _shared_epochs(history: pd.DataFrame, ends: "pd.Series[float]") -> list[float]:
    """The recorded epochs after the start at which enough runs still trained, and half of those were recorded."""
    going = history[(history["epoch"] > 0) & (ends > history["epoch"])]
    counts = going.groupby("epoch")["run_id"].nunique()
    longest = ends.groupby(history["run_id"]).first()
    training = {epoch: (longest > epoch).sum() for epoch in counts.index}
    return [e for e, n in counts.items() if n >= PRESENT * training[e] and training[e] >= GOING * len(longest)]


def _associations(
    values: "pd.Series[float]",
    table: pd.DataFrame,
    target: str,
    axes: Sequence[str],
    confidence: float,
    resamples: int,
    random_seed: int,
) -> tuple[float, float, float, float]:
    """Kendall tau, its interval, and the rank correlation within configurations."""
    own = table.loc[values.index].reset_index()
    if len(own) < 3 or values.nunique() < 2 or own[target].nunique() < 2:
        return np.nan, np.nan, np.nan, np.nan
    runs = GroupedRuns.from_table(own, axes, "seed")
    x, y = values.to_numpy()[runs.order], own[target].to_numpy(dtype=float)[runs.order]
    counts = bootstrap_counts(len(runs.sizes), resamples, generator(random_seed, "bootstrap/early"))
    within = WithinConfigurations(runs, rankdata(y))
    return kendall_tau(x, y), *kendall_interval(runs, x, y, counts, confidence), within.correlation(x)


def best_early(early: pd.DataFrame, names: Sequence[str], how_many: int) -> list[str]:
    """The named predictors with the largest |tau|, averaged over the points of the view by epoch; 0 where it is NaN."""
    if early.empty:
        return []
    rows = early[early["view"] == "epoch"]
    taus = rows.pivot_table(index="predictor", columns="progress", values="kendall_tau").abs()
    strength = taus[taus.index.isin(names)].fillna(0).mean(axis=1)
    return [str(name) for name in strength.sort_values(ascending=False, kind="stable").index[:how_many]]
