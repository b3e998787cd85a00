"""Pages of studies: one for each study, and one that shows all of them. Files are made by pure functions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benevolent.analysis.figures import RenderedFigure
from benevolent.analysis.html import template
from benevolent.analysis.report.digests import file_digests, unchanged
from benevolent.analysis.report.export import parquet
from benevolent.analysis.studies import Finding, StudyAnswer
from benevolent.analysis.studies.shared.findings import MARKS
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder


def render(about: Mapping[str, Any], answer: StudyAnswer, inputs: Any) -> dict[str, bytes]:
    """Return the files of a study, relative path -> content, `answer.json` last.

    Args:
        about: the study, its rule, its sweeps as run, their provenance.
        answer: from the study's analysis.
        inputs: description of everything the answer was made from; see `read_inputs`.
    """
    page = template("study.html.j2").render(about=about, answer=answer, marks=MARKS)
    files = {paths.figure(figure.name): figure.svg for figure in answer.figures if figure.svg}
    files[paths.NUMBERS] = parquet(answer.numbers)
    files[paths.PAGE] = page.encode()
    data: dict[str, Any] = {"inputs": inputs, "files": file_digests(files)}
    data["findings"] = [finding._asdict() for finding in answer.findings]
    data["notes"] = list(answer.notes)
    data["figures"] = [_stored_figure(figure) for figure in answer.figures]
    files[paths.ANSWER] = (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()
    return files


def read_inputs(folder: Folder) -> Any:
    """Return the description of what the answer in a folder was made from; None without a whole answer."""
    try:
        data = folder.read_json(paths.ANSWER)
        read(folder)
        return data["inputs"] if unchanged(folder, data["files"]) else None
    except (BadInput, LookupError, TypeError, AttributeError):
        return None


def read(folder: Folder) -> StudyAnswer:
    """Return the answer in a folder, without the numbers behind it and without its tables.

    Raises:
        BadInput: there is no answer, or this version did not write it.
    """
    data = folder.read_json(paths.ANSWER)
    try:
        findings = [_read_finding(values) for values in data["findings"]]
        figures = [_read_figure(folder, values) for values in data["figures"]]
        return StudyAnswer(findings, figures, pd.DataFrame(), data["notes"])
    except (LookupError, TypeError) as error:
        raise BadInput(
            f"{folder.uri}/{paths.ANSWER}: damaged, or written by another version; run the study again"
        ) from error


def _read_finding(values: Mapping[str, Any]) -> Finding:
    finding = Finding(**values)
    texts = (finding.claim, finding.evidence, finding.paper, finding.reason, finding.explanation)
    if finding.decision not in MARKS or not all(isinstance(text, str) for text in texts):
        raise TypeError("not a finding")
    return finding


def _stored_figure(figure: RenderedFigure) -> dict[str, Any]:
    """Return what is stored of a figure beside its file; `_read_figure` reads it."""
    texts = {"name": figure.name, "title": figure.title, "caption": figure.caption, "reason": figure.reason}
    return texts | {"svg": bool(figure.svg)}


def _read_figure(folder: Folder, values: Mapping[str, Any]) -> RenderedFigure:
    svg = folder.read(paths.figure(values["name"])) if values["svg"] else b""
    return RenderedFigure(**{**values, "svg": svg})


def index(studies: Sequence[tuple[Any, StudyAnswer]], scale: str) -> bytes:
    """Return one page of all studies, by paper: their questions, findings and first figures.

    Args:
        studies: each with `name`, `title`, `question`, `source` (the paper) and `parts`, and its answer.
        scale: at which they were run.
    """
    findings = [finding for _, answer in studies for finding in answer.findings]
    headline = StudyAnswer(findings, [], pd.DataFrame()).headline
    by_paper: dict[str, list[tuple[Any, StudyAnswer]]] = {}
    for study, answer in studies:
        by_paper.setdefault(study.source, []).append((study, answer))
    page = template("studies.html.j2").render(papers=by_paper, headline=headline, scale=scale, marks=MARKS)
    return page.encode()
