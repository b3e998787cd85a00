"""A report as files: rendered by a pure function, written by whoever owns the folder."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from benevolent.analysis.figures.exported_figure import Format, export_figure
from benevolent.analysis.figures.rendered_figure import RenderedFigure
from benevolent.analysis.judging.verdicts import verdicts_json
from benevolent.analysis.report.configurations_table import best_configuration, configurations_of
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.description_tables import described_sections
from benevolent.analysis.report.descriptions import Descriptions, describe
from benevolent.analysis.report.export import parquet
from benevolent.analysis.report.gallery import gallery
from benevolent.analysis.report.page import page
from benevolent.analysis.report.run_views import RunViews, run_views
from benevolent.trainables.store import paths


def render(report: Report, figure_formats: Sequence[Format] = ()) -> dict[str, bytes]:
    """Return the report's files: relative path -> content. The same report gives the same bytes.

    ``index.html`` needs nothing beside it: figures are inline SVG, and its one script sorts and filters tables and
    shows single runs, whose data are in the page as far as `run_views` has room for them.
    ``figures/*.svg`` are the same figures for a paper; a figure that lacks its data is left out, and the page
    says what it lacks. ``verdicts.json``, ``table.parquet`` and ``tables/*.csv`` are the numbers behind them.

    Args:
        report: what to show.
        figure_formats: formats in which figures are made too, each with the data that it draws as CSV beside it.
    """
    files = {paths.VERDICTS: verdicts_json(report.verdicts), paths.TABLE: parquet(report.table)}
    single_scopes = []
    for verdicts in report.verdicts:
        single_scopes += verdicts.by_scope()
    report = replace(report, table=_comparable(report.table, report.axes), verdicts=single_scopes)
    about = describe(report)
    rendered = gallery(report, about)
    files |= {paths.figure(figure.name): figure.svg for figure in rendered if figure.svg}
    for file_format in figure_formats:
        files |= _exported(rendered, file_format)
    views = run_views(report)
    files |= _tables(report, about, views)
    files[paths.DESCRIPTIONS] = _in_words(report, about)
    files[paths.PAGE] = page(report, rendered, about, views).encode()
    return files


def _exported(rendered: Sequence[RenderedFigure], file_format: Format) -> dict[str, bytes]:
    """Return the figures in a format, and what they draw as CSV."""
    files = {}
    for figure in rendered:
        if figure.draw is not None:
            document, data = export_figure(figure.draw, file_format)
            files[paths.figure(figure.name, file_format)] = document
            files[paths.figure(figure.name, "csv")] = data
    return files


def _in_words(report: Report, about: Descriptions | None) -> bytes:
    """Return the sentences that stand beside the verdicts, by their heading, as JSON."""
    words: dict[str, str] = {}
    best = best_configuration(report)
    if best:
        words["Best configuration"] = best
    for section in described_sections(about) if about else ():
        words[section.heading] = " ".join(section.sentences)
    return json.dumps(words, indent=2, ensure_ascii=False).encode() + b"\n"


def _tables(report: Report, about: Descriptions | None, views: RunViews | None) -> dict[str, bytes]:
    """Return the tables of the page as CSV files, without those that are empty."""
    tables = {"configurations": configurations_of(report)}
    if about is not None:
        tables["selection"] = about.selection
        tables["fragility"] = about.fragility
        tables["redundancy"] = about.members()
    if views is not None:
        tables |= views.tables
    files = {}
    for name, table in tables.items():
        if len(table):
            files[f"{paths.CSV_TABLES}/{name}.csv"] = table.to_csv(index=False).encode()
    return files


def _comparable(table: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Return the table with the values of an axis that holds lists (such as layer widths) as text."""
    lists = [axis for axis in axes if axis in table and table[axis].map(pd.api.types.is_list_like).any()]
    return table.assign(**{axis: table[axis].map(str, na_action="ignore") for axis in lists})
