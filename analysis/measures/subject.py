"""What a measure sees: one network, its data, and what other measures of it have computed before."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analysis.measures.architecture import Architecture

Parameters = Mapping[str, Tensor]


class Split(NamedTuple):
    """Inputs `(N, *input_shape)` and labels `(N,)`."""

    inputs: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Subject:
    """One network and its data, as pure tensors: every measure is a function of a `Subject`.

    Under `vmap` the tensors stand for one network of a stack, so a measure is written for one network only.

    Attributes:
        logits_of: `(parameters, inputs (N, *input_shape)) -> logits (N, C)`, in the precision of the inputs.
        parameters: `name -> (...)`, in the precision that the network was trained in.
        initial: the parameters at the random initialisation, or None.
        splits: `train`, and `test` where there is one.
        architecture: the layers, the same for all networks of a stack.
        stacked: True under `vmap`, where the values of tensors cannot steer the program.
    """

    logits_of: Callable[[Parameters, Tensor], Tensor]
    parameters: Parameters
    initial: Parameters | None
    splits: Mapping[str, Split]
    architecture: Architecture
    stacked: bool = False
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def train(self) -> Split:
        """The split that all measures may read."""
        return self.splits["train"]

    @property
    def weights(self) -> list[Tensor]:
        """The weight tensors (two axes or more) in order, in float64."""
        return [self.parameters[weight.name].double() for weight in self.architecture.weights]


def shared(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Computes a function of a subject once, for all measures of that subject that ask for it."""

    @functools.wraps(function)
    def cached(subject: Subject, *arguments: Any) -> Tensor:
        key = (function, *arguments)
        if key not in subject.cache:
            subject.cache[key] = function(subject, *arguments)
        return subject.cache[key]

    return cached


@shared
def logits(subject: Subject, split: str) -> Tensor:
    """The logits `(N, C)`, computed in the network's precision, in float64 for what follows.

    Normalised losses of different networks differ by 1e-4 and less, so norms, division and loss need float64;
    the rounding of a float32 forward pass is divided by the norms too.
    """
    return subject.logits_of(subject.parameters, subject.splits[split].inputs).double()


def flat(parameters: Parameters) -> Tensor:
    """All parameters as one vector `(P,)`."""
    return torch.cat([value.flatten() for value in parameters.values()])
