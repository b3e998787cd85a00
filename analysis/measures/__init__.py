"""Complexity measures: numbers computed from one network and its data, mapped over stacks of networks.

Modules import each other in this order: `measured_network` (the input of a measure), the measures themselves,
`requirement_checks`, `requirements`, `measure`, `registry`, `selection`, `evaluate`, `module` and `on_checkpoints`;
none imports the package. From `requirements` to `selection` they import torch only when a network is measured, so that
a list of measures is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benevolent.analysis.measures.evaluate import MappingWarning, measure_stack
    from benevolent.analysis.measures.margins import normalized_loss
    from benevolent.analysis.measures.measure import Measure
    from benevolent.analysis.measures.measured_network import MeasuredNetwork
    from benevolent.analysis.measures.module import measure_network
    from benevolent.analysis.measures.progress_line import MeasureStart
    from benevolent.analysis.measures.registry import MEASURES

__all__ = [
    "MEASURES",
    "MappingWarning",
    "Measure",
    "MeasureStart",
    "MeasuredNetwork",
    "measure_network",
    "measure_stack",
    "normalized_loss",
]

_MODULES = {
    "MEASURES": "registry",
    "MappingWarning": "evaluate",
    "Measure": "measure",
    "MeasureStart": "progress_line",
    "MeasuredNetwork": "measured_network",
    "measure_network": "module",
    "measure_stack": "evaluate",
    "normalized_loss": "margins",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used (PEP 562), so that the names of measures can be read without torch."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
