"""Requirements of measures: each with its name, and its check in `requirement_checks`.

Add a requirement with one function there and one line here; a measure lists the ones it has in `Measure.requires`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benevolent.analysis.measures.deferred import DeferredFunction

if TYPE_CHECKING:
    from benevolent.analysis.measures.measured_network import MeasuredNetwork


@dataclass(frozen=True)
class Requirement:
    """A condition, beyond parameters and data, under which a measure applies to a network.

    Attributes:
        name: its name in `bth list measures`.
        why_unmet: returns the reason why a network does not meet it, or None; it reads no values of tensors.
        reads_folded: a measure with this requirement reads weights into which BatchNorm is folded.
        tries_derivatives: derivatives have to be tried before it is known to be met.
    """

    name: str
    why_unmet: Callable[[MeasuredNetwork], str | None]
    reads_folded: bool = False
    tries_derivatives: bool = False


def _requirement(name: str, check: str, **options: bool) -> Requirement:
    """Return a requirement with a function of `requirement_checks`, which is imported when a network is checked.

    Args:
        name: see `Requirement`.
        check: name of the function.
        options: the other fields of `Requirement`.
    """
    return Requirement(name, DeferredFunction(f"requirement_checks.{check}"), **options)


#: Data and parameters.
INITIAL = _requirement("initial", "why_no_initial")
CLASSES = _requirement("classes", "why_no_classes")
REAL_INPUTS = _requirement("real inputs", "why_no_real_inputs")
TRUE_LABELS = _requirement("true labels", "why_no_true_labels")
#: Derivatives.
SLOPES = _requirement("slopes", "why_no_slopes", tries_derivatives=True)
GRADIENTS = _requirement("gradients", "why_no_gradients", tries_derivatives=True)
CURVATURE = _requirement("curvature", "why_no_curvature", tries_derivatives=True)
#: Layers.
LAYERS = _requirement("layers", "why_no_layers")
FIRST_LAYER = _requirement("first layer", "why_no_dense_first_layer", tries_derivatives=True)
WEIGHTS = _requirement("weights", "why_no_weights", reads_folded=True)
FEATURES = _requirement("features", "why_no_features", reads_folded=True)
LAYER_INPUTS = _requirement("layer inputs", "why_no_layer_inputs", reads_folded=True)
HOMOGENEOUS = _requirement("homogeneous", "why_not_homogeneous", reads_folded=True)
MATRICES = _requirement("matrices", "why_no_matrices", reads_folded=True)
OPERATOR_NORMS = _requirement("operator norms", "why_no_operator_norms", reads_folded=True)
PATHS = _requirement("paths", "why_no_paths", reads_folded=True)
RELU = _requirement("ReLU", "why_no_relu", reads_folded=True)
PIECEWISE_LINEAR = _requirement("piecewise linear", "why_not_piecewise_linear", reads_folded=True)
