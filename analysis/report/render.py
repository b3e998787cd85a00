"""A report as files: rendered by a pure function, written by whoever owns the folder."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from benevolent.analysis.judging.text import by_scope
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.export import parquet, verdicts_json
from benevolent.analysis.report.gallery import gallery
from benevolent.analysis.report.page import page
from benevolent.trainables.store import paths


def render(report: Report) -> dict[str, bytes]:
    """Return the report's files: relative path -> content. The same report gives the same bytes.

    ``index.html`` needs nothing beside it: figures are inline SVG, and its one script sorts tables.
    ``figures/*.svg`` are the same figures for a paper; a figure that lacks its data is left out, and the page
    says what it lacks. ``verdicts.json`` and ``table.parquet`` are the numbers behind them.
    """
    verdicts = [part for frame in report.verdicts for part in by_scope(frame)]
    files = {paths.VERDICTS: verdicts_json(verdicts), paths.TABLE: parquet(report.table)}
    report = replace(report, table=_comparable(report.table, report.axes), verdicts=verdicts)
    plates = gallery(report)
    files |= {f"figures/{plate.name}.svg": plate.svg for plate in plates if plate.svg}
    return {**files, paths.PAGE: page(report, plates).encode()}


def _comparable(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return the table with the values of an axis that holds lists (such as layer widths) as text."""
    lists = [axis for axis in axes if axis in table and table[axis].map(pd.api.types.is_list_like).any()]
    return table.assign(**{axis: table[axis].map(str, na_action="ignore") for axis in lists})
