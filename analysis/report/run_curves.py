"""Training curves of single runs: losses and errors at every record, whole as a table and thinned for the page."""

from typing import Any

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")
#: Significant digits of the numbers in the page; the tables beside it have all.
DIGITS = 4


def run_curves(dynamics: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return loss and error of every run at every record.

    Args:
        dynamics: long; it knows the epoch of each phase and step.
        outcomes: long, with the losses and errors of the splits.

    Returns:
        `run_id, phase, step, epoch, split, loss, error`, in the order of training. Empty if nothing was recorded.
    """
    kept = outcomes[outcomes["name"].isin(["loss", "error"])] if len(outcomes) else outcomes
    if kept.empty:
        return pd.DataFrame()
    place = ["run_id", "phase", "step"]
    order = kept["phase"].drop_duplicates().tolist()
    rows = kept.drop_duplicates([*place, "split", "name"], keep="last")
    wide = rows.set_index([*place, "split", "name"])["value"].unstack("name").reset_index()
    epochs = dynamics[[*place, "epoch"]].drop_duplicates(place) if "epoch" in dynamics else pd.DataFrame(columns=place)
    wide = wide.merge(epochs, on=place, how="left")
    wide = wide.reindex(columns=[*place, "epoch", "split", "loss", "error"])
    rank = wide["phase"].map({phase: number for number, phase in enumerate(order)})
    return wide.assign(rank=rank).sort_values(["run_id", "rank", "step"], kind="stable").drop(columns="rank")


def page_curves(curves: pd.DataFrame, run_ids: list[str], points: int) -> dict[str, Any]:
    """Return the losses of runs as the page holds them.

    Args:
        curves: from `run_curves`.
        run_ids: of the runs, in the order of the page.
        points: most records of a phase that are kept, the first and the last one among them; 0: no curves.

    Returns:
        `phases`: their names; `splits`; and `runs`: for each run its phases, each as its number in `phases`, its
        epochs, and one list of losses for each split (null where nothing was recorded).
    """
    drawn: list[list[Any]] = [[] for _ in run_ids]
    curves = curves[curves["run_id"].isin(run_ids)] if len(curves) else curves
    if curves.empty or points < 2:
        return {"phases": [], "splits": list(SPLITS), "runs": drawn}
    phases = list(dict.fromkeys(curves["phase"]))
    place = ["run_id", "phase", "step"]
    losses = curves.set_index([*place, "split"])["loss"].unstack("split").reindex(columns=list(SPLITS))
    records = curves.drop_duplicates(place).merge(losses.reset_index(), on=place)
    epochs = rounded(records["epoch"].where(records["epoch"].notna(), records["step"]))
    columns = [epochs, *(rounded(records[split]) for split in SPLITS)]
    number_of = {run_id: number for number, run_id in enumerate(run_ids)}
    for (run_id, phase), rows in records.groupby(["run_id", "phase"], sort=False).indices.items():
        if str(run_id) in number_of:
            kept = rows[_spread(len(rows), points)].tolist()
            curve = [[column[row] for row in kept] for column in columns]
            drawn[number_of[str(run_id)]].append([phases.index(phase), *curve])
    return {"phases": [str(phase) for phase in phases], "splits": list(SPLITS), "runs": drawn}


def _spread(count: int, points: int) -> np.ndarray:
    """Return the positions of records that are kept, spread evenly, the first and the last one among them.

    >>> _spread(3, 5).tolist(), _spread(9, 3).tolist()
    ([0, 1, 2], [0, 4, 8])
    """
    if count <= points:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, points).round().astype(int))


def rounded(values: "pd.Series[Any]") -> list[Any]:
    """Return values for the page: numbers with few digits, missing and infinite ones as null, others as text.

    >>> rounded(pd.Series([0.123456, float("nan"), 3.0]))
    [0.1235, None, 3]
    """
    return [_rounded(value) for value in values.tolist()]


def _rounded(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, int):
        return value
    if not isinstance(value, float):
        return None if value is None or value is pd.NA else str(value)
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
