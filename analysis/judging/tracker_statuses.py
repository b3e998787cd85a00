"""Statuses of runs in the tables of experiment trackers, in the words that are used here."""

import pandas as pd

from benevolent.analysis.judging import checks
from benevolent.analysis.judging.left_out import shortened_list
from benevolent.trainables.store.statuses import Status

#: Statuses in the tables of trackers (MLflow, Weights & Biases), in lower case, and what they are here.
TRACKER_STATUSES = {
    "finished": Status.CONVERGED,
    "completed": Status.CONVERGED,
    "crashed": Status.FAILED,
    "killed": Status.FAILED,
    "running": Status.TO_DO,
    "scheduled": Status.TO_DO,
}


#: Stands for the name of a column of statuses where the table has none.
NO_STATUS = "(no column of statuses)"


def with_known_statuses(
    table: pd.DataFrame, status_column: str | int | None, notes: list[str]
) -> tuple[str, pd.DataFrame]:
    """Return the name of the column of statuses, and the table with statuses in our words.

    Args:
        table: one row per run.
        status_column: its column of statuses. A column `status` that nobody named, without any status that is known
            here, means something else.
        notes: where a sentence is added if statuses were read as others, or not read.

    Raises:
        BadInput: a status is unknown.
    """
    name = "status" if status_column is None else str(status_column)
    if name not in table:
        return NO_STATUS, table
    given = table[name].map(str)
    known = {**TRACKER_STATUSES, **{status.value: status for status in Status}}
    read = given.str.strip().str.lower().map(known)
    if status_column is None and read.isna().all():
        notes.append(f"column {name!r} has no status that is known here, such as {given.iloc[0]!r}: every row counts")
        return NO_STATUS, table
    if read.isna().any():
        checks.refuse_status(name, given[read.isna()].min())
    changed = dict(zip(given[given != read], read[given != read], strict=True))
    if changed:
        readings = [f"{word!r} as {status}" for word, status in changed.items()]
        notes.append(f"{name}: read {shortened_list(readings)}")
    table = table.copy(deep=False)
    table[name] = read
    return name, table
