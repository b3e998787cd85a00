"""The pages of studies: one for each, and one that shows all of them. Files, made by pure functions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benevolent.analysis.figures import RenderedFigure
from benevolent.analysis.html import template
from benevolent.analysis.report.digests import file_digests, unchanged
from benevolent.analysis.report.export import parquet
from benevolent.analysis.studies.shared.answer import Answer, Finding
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder

#: Findings and figures as data, written last: its presence means that the page is whole.
ANSWER = "answer.json"
MARKS = {"holds": "●", "does not hold": "×", "undecided": "○"}


def render(about: Mapping[str, Any], answer: Answer, inputs: Any) -> dict[str, bytes]:
    """The files of a study: relative path -> content, `answer.json` last.

    Args:
        about: the study, its rule, its sweeps as run, where they come from.
        answer: what its analysis said.
        inputs: what it was made from; see `made_from`.
    """
    page = template("study.html.j2").render(about=about, answer=answer, marks=MARKS)
    files = {
        **{f"figures/{plate.name}.svg": plate.svg for plate in answer.plates if plate.svg},
        "numbers.parquet": parquet(answer.numbers),
        paths.PAGE: page.encode(),
    }
    data = {
        "inputs": inputs,
        "files": file_digests(files),
        "findings": [finding._asdict() for finding in answer.findings],
        "notes": list(answer.notes),
        "figures": [plate._replace(svg=b"")._asdict() | {"svg": bool(plate.svg)} for plate in answer.plates],
    }
    return {**files, ANSWER: (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()}


def made_from(folder: Folder) -> Any:
    """What the answer in a folder was made from; None if there is none that is whole."""
    try:
        known = folder.read_json(ANSWER)
        read(folder)
        return known["inputs"] if unchanged(folder, known["files"]) else None
    except (BadInput, LookupError, TypeError, AttributeError):
        return None


def read(folder: Folder) -> Answer:
    """The answer in a folder, without the numbers behind it.

    Raises:
        BadInput: there is none, or one that this version did not write.
    """
    data = folder.read_json(ANSWER)
    try:
        findings = [Finding(**one) for one in data["findings"]]
        if not all(one.decision in MARKS and isinstance(one.claim + one.ours + one.paper, str) for one in findings):
            raise TypeError("findings")
        plates = [
            RenderedFigure(**one | {"svg": folder.read(f"figures/{one['name']}.svg") if one["svg"] else b""})
            for one in data["figures"]
        ]
        return Answer(findings, plates, pd.DataFrame(), data["notes"])
    except (LookupError, TypeError) as error:
        raise BadInput(f"{folder.uri}/{ANSWER}: damaged, or of another version; run the study again") from error


def index(studies: Sequence[tuple[Any, Answer]], scale: str) -> bytes:
    """One page of all studies: what each asks, what it found beside the paper's numbers, and its figures."""
    page = template("studies.html.j2")
    together = Answer([finding for _, answer in studies for finding in answer.findings], [], pd.DataFrame())
    return page.render(studies=studies, headline=together.headline, scale=scale, marks=MARKS).encode()
