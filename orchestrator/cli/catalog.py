"""What there is to choose from, for `bth list`: name, what it is, where it comes from.

Of a measure also whether more or less of it means a more complex network, whether it is computed unasked, and what it
needs.
"""

import inspect
import re
from collections.abc import Callable, Sequence

from benevolent.analysis.measures.measure import Measure
from benevolent.analysis.measures.registry import MEASURES
from benevolent.orchestrator.spec.sweep_spec import bundled_sweeps
from benevolent.orchestrator.study import studies
from benevolent.trainables import data
from benevolent.trainables.models import MODELS
from benevolent.trainables.training.dynamics import DYNAMICS

Line = tuple[str, ...]


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _source(builder: object) -> str:
    """Authors and years that a docstring names in its paragraph `Source: ...`."""
    paragraph = (inspect.getdoc(builder) or "").partition("Source: ")[2].partition("\n\n")[0]
    names = re.findall(r"[A-Z]\w+(?: and [A-Z]\w+| et al\.)? (?:19|20)\d\d", " ".join(paragraph.split()))
    return "; ".join(dict.fromkeys(names))


def _measure(measure: Measure) -> Line:
    """What it is, what it needs and its source are lines of one cell: in columns of their own they would be narrow."""
    direction = "larger" if measure.direction > 0 else "smaller"
    needs = [] if measure.split == "none" else [f"{measure.split} data"]
    needs += [requirement.name for requirement in measure.requires]
    unasked = f"no: {measure.opt_in}" if measure.opt_in else "yes"
    about = f"{measure.description}\nneeds: {', '.join(needs) or 'nothing'}; by default: {unasked}\n{measure.source}"
    return measure.name, direction, about


#: The heads of the columns, where they are not the common ones.
HEADS = {"measures": ("name", "complex if", "what; what it needs; source")}
COMMON = ("name", "what", "source")

CATALOG: dict[str, Callable[[], Sequence[Line]]] = {
    "sweeps": lambda: [(name, what, "") for name, what in bundled_sweeps().items()],
    "studies": lambda: [
        (name, f"{one.title} [small: {one.small.takes}; paper: {one.paper.takes}]", one.source)
        for name, one in studies().items()
    ],
    "models": lambda: [(name, _first_line(builder), _source(builder)) for name, builder in MODELS.items()],
    "datasets": data.listing,
    "measures": lambda: [_measure(measure) for measure in MEASURES.values()],
    "dynamics": lambda: [(name, *about) for name, about in DYNAMICS.items()],
}
