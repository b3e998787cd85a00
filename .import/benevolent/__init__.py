"""benevolent: find out by experiment what the training of a neural network reveals about the function it learned.

>>> from benevolent import judge, load_results, measure_network, watch
>>> from benevolent import LightningWatch, TrainerWatch
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benevolent.analysis.judging import judge, transport
    from benevolent.analysis.measures import measure_network
    from benevolent.analysis.results import Results, load_results
    from benevolent.trainables.training.loop_callbacks import LightningWatch, TrainerWatch
    from benevolent.trainables.training.watch import watch

__all__ = [
    "LightningWatch",
    "Results",
    "TrainerWatch",
    "judge",
    "load_results",
    "measure_network",
    "transport",
    "watch",
]

_MODULES = {
    "LightningWatch": "benevolent.trainables.training.loop_callbacks",
    "TrainerWatch": "benevolent.trainables.training.loop_callbacks",
    "judge": "benevolent.analysis.judging",
    "measure_network": "benevolent.analysis.measures",
    "Results": "benevolent.analysis.results",
    "load_results": "benevolent.analysis.results",
    "transport": "benevolent.analysis.judging",
    "watch": "benevolent.trainables.training.watch",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `import benevolent` is quick."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
