"""Rows of `bth list`: names, descriptions and sources.

Each list imports the modules that know its rows when it is printed.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benevolent.analysis.measures.measure import Measure

Row = tuple[str, ...]

#: Headings of last columns that a terminal shows below the column before, to save width.
SOURCE = "source"
TYPE = "type and default"


def rows_with(rows: Sequence[Row], word: str) -> list[Row]:
    """Return the rows in which a word is, in any letter case.

    >>> rows_with([("path_norm", "a norm"), ("sharpness", "")], "Norm")
    [('path_norm', 'a norm')]
    """
    wanted = word.lower()
    return [row for row in rows if wanted in "\n".join(row).lower()]


def _fields_with(rows: Sequence[Row], word: str) -> Sequence[Row]:
    from benevolent.orchestrator.cli.field_list import fields_with

    return fields_with(rows, word)


@dataclass(frozen=True)
class Catalog:
    """A table of `bth list`; the rows are made when it is printed.

    Attributes:
        rows: makes the rows.
        headings: of the columns.
        about: what is listed, in a few words.
        choose: the rows that a word chooses.
    """

    rows: Callable[[], Sequence[Row]]
    headings: Row = ("name", "description", SOURCE)
    about: str = ""
    choose: Callable[[Sequence[Row], str], Sequence[Row]] = rows_with


def _sweeps() -> list[Row]:
    from benevolent.orchestrator.spec.bundled_sweeps import bundled_sweeps

    return [(name, description) for name, description in bundled_sweeps().items()]


def _studies() -> list[Row]:
    from benevolent.orchestrator.study_heading import study_headings

    rows: list[Row] = []
    for study in study_headings():
        effort = f"small: {study.small.takes}; paper: {study.paper.takes}"
        rows.append((study.name, f"{study.title}\n{effort}", study.reference))
    return rows


def _models() -> list[Row]:
    from benevolent.trainables import plugins
    from benevolent.trainables.models import MODELS

    plugins.load()
    rows: list[Row] = []
    for name, builder in MODELS.items():
        docstring = inspect.getdoc(builder) or ""
        rows.append((name, docstring.partition("\n")[0], _sources(docstring)))
    return rows


def _sources(docstring: str) -> str:
    """Return the authors and years in the paragraph `Source: ...` of a docstring.

    >>> _sources("A network. Source: Loukas et al. 2021, section 4, after LeCun 1998.")
    'Loukas et al. 2021; LeCun 1998'
    """
    paragraph = docstring.partition("Source: ")[2].partition("\n\n")[0]
    references = re.findall(r"[A-Z]\w+(?: and [A-Z]\w+| et al\.)? (?:19|20)\d\d", " ".join(paragraph.split()))
    return "; ".join(dict.fromkeys(references))


def _data_sets() -> list[Row]:
    from benevolent.trainables import data, plugins

    plugins.load()
    return [*data.listing()]


def _measures() -> list[Row]:
    from benevolent.analysis.measures.registry import MEASURES

    return [_measure(measure) for measure in MEASURES.values()]


def _measure(measure: "Measure") -> Row:
    """Return the row of a measure; requirements and source share a cell with the description, which needs the width."""
    direction = "larger" if measure.direction > 0 else "smaller"
    requirements = [requirement.name for requirement in measure.requires]
    if measure.split != "none":
        requirements.insert(0, f"{measure.split} data")
    if measure.stochastic:
        requirements.append("random numbers (record.draws)")
    in_default_set = f"no: {measure.opt_in}" if measure.opt_in else "yes"
    lines = (
        measure.description,
        f"requires: {', '.join(requirements) or 'nothing'}; in the default set: {in_default_set}",
        measure.source,
    )
    return measure.name, direction, "\n".join(lines)


def _dynamics() -> list[Row]:
    from benevolent.trainables.training.dynamics_names import DYNAMICS

    return [(name, *description_and_source) for name, description_and_source in DYNAMICS.items()]


def _columns() -> list[Row]:
    from benevolent.orchestrator.cli.column_list import column_rows

    return list(column_rows())


def _fields() -> list[Row]:
    from benevolent.orchestrator.cli.field_list import field_rows

    return list(field_rows())


CATALOG: dict[str, Catalog] = {
    "sweeps": Catalog(_sweeps, ("name", "description"), about="sweeps that come with the package"),
    "studies": Catalog(_studies, ("name", "question, and time it takes", SOURCE), about="questions of the literature"),
    "models": Catalog(_models, about="families of networks, for `model: {family: ...}`"),
    "datasets": Catalog(_data_sets, about="data sets and synthetic tasks, for `data: {name: ...}`"),
    "measures": Catalog(
        _measures,
        ("name", "complex if", "description, requirements, source"),
        about="numbers computed from a trained network, for `record: {measures: [...]}`",
    ),
    "dynamics": Catalog(_dynamics, about="statistics of the training path"),
    "fields": Catalog(
        _fields,
        ("field", "meaning", TYPE),
        about="everything that a sweep's file may say",
        choose=_fields_with,
    ),
    "columns": Catalog(_columns, ("column", "unit", "meaning", SOURCE), about="columns of the tables of results"),
}
