"""One run of a results folder as trackers see it: a configuration, final numbers, and their history."""

import importlib
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd

from benevolent.analysis.results import Results
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import ENDED
from benevolent.trainables.store.table_schemas import field_types

#: Columns that say what a run is, and are not part of its configuration.
TAGS = ("run_id", "configuration", "lineage", "replicate", "cohort_id", "role", "status", "phase", "parent", "teacher")
#: Characters of a run's name that may say how its configuration differs.
LONGEST_NAME = 120


class ExportCount(NamedTuple):
    """Counts of the runs that an export has written, and of those that were there already."""

    written: int
    present: int


@dataclass(frozen=True)
class ExportedRun:
    """A run that has ended.

    Attributes:
        run_id: identifies the run, in every export.
        name: what distinguishes its configuration from the others of the folder, and its replicate.
        config: every field that has a value, by its dotted name.
        tags: what else a run is: its configuration, lineage, status, ...
        summary: outcomes and predictors at its end, without missing ones.
        history: `step`, `epoch`, `name` and `value` of everything that was recorded, in the order of training. Names of
            an earlier phase than the last one begin with it, as `pretrain/path_length`, since steps count anew in each.
    """

    run_id: str
    name: str
    config: dict[str, Any]
    tags: dict[str, str]
    summary: dict[str, float]
    history: pd.DataFrame


def exported_runs(results: Results) -> Iterator[ExportedRun]:
    """Yield every run that has ended, those that others start from among them.

    Raises:
        BadInput: no run has ended.
    """
    table = results.table(parents=True)
    if table.empty or not table["status"].isin(ENDED).any():
        raise BadInput(f"{results.folders[0].uri}: no run has ended, so there is nothing to export")
    ended = table[table["status"].isin(ENDED)]
    fields = config_columns(results, ended)
    varied = [field for field in fields if field != "seed" and ended[field].nunique(dropna=False) > 1]
    numbers = _number_columns(ended, fields)
    history = _history(results)
    histories = dict(iter(history.groupby("run_id", sort=False)))
    for row in ended.to_dict("records"):
        yield _exported(row, fields, varied, numbers, histories.get(row["run_id"], history.iloc[:0]))


def config_columns(results: Results, table: pd.DataFrame) -> list[str]:
    """Return the columns of a wide table that are fields of a configuration, in its order."""
    named = {*field_types(), *results.cohorts.watched_fields}
    return [column for column in table if column in named or str(column).startswith("model.")]


def imported(package: str, tracker: str) -> ModuleType:
    """Import the package of a tracker.

    Raises:
        BadInput: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        install = "pip install 'benevolent[export]'"
        raise BadInput(f"--to {tracker}: the package {package} is not installed; {install}") from None


def _number_columns(table: pd.DataFrame, fields: Sequence[str]) -> list[str]:
    others = table.drop(columns=[*fields, *TAGS], errors="ignore")
    return list(others.select_dtypes("number").columns)


def _history(results: Results) -> pd.DataFrame:
    """Return everything that was recorded during training, long; names of earlier phases begin with the phase."""
    outcomes = results.outcomes.assign(name=results.outcomes["split"] + "_" + results.outcomes["name"])
    epochs = results.dynamics[["run_id", "phase", "step", "epoch"]].drop_duplicates(["run_id", "phase", "step"])
    outcomes = outcomes.drop(columns="split").merge(epochs, on=["run_id", "phase", "step"], how="left")
    long = pd.concat([results.dynamics, outcomes], ignore_index=True).dropna(subset=["value"])
    last_phase = long["run_id"].map(results.runs.set_index("run_id")["phase"])
    is_earlier = long["phase"] != last_phase
    long["name"] = long["name"].mask(is_earlier, long["phase"] + "/" + long["name"])
    return long.sort_values(["run_id", "step"], kind="stable")


def _exported(
    row: dict[Hashable, Any],
    fields: Sequence[str],
    varied: Sequence[str],
    numbers: Sequence[str],
    history: pd.DataFrame,
) -> ExportedRun:
    config = {field: row[field] for field in fields if not pd.isna(row[field])}
    tags = {tag: str(row[tag]) for tag in TAGS if tag in row and not pd.isna(row[tag])}
    summary = {name: float(row[name]) for name in numbers if not math.isnan(row[name])}
    parts = [f"{field}={_shown(row[field])}" for field in varied if not pd.isna(row[field])]
    number = row.get("replicate", row.get("seed"))
    name = ", ".join(parts)[:LONGEST_NAME] or str(row["run_id"])
    if number is not None and not pd.isna(number):
        name += f" #{number:.0f}"
    return ExportedRun(str(row["run_id"]), name, config, tags, summary, history)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
