"""What is known of a measure, and whether it applies to a network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from benevolent.analysis.measures.lipschitz import no_dense_first_layer
from benevolent.analysis.measures.measured_network import MeasuredNetwork
from benevolent.analysis.measures.path_norm import why_no_paths

Needs = Literal[
    "initial",
    "classes",
    "homogeneous",
    "operator norms",
    "paths",
    "weights",
    "features",
    "layer inputs",
    "first layer",
    "ReLU",
    "piecewise linear",
    "layers",
    "true labels",
]


@dataclass(frozen=True)
class Measure:
    """A number (or a vector of numbers) of one network, and what is known about it.

    Attributes:
        function: maps a `MeasuredNetwork` to a scalar or a vector `(M,)`; its name is the measure's name.
        direction: +1 if larger means more complex, so a worse test result is expected; -1 if smaller does.
        split: the data it reads; `none` for the parameters alone, `test` makes it no predictor.
        source: where it is defined.
        requires: what must be there besides parameters and data; else its status is `not applicable`.
        undefined: what it means when the value is not finite.
        opt_in: why it is computed only where it is named (`costly`, or `ranks as` another); empty if by default.
        version: raised when its values change, so that stored ones are computed again.
        path: `package.module:attribute` of a measure of the user's own, which is not in `MEASURES`.
    """

    function: Callable[[MeasuredNetwork], Tensor]
    direction: Literal[1, -1]
    split: Literal["none", "train", "validation", "test"]
    source: str
    requires: tuple[Needs, ...] = ()
    undefined: str = "the value is not finite"
    opt_in: str = ""
    version: int = 1
    path: str = ""

    @property
    def name(self) -> str:
        """The name in tables."""
        return name_from_path(self.path) or self.function.__name__

    @property
    def spelled(self) -> str:
        """How it is asked for: its name, or the import path of one's own."""
        return self.path or self.name

    @property
    def description(self) -> str:
        """One line with the formula: the first line of the function's docstring, and what was done to the weights."""
        line = (self.function.__doc__ or "").partition("\n")[0].rstrip(".")
        folded = {
            "homogeneous",
            "operator norms",
            "paths",
            "weights",
            "features",
            "layer inputs",
            "ReLU",
            "piecewise linear",
        } & {*self.requires}
        return f"{line} (BatchNorm folded into the layer before it)" if folded else line


def name_from_path(path: str) -> str:
    """The name in tables of the measure at an import path.

    >>> name_from_path("my_package.my_module:my_measure")
    'my_measure'
    """
    return path.rpartition(":")[2]


def unmet(measure: Measure, network: MeasuredNetwork) -> str | None:
    """Why a measure does not apply to a network, None if it does; reads no values, only what is there."""
    architecture = network.architecture
    reasons: dict[Needs, str | None] = {
        "classes": "needs classes; the targets are real numbers" if network.train.labels.is_floating_point() else None,
        "initial": None if network.initial is not None else "needs the initial parameters",
        "weights": architecture.no_weights,
        "features": architecture.no_features,
        "layer inputs": architecture.no_layer_inputs,
        "homogeneous": architecture.not_homogeneous,
        "operator norms": architecture.no_operator_norm,
        "paths": why_no_paths(architecture.module),
        "first layer": no_dense_first_layer(network),
        "ReLU": architecture.no_relu,
        "layers": None if len({n.rpartition(".")[0] for n in network.parameters}) > 1 else "needs two layers or more",
        "true labels": None if network.true_labels is not None else "needs the labels as they were before corruption",
        "piecewise linear": architecture.not_piecewise_linear,
    }
    if measure.split != "none" and measure.split not in network.splits:
        return f"needs the {measure.split} split"
    return next((reason for need in measure.requires if (reason := reasons[need])), None)
