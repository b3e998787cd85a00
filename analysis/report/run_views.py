"""Views of single runs: the data of the page's table of runs and of its view of one run, within a bound of bytes."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benevolent.analysis.figures import MANY_POINTS, format_value
from benevolent.analysis.formatting import MISSING, in_words, status_text
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.run_columns import RunColumns, run_columns
from benevolent.analysis.report.run_curves import page_curves, rounded, run_curves
from benevolent.trainables.store import paths

#: Most bytes of these data in a page: about those of its figures.
MOST_BYTES = 2_000_000
#: Records of each phase that a curve keeps, and whether predictors are kept: the first that fits the bound is taken.
LEVELS = ((64, True), (16, True), (8, True), (8, False), (0, False))
#: Runs from which the bytes of all are estimated, about.
SAMPLED = 200
#: Name of the table of curves among `tables/*.csv`, and of that of runs.
CURVES = "curves"
RUNS = "runs"


@dataclass(frozen=True)
class RunViews:
    """Data of the views of runs.

    Attributes:
        data: for the page's script; JSON without anything that could end its element.
        count: number of runs that have a view.
        example: a condition that the table of runs can be filtered by.
        left_out: sentences on what the page leaves out, and where it is; empty if it is whole.
        tables: the whole tables behind the views, by their name.
    """

    data: str
    count: int
    example: str
    left_out: str
    tables: dict[str, pd.DataFrame]

    @property
    def has_curves(self) -> bool:
        """True if losses were recorded during training."""
        return CURVES in self.tables and len(self.tables[CURVES]) > 0


def run_views(report: Report, most_bytes: int = MOST_BYTES) -> RunViews | None:
    """Return the views of a report's runs; None without runs.

    Curves are thinned first, then predictors are left out, then runs, until the data fit.

    Args:
        report: whose runs are shown: those of the table, best first, then those that failed, then parents.
        most_bytes: bound on the data.
    """
    table = _all_runs(report)
    if table.empty:
        return None
    columns = run_columns(report, table)
    curves = run_curves(report.dynamics, report.outcomes)
    level = LEVELS[-1]
    for level in LEVELS:
        if _estimated_bytes(report, table, columns, curves, *level) <= most_bytes:
            break
    points, with_predictors = level
    data = _encoded(report, table, columns, curves, points, with_predictors)
    shown = table
    while len(data) > most_bytes and len(shown) > 1:
        shown = shown.head(max(1, int(0.9 * len(shown) * most_bytes / len(data))))
        data = _encoded(report, shown, columns, curves, points, with_predictors)
    tables = {RUNS: table, CURVES: curves} if report.from_sweep else {}
    left_out = _left_out(curves, points, with_predictors, len(table), len(shown), report.from_sweep)
    return RunViews(data, len(shown), _example(table, columns), left_out, tables)


def _estimated_bytes(
    report: Report,
    table: pd.DataFrame,
    columns: RunColumns,
    curves: pd.DataFrame,
    points: int,
    with_predictors: bool,
) -> float:
    """Return about how many bytes the data of all runs take, from some of them, spread evenly."""
    some = table.iloc[:: max(1, len(table) // SAMPLED)]
    of_none = len(_encoded(report, table.head(0), columns, curves, points, with_predictors))
    of_some = len(_encoded(report, some, columns, curves, points, with_predictors))
    return of_none + (of_some - of_none) * len(table) / len(some)


def _all_runs(report: Report) -> pd.DataFrame:
    """Return the runs that the page shows, those with the smallest outcome first, each with an id."""
    table = report.table
    if table.empty:
        return table
    target = report.verdicts[0].target if report.verdicts else "test_loss"
    if target in table:
        table = table.iloc[pd.to_numeric(table[target], errors="coerce").argsort(kind="stable")]
    others = [part for part in (report.failed, report.parents) if len(part)]
    table = pd.concat([table, *others]) if others else table
    if "run_id" not in table:
        run_ids = pd.Series(table.index.astype(str), index=table.index, name="run_id")
        table = pd.concat([table, run_ids], axis=1)
    return table.drop_duplicates("run_id").reset_index(drop=True)


def _encoded(
    report: Report,
    table: pd.DataFrame,
    columns: RunColumns,
    curves: pd.DataFrame,
    points: int,
    with_predictors: bool,
) -> str:
    """Return the data of runs as JSON."""
    predictors = columns.predictors if with_predictors else []
    values = {}
    for name in dict.fromkeys([*columns.axes, *columns.fields, *columns.about, *columns.outcomes, *predictors]):
        values[name] = _cells(name, table[name], name in columns.axes or name in columns.fields)
    run_ids = [str(run_id) for run_id in table["run_id"]]
    data: dict[str, Any] = {
        "ids": run_ids,
        "listed": columns.listed,
        "axes": columns.axes,
        "fields": columns.fields,
        "fixed": {name: format_value(value) for name, value in columns.fixed.items()},
        "outcomes": columns.outcomes,
        "predictors": predictors,
        "decisions": _decisions(report.verdicts[0]) if report.verdicts else {},
        "values": values,
        "curves": page_curves(curves, run_ids, points),
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _cells(name: str, column: "pd.Series[Any]", is_field: bool) -> list[Any]:
    if is_field:
        return [
            MISSING if pd.api.types.is_scalar(value) and pd.isna(value) else format_value(value)
            for value in column.tolist()
        ]
    if name == "status":
        return [status_text(str(value)) for value in column.tolist()]
    if pd.api.types.is_float_dtype(column) and name in ("seed", "replicate", "step"):
        column = column.astype("Int64")
    return rounded(column)


def _field_text(value: object) -> str:
    """Return the value of a field, a dash where the run has none."""
    is_missing = value is None or value is pd.NA or value != value
    return MISSING if is_missing else format_value(value)


def _example(table: pd.DataFrame, columns: RunColumns) -> str:
    """Return a condition on an outcome that about half of the runs meet."""
    for name in columns.outcomes:
        middle = pd.to_numeric(table[name], errors="coerce").median()
        if pd.notna(middle):
            return f"{in_words(name)} < {middle:.2g}"
    return ""


def _decisions(verdicts: Verdicts) -> dict[str, str]:
    """Return the decision on each predictor."""
    return {verdict.predictor: f"{verdict.mark} {verdict.label}".strip() for verdict in verdicts}


def _left_out(curves: pd.DataFrame, points: int, with_predictors: bool, runs: int, shown: int, from_sweep: bool) -> str:
    """Return sentences on what the page does not hold, and where it is."""
    sentences = []
    if runs > MANY_POINTS:
        sentences.append(f"Points of figures with more than {MANY_POINTS:,} of them lead to no view.")
    beside = f"{paths.CSV_TABLES}/{RUNS}.csv" if from_sweep else "the table itself"
    if runs > shown:
        sentences.append(f"{runs - shown:,} more runs are only in {beside}.")
    if not with_predictors:
        sentences.append(f"The predictors of each run are only in {beside}.")
    longest = 0 if curves.empty else curves.groupby(["run_id", "phase"])["step"].nunique().max()
    if longest > points:
        thinned = f"Curves show at most {points} of up to {longest:,} records of a phase"
        what = thinned if points else "Curves are left out"
        sentences.append(f"{what}; {paths.CSV_TABLES}/{CURVES}.csv has all.")
    if sentences:
        sentences.append("So the page stays small.")
    return " ".join(sentences)
