"""Markdown text of the pages of the reference, from the registries."""

import importlib
import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from claims_of_studies import claims_of_studies
from command_pages import commands_page
from markdown_text import escaped, table

import benevolent
from benevolent.orchestrator.cli.catalog import CATALOG
from benevolent.orchestrator.study_heading import study_headings
from benevolent.trainables.optimization.optimizers import OPTIMIZERS

MEASURES_INTRODUCTION = """\
A measure is a number that is computed from one trained network, and perhaps from data. "Complex if larger" says which
direction the literature expects for a network that generalizes worse; verdicts do not use it. Measures in the default
set are computed in every sweep; name the others in `record: {measures: [default, hessian_trace]}`, or afterwards with
`bth measure DIR --measures hessian_trace`. In a terminal, `bth list measures` prints this list.
"""
DYNAMICS_INTRODUCTION = """\
A statistic of the training path is recorded while a network trains: in a sweep, by `watch`, and by the callbacks of
Lightning and `transformers`. In a terminal, `bth list dynamics` prints this list.
"""
MODELS_INTRODUCTION = """\
Networks that can be named in `model: {family: ...}`. Their fields are [among the others](fields.md). To use a network
of your own, see [Your own network](../own-network.md).
"""
OPTIMIZERS_INTRODUCTION = """\
Values of `optimizer: {name: ...}`. The other fields of the section, such as `lr`, `schedule` and `clip`, are
[among the others](fields.md).
"""
DATA_INTRODUCTION = """\
Values of `data: {name: ...}`. Digits come with scikit-learn; the other data sets in files are downloaded by
`bth data fetch NAME`, and synthetic tasks are drawn. To use data of your own, see [Your own data](../own-data.md).
"""
FIELDS_INTRODUCTION = """\
Every field that the YAML file of a sweep can have, with its meaning, type and default. [Write a sweep](../sweep.md)
explains how they are put together. A field that does not exist, or a value of another type, is refused before anything
starts. In a terminal, `bth list fields lr` shows the fields that have a word in their name or their meaning.
"""
COLUMNS_INTRODUCTION = """\
The columns of `results.table()`, which has one row per run. See [Read results in Python](../analyze.md).
"""
STUDIES_INTRODUCTION = """\
A study asks a question of the literature again. Its rule was fixed before its runs were looked at. The claims are those
of the papers, in their words, with what came out at small scale (`benchmarks/results/studies.txt`). How to run one:
[Reproduce a figure](../reproduce-a-figure.md). What came out in general: [What the studies found](../findings.md).
"""


def reference_pages(root: Path) -> dict[str, str]:
    """Return the text of every page of the reference by its name.

    Args:
        root: folder of the repository.
    """
    return {
        "commands": commands_page(),
        "python": _python_page(),
        "fields": _fields_page(),
        "columns": _page("Columns of a table of runs", COLUMNS_INTRODUCTION, _catalog_table("columns")),
        "measures": _page("Measures", MEASURES_INTRODUCTION, _measures()),
        "dynamics": _page("Statistics of the training path", DYNAMICS_INTRODUCTION, _catalog_table("dynamics")),
        "models": _page("Networks", MODELS_INTRODUCTION, _catalog_table("models")),
        "optimizers": _page("Optimizers", OPTIMIZERS_INTRODUCTION, _optimizers()),
        "datasets": _page("Data sets", DATA_INTRODUCTION, _data_sets()),
        "studies": _page("Studies and their claims", STUDIES_INTRODUCTION, _studies(root)),
    }


def _page(title: str, introduction: str, body: str) -> str:
    return f"# {title}\n\n{introduction}\n{body}\n"


def _catalog_table(name: str) -> str:
    catalog = CATALOG[name]
    return table(catalog.headings, catalog.rows())


def _measures() -> str:
    """Return a section for each measure, so that the search finds it by its name."""
    parts = []
    for name, direction, about in CATALOG["measures"].rows():
        description, *others = about.split("\n")
        requirements = others[0][:1].upper() + others[0][1:]
        lines = [
            f"## {escaped(name)}",
            f"{escaped(description)}.",
            f"*Complex if {direction}.* {escaped(requirements)}.",
        ]
        lines += [f"Source: {escaped(source)}." for source in others[1:] if source]
        parts.append("\n\n".join(lines))
    return "\n\n".join(parts)


def _optimizers() -> str:
    return table(("name", "description"), [(name, _docstring(kind)) for name, kind in OPTIMIZERS.items()])


def _data_sets() -> str:
    """Return the table of data sets, without what depends on the machine."""
    rows = []
    for name, about, source in CATALOG["datasets"].rows():
        rows.append((name, re.sub(r", (present|absent.*)$", "", about), source))
    return table(CATALOG["datasets"].headings, rows)


def _fields_page() -> str:
    """Return a section of the page for each section of the YAML file: its meaning, then its fields."""
    parts: list[str] = []
    rows: list[Sequence[str]] = []
    for field, meaning, kind in CATALOG["fields"].rows():
        if field.startswith(" "):
            rows.append((field.strip(), meaning, kind))
            continue
        parts += _fields_table(rows)
        rows = []
        parts.append(f"## {escaped(field)}")
        parts.append(escaped(meaning))
    parts += _fields_table(rows)
    return _page("Fields of a sweep", FIELDS_INTRODUCTION, "\n\n".join(parts))


def _fields_table(rows: Sequence[Sequence[str]]) -> list[str]:
    return [table(CATALOG["fields"].headings, rows)] if rows else []


def _studies(root: Path) -> str:
    claims = claims_of_studies((root / "benchmarks/results/studies.txt").read_text(encoding="utf-8"))
    parts = []
    for study in study_headings():
        module = importlib.import_module(f"benevolent.analysis.studies.{study.name.replace('-', '_')}")
        lines = [
            f"## {study.name}",
            f"**{escaped(study.title)}**",
            escaped(study.question.strip()),
            f"Source: {escaped(study.reference)}. Small: {escaped(study.small.takes)}. "
            f"As in the paper: {escaped(study.paper.takes)}.",
        ]
        lines += _claims(claims.get(study.name, {}))
        lines += ["The rule, as it was fixed:", _quoted(module.RULE)]
        parts.append("\n\n".join(lines))
    return "\n\n".join(parts)


def _claims(groups: dict[str, list[tuple[str, str]]]) -> Iterable[str]:
    """Yield the heading and the list of each kind of claims of a study."""
    for heading, claims in groups.items():
        yield f"{heading}:"
        yield "\n".join(f"- **{decision}**: {escaped(claim)}" for decision, claim in claims)


def _quoted(text: str) -> str:
    return "\n".join(f"> {escaped(line)}".rstrip() for line in text.strip().splitlines())


def _python_page() -> str:
    """Return the page about the names of `benevolent`: signature and docstring of each."""
    parts = [
        "# Python",
        "What `from benevolent import ...` offers. [Read results in Python](../analyze.md) shows its use.",
    ]
    for name in benevolent.__all__:
        thing = getattr(benevolent, name)
        signature = str(inspect.signature(thing)).replace("benevolent.", "")
        parts.append(f"## {name}")
        parts.append(f"```python\n{name}{signature}\n```")
        parts.append(f"```text\n{inspect.getdoc(thing)}\n```")
    return "\n\n".join(parts) + "\n"


def _docstring(thing: object) -> str:
    """Return the docstring of a class for its users, in one line."""
    text = inspect.getdoc(thing) or ""
    return " ".join(text.partition("\n\nArgs:")[0].split())
