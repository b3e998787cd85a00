"""Runs as the plans of results folders describe them."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from benevolent.analysis.united_tables import united
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.plan_files import tables_of_runs
from benevolent.trainables.store.statuses import Role

#: Columns of a plan that say how runs were planned, not what they are.
PLANNING_COLUMNS = ("cohort_id", "generation", "flops")


def planned_runs(folders: Sequence[Folder], runs: pd.DataFrame, manifest: Callable[[str], Manifest]) -> pd.DataFrame:
    """Return role, configuration and every field of runs: from the last plan that has a run.

    Runs of no plan, such as those of loops that `watch` has recorded, are described by their manifest.

    Args:
        folders: the results folders.
        runs: `run_id` and `role` of all runs.
        manifest: returns the manifest of the cohort that a run is read from.
    """
    plans: list[pa.Table] = []
    for folder in folders:
        plans += tables_of_runs(folder)
    in_plans = set[str]().union(*(table["run_id"].to_pylist() for table in plans))
    rest = runs.loc[~runs["run_id"].isin(in_plans), ["run_id", "role"]]
    rows = [_from_manifest(manifest(run_id), run_id, role) for run_id, role in rest.itertuples(index=False)]
    if rows:
        names = dict.fromkeys(itertools.chain.from_iterable(rows))
        plans.append(pa.table({name: _column([row.get(name) for row in rows]) for name in names}))
    planned = united(plans, ("run_id", "role")).drop_duplicates("run_id")
    return planned.drop(columns=[name for name in PLANNING_COLUMNS if name in planned])


def wanted_runs(folders: Sequence[Folder]) -> pd.DataFrame:
    """Return the runs that are wanted now, as the last plan of each folder has them."""
    last_plans: list[pa.Table] = []
    for folder in folders:
        last_plans += tables_of_runs(folder, last_only=True)
    return united(last_plans, ("run_id", "role"))


def first_replicates(folder: Folder, most: int) -> set[str]:
    """Return the ids of the first replicates, so many at most, of every configuration that an axis names."""
    wanted = wanted_runs([folder])
    named = wanted[wanted["role"] == Role.RUN].sort_values("replicate")
    place = named.groupby("configuration").cumcount()
    return set(named.loc[place < most, "run_id"])


def watched_roles(manifests: Sequence[Manifest]) -> pd.DataFrame:
    """Return `run_id` and `role` of the runs that `watch` has recorded: no plan has them, and all are wanted."""
    runs = [manifest.runs[0] for manifest in manifests if manifest.watched]
    return pd.DataFrame({"run_id": [run.run_id for run in runs], "role": [run.role for run in runs]}).drop_duplicates()


def _from_manifest(manifest: Manifest, run_id: str, role: str) -> dict[str, Any]:
    """Return the row that a plan would have for a run."""
    if not manifest.watched:
        return _described(manifest.config(run_id), role)
    values = manifest.runs[0].values
    configuration = values["configuration"]
    row = {"run_id": run_id, "configuration": configuration, "lineage": configuration, "role": role}
    row |= {"parent": None, "teacher": None, "replicate": values["seed"], "seed": values["seed"]}
    return row | values["config"]


def _column(values: list[Any]) -> list[Any]:
    """Return values of one type: numbers, or else text, which a user's values of several types become."""
    known = [value for value in values if value is not None]
    is_text = any(isinstance(value, str) for value in known)
    is_truth = any(isinstance(value, bool) for value in known)
    is_number = any(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    if is_text + is_truth + is_number < 2:
        return values
    return [None if value is None else str(value) for value in values]


def _described(config: RunConfig, role: str) -> dict[str, Any]:
    """Return the row that a plan would have for a run whose seed was given: then the seed is its replicate's number."""
    row: dict[str, Any] = {
        "run_id": config.run_id,
        "configuration": config.configuration,
        "lineage": config.lineage,
        "role": role,
    }
    for name in ("parent", "teacher"):
        relative: RunConfig | None = getattr(config, name)
        row[name] = None if relative is None else relative.run_id
    return {**row, "replicate": config.seed, **config.flat()}
