"""Headings of studies: what the beginning of each file says, without the sweeps below it."""

import functools
import re
from importlib import resources
from typing import Any

from benevolent.orchestrator.spec import yaml_text
from benevolent.trainables.config.base import Section

#: Name in `changes` that stands for all sweeps of a study.
EVERY = "every"
#: The keys that end the heading: the sweeps of a study, or those of others that it reads.
BODY = re.compile(r"^(sweeps|reads):", re.MULTILINE)


class ScaleChanges(Section):
    """Duration at a scale, in words, and new values of each sweep by dotted keys."""

    takes: str
    changes: dict[str, dict[str, Any]] = {}

    def of_sweep(self, name: str) -> dict[str, Any]:
        """Return the changes of one sweep, with those of every sweep."""
        return {**self.changes.get(EVERY, {}), **self.changes.get(name, {})}


class StudyHeading(Section):
    """The question of a study, where it comes from, and how long it takes; `orchestrator.study` has the fields."""

    name: str
    title: str
    source: str
    parts: str = ""
    question: str
    small: ScaleChanges
    paper: ScaleChanges
    alone: bool = False

    @property
    def reference(self) -> str:
        """Citation of the paper with what of it is studied."""
        return f"{self.source}, {self.parts}" if self.parts else self.source


@functools.cache
def study_texts() -> dict[str, str]:
    """Return the YAML text of every study by the name of its file; those that read the runs of others come last."""
    folder = resources.files("benevolent.orchestrator") / "studies"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    reading_last = sorted(names, key=lambda name: _body(texts[name])[1] == "reads")
    return {name: texts[name] for name in reading_last}


def study_headings() -> list[StudyHeading]:
    """Return the headings of all studies; nothing below them is read, which would take three times as long.

    >>> study_headings()[0].name
    'batchnorm-landscape'
    """
    headings = []
    for name, text in study_texts().items():
        heading = text[: _body(text).start()]
        headings.append(StudyHeading.parse(yaml_text.loads(heading), name))
    return headings


def _body(text: str) -> re.Match[str]:
    """Return the match of the key that ends the heading of a study."""
    match = BODY.search(text)
    if match is None:
        raise ValueError("a study has `sweeps` or `reads`, after everything else")
    return match
