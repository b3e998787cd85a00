"""What there is to choose from, for `bth list`: name, what it is, where it comes from."""

import inspect
import re
from collections.abc import Callable

from analysis.measures.measure import Measure
from analysis.measures.registry import MEASURES
from orchestrator.spec import bundled_sweeps
from orchestrator.study import studies
from trainables import data
from trainables.dynamics import DYNAMICS
from trainables.models import MODELS

Line = tuple[str, str, str]


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _source(builder: object) -> str:
    """Authors and years that a docstring names in its paragraph `Source: ...`."""
    paragraph = (inspect.getdoc(builder) or "").partition("Source: ")[2].partition("\n\n")[0]
    names = re.findall(r"[A-Z]\w+(?: and [A-Z]\w+| et al\.)? (?:19|20)\d\d", " ".join(paragraph.split()))
    return "; ".join(dict.fromkeys(names))


def _described(measure: Measure) -> str:
    return measure.description + (f" [on request: {measure.on_request}]" if measure.on_request else "")


CATALOGUE: dict[str, Callable[[], list[Line]]] = {
    "sweeps": lambda: [(name, what, "") for name, what in bundled_sweeps().items()],
    "studies": lambda: [
        (name, f"{one.title} [small: {one.small.takes}; paper: {one.paper.takes}]", one.source)
        for name, one in studies().items()
    ],
    "models": lambda: [(name, _first_line(builder), _source(builder)) for name, builder in MODELS.items()],
    "datasets": data.listing,
    "measures": lambda: [(name, _described(measure), measure.source) for name, measure in MEASURES.items()],
    "dynamics": lambda: [(name, *about) for name, about in DYNAMICS.items()],
}
