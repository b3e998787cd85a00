"""Scopes: the sets of runs of a table that are judged, and a count of the runs that each leaves out."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.judging.match_windows import Windows, in_windows, windows_text
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.noise_ceiling import measured_outcome, measurement_variance
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.statuses import UNFINISHED, Status

Scope = Literal["converged", "all", "both"]
SCOPES: tuple[Scope, ...] = ("converged", "all", "both")


class ScopeRuns(NamedTuple):
    """Runs of one scope.

    Attributes:
        name: "converged" or "all".
        runs: rows of the table, with the target as it is judged here: in "all", diverged runs have the worst.
        excluded: how many rows of the table are left out, by reason.
    """

    name: str
    runs: pd.DataFrame
    excluded: dict[str, int]


def scopes_of(
    table: pd.DataFrame, target: str, scope: Scope, status_column: str, windows: Windows
) -> Iterator[ScopeRuns]:
    """Yield the scopes that are asked for, the one that decides first.

    Args:
        table: one row per run, with unique row labels. Without a status column all runs are in the scope "all".
        target: the outcome; runs without it are left out.
        scope: "converged", "all", or "both".
        status_column: name of the column of statuses.
        windows: column -> (low, high), of the runs that are compared.

    Raises:
        BadInput: the scope is unknown, or no run lies in the windows.
    """
    if scope not in SCOPES:
        raise BadInput(f"scope {scope!r} is not one of {', '.join(SCOPES)}")
    inside = in_windows(table, windows)
    if not inside.any():
        raise BadInput(f"match {windows_text(windows)}: no run lies there")
    for name, candidates in _candidates(table, target, scope, status_column):
        excluded = _count_excluded(table, candidates, target, status_column)
        runs = candidates[inside[candidates.index]]
        if len(runs) < len(candidates):
            excluded["not matched"] = len(candidates) - len(runs)
        yield ScopeRuns(name, runs, excluded)


def _candidates(
    table: pd.DataFrame, target: str, scope: Scope, status_column: str
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each scope's name and its runs before matching."""
    values = numeric_column(table, target, "target")
    if status_column not in table.columns:
        yield "all", table[~np.isnan(values)]
        return
    status = table[status_column]
    if scope != "all":
        yield "converged", table[(status == Status.CONVERGED) & ~np.isnan(values)]
    if scope != "converged":
        worst = table.assign(**{target: np.where(status == Status.DIVERGED, np.inf, values)})
        yield "all", worst[~status.isin(UNFINISHED) & worst[target].notna()]


def _count_excluded(table: pd.DataFrame, judged: pd.DataFrame, target: str, status_column: str) -> dict[str, int]:
    """Count the rows that a scope leaves out, by their status or for lack of a target."""
    others = table[~table.index.isin(judged.index)]
    if status_column in table:
        reason = others[status_column].map(str)
    else:
        reason = pd.Series("", index=others.index, dtype=object)
    lacks_target = others[target].isna() & ~reason.isin([Status.DIVERGED, *UNFINISHED])
    reason = reason.where(~lacks_target, f"without {target}")
    counts = reason.value_counts().sort_index()
    return {str(name): int(count) for name, count in counts.items()}


def missing_ceiling(runs: pd.DataFrame, target: str, test_size: int | None) -> str:
    """Explain why test-set noise has no ceiling though its size is known; empty if it has one, or no size."""
    if test_size is None or runs.empty:
        return ""
    variance = measurement_variance(runs, target, test_size)
    if not np.isnan(variance).all():
        return ""
    measured = measured_outcome(target)
    if measured not in runs:
        reason = f"no column {measured}"
    elif "error" in measured:
        reason = f"{measured} leaves [0, 1]"
    else:
        reason = f"no column {measured}_variance (variance of the loss of one example)"
    return f"no ceiling for test-set noise: {reason}"
