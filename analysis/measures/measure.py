"""Measure: a function of a `MeasuredNetwork`, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from benevolent.analysis.column_names import DRAW
from benevolent.analysis.measures.deferred import docstring_of
from benevolent.analysis.measures.requirements import Requirement

if TYPE_CHECKING:
    from torch import Tensor

    from benevolent.analysis.measures.measured_network import MeasuredNetwork


@dataclass(frozen=True)
class Measure:
    """A number (or a vector of numbers) of one network, and what is known about it.

    Attributes:
        function: maps a `MeasuredNetwork` to a scalar or a vector `(M,)`; its name is the measure's name.
        direction: +1 if larger means more complex, so that a worse test result is expected; -1 if smaller does.
        split: the data it reads; `none` for the parameters alone, `test` excludes it from the predictors.
        source: the paper that defines it.
        requires: conditions without which its status is `not applicable` (see `requirements`).
        undefined: the reason that its status gives where the value is not finite.
        opt_in: reason why it is not in the default set (`costly`, or `much like` another); empty for default measures.
        version: raise it when values change, so that stored ones are computed again.
        mapped: False if its steps depend on values, so that `vmap` cannot map it and networks are measured one by one.
        stochastic: True if it draws random numbers (`analysis.measures.rng`) on some networks at least, so that it can
            be measured again with others.
        draw: number of its draw, from 1.
        corrupted_split: the corrupted test split that it reads, a name in `trainables.data.CORRUPTED_SPLITS`.
        import_path: `package.module:attribute` of a user's own measure, which is not in `MEASURES`.
        cost: rank of its cost, by which measures are ordered where time is short: 0 for a few passes over the data or
            the parameters, 1 for operator norms, 2 for tens of passes, 3 for more.
    """

    function: Callable[[MeasuredNetwork], Tensor]
    direction: Literal[1, -1]
    split: Literal["none", "train", "validation", "test"]
    source: str
    requires: tuple[Requirement, ...] = ()
    undefined: str = "the value is not finite"
    opt_in: str = ""
    version: int = 1
    mapped: bool = True
    stochastic: bool = False
    draw: int = 1
    corrupted_split: str = ""
    import_path: str = ""
    cost: int = 0

    @cached_property
    def name(self) -> str:
        """The name in tables; that of a further draw ends with its number, `sharpness#2`."""
        return (name_from_path(self.import_path) or self.function.__name__) + self._suffix

    @property
    def selector(self) -> str:
        """The text that selects it: its name, or the import path of a user's own measure."""
        return self.import_path + self._suffix if self.import_path else self.name

    @property
    def _suffix(self) -> str:
        return "" if self.draw == 1 else f"{DRAW}{self.draw}"

    @property
    def description(self) -> str:
        """One line with the formula: the first line of the function's docstring, and a note on folded BatchNorm."""
        line = docstring_of(self.function).partition("\n")[0].rstrip(".")
        if any(requirement.reads_folded for requirement in self.requires):
            return f"{line} (BatchNorm folded into the layer before it)"
        return line

    @property
    def tries_derivatives(self) -> bool:
        """True if the derivatives of a network have to be tried before the measure is known to apply."""
        return any(requirement.tries_derivatives for requirement in self.requires)

    def why_not_applicable(self, network: MeasuredNetwork) -> str | None:
        """Return the reason why the measure does not apply to a network, or None; no values of tensors are read."""
        if self.split != "none" and self.split not in network.splits:
            return f"needs the {self.split} split"
        if self.split != "none" and network.architecture.mixes_examples:
            return "needs outputs that do not depend on the other examples of a batch"
        if self.corrupted_split and self.corrupted_split not in network.splits:
            return "needs the test images of a data set, which can be corrupted"
        for requirement in self.requires:
            reason = requirement.why_unmet(network)
            if reason is not None:
                return reason
        if network.architecture.doubt and any(requirement.reads_folded for requirement in self.requires):
            return network.architecture.doubt
        return None


def name_from_path(path: str) -> str:
    """Return the name in tables of the measure at an import path.

    >>> name_from_path("my_package.my_module:my_measure")
    'my_measure'
    """
    return path.rpartition(":")[2]
