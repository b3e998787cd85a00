"""Anybody's table made ready to be judged: names as text, numbers as numbers, statuses in one vocabulary."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benevolent.analysis.column_values import numbers_of
from benevolent.analysis.judging import checks
from benevolent.analysis.judging.copied_rows import without_copies
from benevolent.analysis.judging.left_out import left_out_lines, shortened_list
from benevolent.analysis.judging.match_windows import Windows
from benevolent.analysis.judging.predictors import NOT_PREDICTORS, reason_left_out
from benevolent.analysis.judging.tracker_statuses import with_known_statuses
from benevolent.analysis.statistics.axis_values import join_close_values
from benevolent.analysis.statistics.configurations import group_codes
from benevolent.analysis.statistics.lineages import LINEAGE_COLUMN, REPLICATE_COLUMN
from benevolent.trainables.errors import BadInput

#: Reason why a column is not judged that would be by default.
NOT_NAMED = "not named as a predictor"
#: Names of targets of which larger values are probably better.
ACCURACY = re.compile(r"(?<![a-z])(acc|accuracy|auc|auroc|f1|bleu|reward|score)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class ForeignTable:
    """A table of runs that can be judged, and what was changed or left out on the way.

    Attributes:
        runs: one row per run, numbered from 0; columns are named by text.
        rows: (n,) the labels that the rows had.
        target: the outcome's column.
        axes: columns that make a configuration.
        predictors: columns to judge.
        seed_column: column of the seed; it may be absent.
        independent_seeds: True if equal seeds of two configurations share no luck.
        status_column: column of the status; it may be absent.
        windows: column -> (low, high), of the runs that are compared.
        left_out: column -> the reason why it is not judged.
        notes: sentences on what was read in another way than it is written.
    """

    runs: pd.DataFrame
    rows: pd.Index
    target: str
    axes: tuple[str, ...]
    predictors: tuple[str, ...]
    seed_column: str
    independent_seeds: bool
    status_column: str
    windows: Windows
    left_out: dict[str, str]
    notes: tuple[str, ...]

    @property
    def runs_of_a_sweep(self) -> pd.DataFrame:
        """The runs with seed and status in the columns `seed` and `status`, as in a sweep's table."""
        runs = self.runs
        for own, name in ((self.seed_column, "seed"), (self.status_column, "status")):
            if own in runs and own != name:
                runs = runs.drop(columns=name, errors="ignore").rename(columns={own: name})
        return runs


def read_foreign_table(
    table: pd.DataFrame,
    target: str | int,
    axes: Sequence[str | int],
    predictors: Sequence[str | int] | None = None,
    *,
    seed_column: str | int | None = None,
    status_column: str | int | None = None,
    match: Mapping[str | int, tuple[float, float]] | None = None,
    independent_seeds: bool = False,
) -> ForeignTable:
    """Check a table and make it ready to be judged; the arguments are those of `judge`.

    Names of columns become text. Columns of text in which every value is a number become numbers. Values of an axis
    that differ by rounding only become one. Statuses of trackers become ours. In a table without seeds, rows that
    repeat others are left out.

    Raises:
        BadInput: see `judge`.

    >>> table = pd.DataFrame({0: ["8", "8", "16"], 1: ["1e-3", "na", "2,000"], "loss": [1.0, 2.0, 3.0]})
    >>> given = read_foreign_table(table, "loss", [0])
    >>> given.predictors, given.runs["1"].tolist()
    (('1',), [0.001, nan, 2000.0])
    """
    target = str(target)
    names = tuple(map(str, axes))
    table = table.set_axis(table.columns.map(str), axis="columns")
    checks.check_columns(table, seed=seed_column, status=status_column)
    seeds = "seed" if seed_column is None else str(seed_column)
    notes: list[str] = []
    statuses, table = with_known_statuses(table, status_column, notes)
    table = _with_seeds_of_lineages(table, seeds, notes)
    table = _with_numbers(table, {seeds, statuses}, notes)
    table = _with_joined_axes(table, names, notes)
    checks.check_target(table, target, statuses)
    checks.check_axes(table, target, names)
    if seeds not in table:  # else copies have equal seeds, and are refused
        table = without_copies(table, target, names, notes)
    reasons = _reasons_left_out(table, {target, seeds, statuses, *names})
    chosen = _chosen(reasons, predictors)
    checks.check_predictors(table, target, names, chosen)
    left_out = {name: reason or NOT_NAMED for name, reason in reasons.items() if name not in chosen}
    windows = {str(column): ends for column, ends in (match or {}).items()}
    if ACCURACY.search(target):
        notes.append(f"larger values of {target} count as worse; if they are better, reverse every sign")
    if independent_seeds and seeds in table:
        notes.append(f"equal values of {seeds} are taken as unrelated, as asked")
    return ForeignTable(
        runs=table.reset_index(drop=True),
        rows=table.index,
        target=target,
        axes=names,
        predictors=chosen,
        seed_column=seeds,
        independent_seeds=independent_seeds,
        status_column=statuses,
        windows=windows,
        left_out=left_out,
        notes=tuple(notes),
    )


def _with_seeds_of_lineages(table: pd.DataFrame, seeds: str, notes: list[str]) -> pd.DataFrame:
    """Give each replicate of a lineage a seed of its own, in a table that has lineages and no seeds."""
    if seeds in table or LINEAGE_COLUMN not in table:
        return table
    if REPLICATE_COLUMN not in table:
        notes.append(
            f"there is no {seeds} that says which runs of one {LINEAGE_COLUMN} share their luck: runs are taken as "
            "independent, and too much is found if they are not"
        )
        return table
    notes.append(f"there is no {seeds}: runs of one {LINEAGE_COLUMN} and {REPLICATE_COLUMN} share their luck")
    return table.assign(**{seeds: group_codes(table, [LINEAGE_COLUMN, REPLICATE_COLUMN])})


def _chosen(reasons: Mapping[str, str], predictors: Sequence[str | int] | None) -> tuple[str, ...]:
    """Return the predictors that were asked for, or else the columns that no reason leaves out."""
    if predictors is not None:
        return tuple(map(str, predictors))
    chosen = tuple(name for name, reason in reasons.items() if not reason)
    if not chosen:
        others = "; ".join(left_out_lines(reasons)) or "every column is an axis or the target"
        raise BadInput(f"no predictors: {others}")
    return chosen


def _reasons_left_out(table: pd.DataFrame, with_a_role: Collection[str]) -> dict[str, str]:
    """Return why each column is no predictor by default, an empty text if it is one."""
    others = [name for name in table.columns if name not in with_a_role]
    return {name: reason_left_out(table, name) for name in others}


def _with_numbers(table: pd.DataFrame, others: Collection[str], notes: list[str]) -> pd.DataFrame:
    """Replace columns of text in which every value is a number."""
    read = {}
    for name in table.columns:
        column = table[name]
        if name in others or name in NOT_PREDICTORS or pd.api.types.is_numeric_dtype(column):
            continue
        numbers = numbers_of(column)
        if not numbers.problem:
            read[name] = numbers.values
    texts = [name for name, values in read.items() if not np.isnan(values).all() and _has_text(table[name])]
    if texts:
        notes.append(f"text read as numbers: {shortened_list(texts)}")
    return _replaced(table, read)


def _has_text(column: "pd.Series[Any]") -> bool:
    return any(isinstance(value, str) for value in column)


def _with_joined_axes(table: pd.DataFrame, axes: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """Make values of axes equal that differ by rounding only."""
    joined = {}
    for axis in axes:
        if axis not in table:
            continue
        values = join_close_values(table[axis])
        is_changed = (values != table[axis]) & values.notna()
        if is_changed.any():
            joined[axis] = values
            first = int(np.argmax(is_changed))
            pair = f"{float(table[axis].iloc[first])!r} and {float(values.iloc[first])!r}"
            notes.append(f"axis {axis}: values that differ by rounding only are taken as one, such as {pair}")
    return _replaced(table, joined)


def _replaced(table: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return the table with other values in some columns; unlike `assign`, whatever their names are."""
    table = table.copy(deep=False)
    for name, values in columns.items():
        table[name] = values
    return table
