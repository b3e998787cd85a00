"""Views of single runs: the data of the page's table of runs and of its view of one run, within a bound of bytes."""

from dataclasses import dataclass

import pandas as pd

from benevolent.analysis.figures import MANY_POINTS
from benevolent.analysis.formatting import in_words
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.run_columns import RunColumns, run_columns
from benevolent.analysis.report.run_curves import run_curves
from benevolent.analysis.report.run_data import Detail, RunData
from benevolent.trainables.store import paths

#: Most bytes of these data in a page: about those of its figures.
MOST_BYTES = 2_000_000
#: Names of the tables of curves and of runs among `tables/*.csv`.
CURVES = "curves"
RUNS = "runs"
#: Tried in this order; the first one whose data fit is taken.
DETAILS = (Detail(64, True), Detail(16, True), Detail(8, True), Detail(8, False), Detail(0, False))


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
    runs = RunData(columns, curves, report.verdicts)
    detail = DETAILS[-1]
    expected = 0.0
    for detail in DETAILS:
        expected = runs.estimated_bytes(table, detail)
        if expected <= most_bytes:
            break
    shown = _fitting(table, expected, most_bytes)
    data = runs.encoded(shown, detail)
    while len(data) > most_bytes and len(shown) > 1:
        shown = _fitting(shown, len(data), most_bytes)
        data = runs.encoded(shown, detail)
    more = len(table) - len(shown)
    left_out = _left_out(len(table), more, detail, _most_records(curves), report.from_sweep)
    tables = {RUNS: table, CURVES: curves} if report.from_sweep else {}
    return RunViews(data, len(shown), _example(table, columns), left_out, tables)


def _fitting(table: pd.DataFrame, size: float, most_bytes: int) -> pd.DataFrame:
    """Return the first rows of a table, as many as fit if all of it takes `size` bytes, and at least one."""
    if size <= most_bytes:
        return table
    return table.head(max(1, int(0.9 * len(table) * most_bytes / size)))


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


def _example(table: pd.DataFrame, columns: RunColumns) -> str:
    """Return a condition on an outcome that about half of the runs meet."""
    for name in columns.outcomes:
        middle = pd.to_numeric(table[name], errors="coerce").median()
        if pd.notna(middle):
            return f"{in_words(name)} < {middle:.2g}"
    return ""


def _left_out(runs: int, more: int, detail: Detail, most_records: int, from_sweep: bool) -> str:
    """Return sentences on what the page does not hold, and where it is.

    Args:
        runs: number of all runs.
        more: number of those that the page does not hold.
        detail: what it holds of the others.
        most_records: the most records of a phase that a run has.
        from_sweep: True if there are tables beside the page.
    """
    sentences = []
    if runs > MANY_POINTS:
        sentences.append(f"Points of figures with more than {MANY_POINTS:,} of them lead to no view.")
    beside = f"{paths.CSV_TABLES}/{RUNS}.csv" if from_sweep else "the table itself"
    if more:
        sentences.append(f"{more:,} more runs are only in {beside}.")
    if not detail.predictors:
        sentences.append(f"The predictors of each run are only in {beside}.")
    if most_records > detail.points:
        thinned = f"Curves show at most {detail.points} of up to {most_records:,} records of a phase"
        what = thinned if detail.points else "Curves are left out"
        sentences.append(f"{what}; {paths.CSV_TABLES}/{CURVES}.csv has all.")
    if sentences:
        sentences.append("So the page stays small.")
    return " ".join(sentences)


def _most_records(curves: pd.DataFrame) -> int:
    """Return the most records of a phase that a run has."""
    if curves.empty:
        return 0
    records = curves.groupby(["run_id", "phase"])["step"].nunique()
    return int(records.max())
