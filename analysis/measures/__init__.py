"""Complexity measures: numbers computed from one network and its data, mapped over stacks of networks.

Modules import each other in this order: `measured_network` (the input of a measure), the measures themselves,
`requirements`, `measure`, `registry`, `selection`, `evaluate`, `module` and `on_checkpoints`; none imports the package.
"""

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
