"""What there is to choose from, for `bth list`: name, what it is, where it comes from."""

import inspect
from collections.abc import Callable

from analysis.measures.registry import MEASURES
from orchestrator.spec import bundled_sweeps
from trainables import data
from trainables.dynamics import DYNAMICS
from trainables.models import MODELS

Line = tuple[str, str, str]


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


CATALOGUE: dict[str, Callable[[], list[Line]]] = {
    "sweeps": lambda: [(name, what, "") for name, what in bundled_sweeps().items()],
    "studies": lambda: [],
    "models": lambda: [(name, _first_line(builder), "") for name, builder in MODELS.items()],
    "datasets": data.listing,
    "measures": lambda: [(name, measure.description, measure.source) for name, measure in MEASURES.items()],
    "dynamics": lambda: [(name, *about) for name, about in DYNAMICS.items()],
}
