"""One row per run from long tables: last outcomes, and predictors at the end or at an epoch."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from benevolent.trainables.errors import BadInput

#: What a row of a long table is about: the run, and where in its training.
PLACE = ["run_id", "phase", "step"]


def widen(long: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run with a column for every `name`, from columns `run_id`, `name` and `value`.

    >>> widen(pd.DataFrame({"run_id": ["a", "a"], "name": ["x", "y"], "value": [1.0, 2.0]})).to_dict("list")
    {'run_id': ['a'], 'x': [1.0], 'y': [2.0]}
    """
    wide = long.pivot_table(index="run_id", columns="name", values="value", aggfunc="last", dropna=False)
    return wide.reset_index().rename_axis(columns=None)


def ends_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the place where each run ended; no place for runs that have not."""
    if "phase" not in runs:
        return runs[["run_id"]].assign(phase="", step=-1)
    return runs[PLACE].copy()


def outcomes_at(outcomes: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Return `run_id` and `<split>_<name>` for every run at its place.

    Args:
        outcomes: long.
        places: `run_id`, `phase` and `step`.
    """
    there = outcomes.merge(places, on=PLACE)
    return widen(there.assign(name=there["split"] + "_" + there["name"]))


def last_outcomes(outcomes: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return `run_id` and `<split>_<name>` of every run that has ended, with the gaps of its last phase."""
    if "phase" not in runs or outcomes.empty:
        return pd.DataFrame({"run_id": pd.Series(dtype=str)})
    wide = outcomes_at(outcomes, runs[PLACE])
    if len(wide):
        with np.errstate(invalid="ignore"):  # both losses of a diverged run may be infinite
            for gap, name in (("gap", "error"), ("loss_gap", "loss")):
                if {f"test_{name}", f"train_{name}"} <= {*wide}:  # watched runs have what their loops say
                    wide[gap] = wide[f"test_{name}"] - wide[f"train_{name}"]
    return wide


def predictors_at(
    dynamics: pd.DataFrame, measures: pd.DataFrame, places: pd.DataFrame, taken: Collection[object] = ()
) -> pd.DataFrame:
    """Return a column for every dynamics statistic and measure, one row per run.

    A measure with several values per network has columns `name[index]`.

    Args:
        dynamics: long.
        measures: long.
        places: `run_id`, `phase` and `step` of every run.
        taken: names of the columns that these are to stand beside.

    Raises:
        BadInput: a statistic or a measure has one of those names.
    """
    measures = measures.merge(places, on=PLACE)
    vectors = measures.loc[measures["index"] > 0, "name"].unique()
    with_index = measures["name"] + "[" + measures["index"].astype(str) + "]"
    names = measures["name"].where(~measures["name"].isin(vectors), with_index)
    columns = ["run_id", "name", "value"]
    of_dynamics = dynamics.merge(places, on=PLACE)[columns]
    of_measures = measures.assign(name=names)[columns]
    long = pd.concat([of_dynamics, of_measures])
    for name in long["name"].unique():
        if name in taken:
            raise BadInput(f"a statistic or measure has the name {name!r}, which is that of a column of `results.runs`")
    return widen(long)


def places_at_epoch(dynamics: pd.DataFrame, runs: pd.DataFrame, epoch: float) -> pd.DataFrame:
    """Return the place after an epoch of the last phase, of every run that was still training.

    Raises:
        BadInput: nothing was recorded there.
    """
    records = dynamics[[*PLACE, "epoch"]].drop_duplicates()
    if "epoch" in runs:
        ends = runs.dropna(subset=["epoch"])[["run_id", "phase", "epoch"]]
        if len(ends):
            records = records.merge(ends, on=["run_id", "phase"], suffixes=("", "_end"))
            records = records[records["epoch"] < records["epoch_end"]]
    recorded = sorted(set(records["epoch"]))
    if epoch not in recorded:
        raise BadInput(f"at = {epoch}: recorded epochs are {', '.join(f'{known:g}' for known in recorded)}")
    return records.loc[records["epoch"] == epoch, PLACE]


def as_known_at(runs: pd.DataFrame, outcomes: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Return runs with the train and validation outcomes that were known at some places, instead of the last ones.

    Test outcomes and gaps stay those of the end: they are what is predicted.
    """
    known = outcomes_at(outcomes[outcomes["split"] != "test"], places)
    late = [name for name in runs if name in ("epoch", "step") or str(name).startswith(("train_", "validation_"))]
    return runs.drop(columns=late).merge(known, on="run_id", how="left")
