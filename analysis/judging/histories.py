"""Histories of runs: everything recorded while their last phase trained, by epoch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.results import Results

COLUMNS = ("run_id", "epoch", "name", "value")
#: Losses in a history that any other predictor has to beat: on train and validation data, then and extrapolated.
LOSS_HISTORIES = ("train_loss", "validation_loss", "train_loss_extrapolated", "validation_loss_extrapolated")


def run_histories(results: Results, splits: Sequence[str] = ("train", "validation")) -> pd.DataFrame:
    """Return what was recorded of every run in its last phase, long: run_id, epoch, name, value.

    Names are the dynamics, the measures of checkpoints, and the losses of some splits, also extrapolated (by default
    `LOSS_HISTORIES`). Forests have no epochs, so nothing.

    Args:
        results: with the runs.
        splits: whose losses to return; those of a test split predict nothing, but can be drawn.
    """
    empty = pd.DataFrame({name: pd.Series(dtype=object) for name in COLUMNS})
    if "phase" not in results.runs:
        return empty
    last_phase = results.runs[["run_id", "phase"]].dropna()
    dynamics = results.dynamics.merge(last_phase, on=["run_id", "phase"])
    epochs = dynamics[["run_id", "step", "epoch"]].drop_duplicates(["run_id", "step"])
    losses = _losses(results, last_phase, epochs, splits)
    measures = results.measures[results.measures["index"] == 0].merge(last_phase, on=["run_id", "phase"])
    measures = measures.drop(columns="epoch", errors="ignore").merge(epochs, on=["run_id", "step"])
    tables = [dynamics, losses, measures]
    if "stop.max_epochs" in results.runs:  # only their loops know it of watched runs
        last_epochs = results.runs.set_index("run_id")["stop.max_epochs"]
        tables.append(extrapolated_losses(losses, last_epochs))
    recorded = [table[list(COLUMNS)] for table in tables if len(table)]
    return pd.concat(recorded, ignore_index=True) if recorded else empty


def _losses(results: Results, last_phase: pd.DataFrame, epochs: pd.DataFrame, splits: Sequence[str]) -> pd.DataFrame:
    """Return the losses of some splits as rows of a history."""
    outcomes = results.outcomes.merge(last_phase, on=["run_id", "phase"])
    losses = outcomes[(outcomes["name"] == "loss") & outcomes["split"].isin(splits)]
    losses = losses.assign(name=losses["split"] + "_loss")
    return losses.merge(epochs, on=["run_id", "step"])[list(COLUMNS)]


def extrapolated_losses(losses: pd.DataFrame, last_epochs: "pd.Series[float]") -> pd.DataFrame:
    """Continue every loss to the run's last allowed epoch by a power law of the epoch through its last two records.

    With losses l and l' at the epochs e and e' before it (both above 0), it is ``l (l / l')^k`` with
    ``k = log(limit / e) / log(e / e')``. A record without a predecessor, or with a loss that is not positive, has none.

    Args:
        losses: a history of losses.
        last_epochs: run_id -> the largest epoch that the run may reach.

    >>> losses = pd.DataFrame({"run_id": "r", "epoch": [1, 2], "name": "train_loss", "value": [4.0, 2.0]})
    >>> extrapolated_losses(losses, pd.Series({"r": 8}))["value"].tolist()
    [0.5]
    """
    rows = losses.sort_values(["run_id", "name", "epoch"])
    previous = rows.groupby(["run_id", "name"])[["epoch", "value"]].shift(1)
    usable = (previous["epoch"] > 0) & (previous["value"] > 0) & (rows["value"] > 0)
    rows = rows[usable]
    previous = previous[usable]
    epoch = rows["epoch"].astype(float)
    previous_epoch = previous["epoch"].astype(float)
    limit = rows["run_id"].map(last_epochs).astype(float)
    power = np.log(limit / epoch) / np.log(epoch / previous_epoch)
    with np.errstate(over="ignore"):
        value = rows["value"] * (rows["value"] / previous["value"]) ** power
    return rows.assign(name=rows["name"] + "_extrapolated", value=value)
