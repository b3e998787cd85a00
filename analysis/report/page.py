"""The HTML page of a report. Everything from the data is escaped by the template."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup

from benevolent.analysis.figures import AxisPalette, RenderedFigure, format_value
from benevolent.analysis.formatting import duration
from benevolent.analysis.html import template
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.glossary import COLUMNS, OUTCOMES
from benevolent.analysis.report.summary import summarize
from benevolent.trainables.store.statuses import Status

#: Of the runs that did not converge.
LISTED = 100


def page(report: Report, plates: Sequence[RenderedFigure]) -> str:
    """Return the report as one HTML document that loads nothing; its one script sorts tables, no other can run."""
    script = (resources.files("benevolent.analysis") / "templates" / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return template("report.html.j2").render(
        report=report,
        summary=summarize(report.verdicts[0]) if report.verdicts else None,
        verdicts=report.verdicts,
        axes=_axis_rows(report),
        statuses=report.table["status"].value_counts().to_dict() if "status" in report.table else {},
        facts=_facts(report),
        unconverged=_unconverged(report),
        provenance=_flat(report.provenance),
        figures=plates,
        columns=COLUMNS,
        outcomes=OUTCOMES,
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )


def _axis_rows(report: Report) -> list[tuple[str, list[str]]]:
    known = [axis for axis in report.axes if axis in report.table]
    encodings = [AxisPalette.of(axis, report.table[axis]) for axis in known]
    return [(encoding.axis, [format_value(value) for value in encoding.values]) for encoding in encodings]


def _unconverged(report: Report) -> dict[str, Any]:
    """Return the runs that did not converge, each with its status and axes; `more` says how many are not listed."""
    table = report.table
    if "status" not in table or "run_id" not in table:
        return {"axes": [], "rows": [], "more": 0}
    axes = [axis for axis in report.axes if axis in table]
    rows = table[table["status"] != Status.CONVERGED].sort_values(["status", *axes], key=lambda column: column.map(str))
    cells = [
        [str(row["run_id"]), str(row["status"]), str(row.get("seed", "")), *(format_value(row[axis]) for axis in axes)]
        for row in rows.head(LISTED).to_dict("records")
    ]
    return {"axes": axes, "rows": cells, "more": max(0, len(rows) - LISTED)}


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return the lines of "What was run" that are known."""
    table, source = report.table, report.provenance
    facts = []
    if "data.name" in table and len(table):
        facts.append(("Data", ", ".join(map(str, table["data.name"].dropna().unique()))))
    if "seed" in table and len(table):
        facts.append(("Seeds", str(table["seed"].nunique())))
    if "seconds" in table and len(table):
        seconds, over = table["seconds"].sum(), "the runs"
        if "seconds" in report.parents and len(report.parents):
            seconds += report.parents["seconds"].sum()
            over += f" and the {len(report.parents)} that they start from"
        facts.append(("Training", f"{duration(seconds)}, summed over {over}"))
    facts += [("Note", note) for note in report.notes]
    for key in ("command", "started", "hardware", "versions"):
        value = source.get(key)
        if value:
            parts = _flat(value, prefix=False) if isinstance(value, Mapping) else [("", _text(value))]
            facts.append((key.capitalize(), ", ".join(f"{name} {text}".strip() for name, text in parts)))
    return facts


def _flat(value: Mapping[str, Any], prefix: bool = True) -> list[tuple[str, str]]:
    """Return nested provenance as (dotted) names and texts."""
    rows: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            rows += [(f"{key}.{name}" if prefix else name, text) for name, text in _flat(item, prefix)]
        else:
            rows.append((str(key), _text(item)))
    return rows


def _text(value: Any) -> str:
    """Return a value of provenance as words: a list with commas, "none" if it is empty."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
