"""Runs that figures and descriptions of a report show."""

import pandas as pd

from benevolent.analysis.judging.match_windows import in_windows
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.trainables.store.statuses import Status


def judged_runs(table: pd.DataFrame, verdicts: Verdicts | None) -> pd.DataFrame:
    """Return the runs that were judged, without those that diverged or failed.

    Args:
        table: one row per run.
        verdicts: on one target; None if nothing was judged.
    """
    if verdicts:
        table = table[in_windows(table, verdicts.match)]
    if "status" not in table:
        return table
    shown = [Status.CONVERGED]
    if not verdicts or verdicts.scope != Status.CONVERGED:
        shown.append(Status.LIMIT)
    return table[table["status"].isin(shown)]
