"""The plan of a sweep in its results folder: `plan/runs-<n>.parquet` and `plan/cohorts-<n>.parquet`.

Every pair of files is the whole plan as it was asked for at that time. The last one says which runs are wanted, and in
which role; the earlier ones still describe runs that were trained and are no longer wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from benevolent.trainables.errors import damaged
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.table_schemas import planned_cohorts, planned_runs

if TYPE_CHECKING:
    import pandas as pd


def plan_numbers(results: Folder) -> list[int]:
    """Return the numbers of the plans in a results folder, in the order in which they were written."""
    names = results.names(paths.PLAN)
    numbers = [paths.plan_number(name) for name in names]
    return sorted(number for number in numbers if number is not None)


def tables_of_plan(number: int) -> tuple[str, str]:
    """Return the paths of the two tables of a plan."""
    return paths.plan_runs(number), paths.plan_cohorts(number)


def write_plan(results: Folder, runs: pd.DataFrame, cohorts: pd.DataFrame) -> None:
    """Write a plan beside the earlier ones, unless it equals the last one; the table of runs is written last.

    Args:
        results: the results folder.
        runs: one row per run; categorical columns are written as plain ones.
        cohorts: one row per cohort.
    """
    numbers = plan_numbers(results)
    tables = {"runs": planned_runs(runs), "cohorts": planned_cohorts(cohorts)}
    if numbers:
        last = numbers[-1]
        same_cohorts = results.read_table(paths.plan_cohorts(last)).equals(tables["cohorts"])
        if same_cohorts and results.read_table(paths.plan_runs(last)).equals(tables["runs"]):
            return
    number = max(numbers, default=0) + 1
    results.write_table(paths.plan_cohorts(number), tables["cohorts"])
    results.write_table(paths.plan_runs(number), tables["runs"])


def tables_of_runs(results: Folder, last_only: bool = False) -> list[pa.Table]:
    """Return the tables of runs of all plans, the newest first, or only the newest.

    Raises:
        BadInput: one is damaged.
    """
    numbers = sorted(plan_numbers(results), reverse=True)
    return [_table_of_runs(results, paths.plan_runs(number)) for number in (numbers[:1] if last_only else numbers)]


def _table_of_runs(results: Folder, path: str) -> pa.Table:
    table = results.read_table(path)
    for field in table.schema:
        if pa.types.is_nested(field.type):
            raise damaged(f"{results.uri}/{path}", f"{field.name} has values that are lists or mappings")
    return table
