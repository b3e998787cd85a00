"""The HTML page of a report. Everything from the data is escaped by the template."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pandas as pd
from markupsafe import Markup

from benevolent.analysis.figures import AxisPalette, RenderedFigure, format_value
from benevolent.analysis.formatting import duration
from benevolent.analysis.html import template
from benevolent.analysis.outcome_names import outcomes
from benevolent.analysis.report.configurations_table import configurations_table
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.description_tables import described_sections
from benevolent.analysis.report.descriptions import Descriptions
from benevolent.analysis.report.glossary import COLUMNS
from benevolent.analysis.report.run_views import RunViews
from benevolent.analysis.report.summary import summarize
from benevolent.trainables.store.statuses import Status

#: Most runs that did not converge that the page lists.
MAX_LISTED = 100
#: Parts of the page's script, in the order in which they run.
SCRIPTS = ("filter.js", "runs.js", "sort.js")


def page(
    report: Report,
    rendered: Sequence[RenderedFigure],
    about: Descriptions | None = None,
    views: RunViews | None = None,
) -> str:
    """Return the report as one HTML document that loads nothing; no script but its own can run.

    That script sorts and filters tables, and shows single runs.

    Args:
        report: content of the page.
        rendered: its figures.
        about: descriptions beside the verdicts, if there are any.
        views: of its runs, if there are any.
    """
    script = page_script(SCRIPTS)
    summary = summarize(report.verdicts[0]) if report.verdicts else None
    statuses = report.table["status"].value_counts().to_dict() if "status" in report.table else {}
    return template("report.html.j2").render(
        report=report,
        summary=summary,
        verdicts=report.verdicts,
        axes=_axis_values(report),
        statuses=statuses,
        facts=_facts(report),
        unconverged=_unconverged(report),
        configurations=configurations_table(report),
        sections=described_sections(about) if about else [],
        provenance=_flat(report.provenance),
        figures=rendered,
        columns=COLUMNS,
        outcomes=_outcomes(report),
        views=views,
        script=Markup(script),
        script_hash=script_hash(script),
    )


def page_script(parts: Sequence[str]) -> str:
    """Return scripts of `templates/` as one."""
    folder = resources.files("benevolent.analysis") / "templates"
    return "".join((folder / name).read_text(encoding="utf-8") for name in parts)


def script_hash(script: str) -> str:
    """Return the word that allows a script in the content security policy of a page, and no other script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _outcomes(report: Report) -> dict[str, tuple[str, str]]:
    """Return meaning and source of the outcomes in the table."""
    return {name: about for name, about in outcomes().items() if name in report.table}


def _axis_values(report: Report) -> list[tuple[str, list[str]]]:
    """Return each axis with its values, in their order."""
    rows = []
    for axis in report.axes:
        if axis in report.table:
            values = AxisPalette.of(axis, report.table[axis]).values
            rows.append((axis, [format_value(value) for value in values]))
    return rows


def _unconverged(report: Report) -> dict[str, Any]:
    """Return the runs that did not converge, each with its status and axes; `more` says how many are not listed."""
    table = report.table
    if "status" not in table or "run_id" not in table:
        return {"axes": [], "rows": [], "more": 0}
    axes = [axis for axis in report.axes if axis in table]
    runs = table[table["status"] != Status.CONVERGED]
    runs = runs.sort_values(["status", *axes], key=lambda column: column.map(str))
    rows = []
    for run in runs.head(MAX_LISTED).to_dict("records"):
        values = [format_value(run[axis]) for axis in axes]
        rows.append([str(run["run_id"]), str(run["status"]), str(run.get("seed", "")), *values])
    return {"axes": axes, "rows": rows, "more": max(0, len(runs) - MAX_LISTED)}


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return the lines of "What was run" that are known."""
    facts = _facts_of_runs(report.table) if len(report.table) else []
    facts += _training_time(report)
    facts += [("Note", note) for note in report.notes]
    for key in ("command", "started", "hardware", "versions"):
        value = report.provenance.get(key)
        if value:
            facts.append((key.capitalize(), _in_line(value)))
    return facts


def _facts_of_runs(table: pd.DataFrame) -> list[tuple[str, str]]:
    facts = []
    if "data.name" in table:
        facts.append(("Data", ", ".join(map(str, table["data.name"].dropna().unique()))))
    if "configuration" in table:
        replicates = table.groupby("configuration").size()
        fewest = replicates.min()
        most = replicates.max()
        number = str(most) if fewest == most else f"{fewest} to {most}"
        facts.append(("Replicates", f"{number} of each of {len(replicates)} configurations"))
    return facts


def _training_time(report: Report) -> list[tuple[str, str]]:
    """Return how long training took, summed over the runs and their parents."""
    if "seconds" not in report.table or report.table.empty:
        return []
    seconds = report.table["seconds"].sum()
    runs = "the runs"
    if "seconds" in report.parents and len(report.parents):
        seconds += report.parents["seconds"].sum()
        runs += f" and their {len(report.parents)} parent or teacher runs"
    return [("Training", f"{duration(seconds)}, summed over {runs}")]


def _in_line(value: Any) -> str:
    """Return a value of provenance in one line."""
    if not isinstance(value, Mapping):
        return _text(value)
    return ", ".join(f"{name} {text}" for name, text in _flat(value, dotted=False))


def _flat(value: Mapping[str, Any], dotted: bool = True) -> list[tuple[str, str]]:
    """Return nested provenance as names and texts; `dotted` names include those of the levels above."""
    rows: list[tuple[str, str]] = []
    for key, item in value.items():
        if not isinstance(item, Mapping):
            rows.append((str(key), _text(item)))
            continue
        for name, text in _flat(item, dotted):
            rows.append((f"{key}.{name}" if dotted else name, text))
    return rows


def _text(value: Any) -> str:
    """Return a value of provenance as words: a list with commas, "none" if it is empty."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
