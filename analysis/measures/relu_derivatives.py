"""Derivatives of sequences of dense layers, convolutions and ReLUs, written out for K networks at once.

Given which units are active, such a network is a product of linear maps, so that the Hessian times a direction is a
forward and a backward pass of two products for each layer (Pearlmutter 1994). Automatic differentiation of the gradient
takes more and smaller steps.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import grad, vjp

from benevolent.analysis.measures.relu_layers import Step, Weighted
from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.trainables.optimization.losses import differentiable_cross_entropy


@dataclass(frozen=True)
class ReluSequence:
    """K networks of one architecture at their parameters, and the mean training loss L of each.

    Attributes:
        shapes: of each network's parameters, by name, in the order of the coordinates of vectors `(K, P)`.
        steps: the layers.
        logits: `(K, N, C)`, the outputs; those of one output (C = 1) enter the loss as `two_class_logits`.
        labels: `(K, N)`.
        loss: `(logits (N, C), labels (N,)) -> losses (N,)`.
        gradient: of L `(K, P)`.
        unpruned: 1 for the coordinates that can move and 0 for pruned weights `(K, P)`; None if nothing is pruned. Both
            gradient and Hessian are zero at pruned ones.
    """

    shapes: Mapping[str, torch.Size]
    steps: tuple[Step, ...]
    logits: Tensor
    labels: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    gradient: Tensor
    unpruned: Tensor | None

    @property
    def losses(self) -> Tensor:
        """L `(K,)`."""
        return mean_losses(self.loss, self.logits, self.labels)

    @property
    def jacobian_numbers(self) -> int:
        """How many numbers the Jacobians of the logits by the inputs have, of all examples."""
        first = self.steps[0]
        assert isinstance(first, Weighted)
        return self.logits.shape[-1] * first.inputs.numel()

    def logit_changes(self, directions: Tensor) -> Tensor:
        """Return the Jacobians of the logits times directions `(K, P)`, as `(K, N, C)`."""
        return self._push(self._by_name(directions))

    def input_slopes(self, slopes: Tensor) -> Tensor:
        """Return the slopes of any number by the inputs `(K, N, features)`, given those by the logits `(K, N, C)`."""
        for step in reversed(self.steps):
            slopes = step.to_inputs(slopes)
        return slopes.flatten(2)

    def hessian_product(self, directions: Tensor) -> Tensor:
        """Return the Hessians of L times directions `(K, P)`."""
        by_name = self._by_name(self.without_pruned(directions))
        changes = self._slope_changes(self._push(by_name))
        found: dict[str, Tensor] = {}
        for step in reversed(self.steps):
            changes = step.pull_change(changes, by_name, found)
        return self.without_pruned(in_one_row(found, self.shapes))

    def without_pruned(self, vectors: Tensor) -> Tensor:
        """Return vectors `(K, P)`, or one `(P,)` for all, with 0 at pruned weights."""
        return vectors if self.unpruned is None else self.unpruned * vectors

    def select(self, rows: Tensor) -> "ReluSequence":
        """Return some of the networks."""
        return replace(
            self,
            steps=tuple(step.select(rows) for step in self.steps),
            logits=self.logits[rows],
            labels=self.labels[rows],
            gradient=self.gradient[rows],
            unpruned=None if self.unpruned is None else self.unpruned[rows],
        )

    @functools.cached_property
    def _slope_changes(self) -> Callable[[Tensor], Tensor]:
        """The map from changes of the logits to those of the slopes of L by them."""
        if self.loss is differentiable_cross_entropy and self.logits.shape[-1] > 1:
            return functools.partial(_softmax_changes, self.logits.softmax(-1))
        product = vjp(lambda logits: logit_slopes(self.loss, logits, self.labels), self.logits)[1]
        return lambda changes: product(changes)[0]

    def _push(self, directions: Mapping[str, Tensor]) -> Tensor:
        change: Tensor | None = None
        for step in self.steps:
            change = step.push(change, directions)
        assert change is not None
        return change

    def _by_name(self, vectors: Tensor) -> dict[str, Tensor]:
        parts = vectors.split([shape.numel() for shape in self.shapes.values()], 1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}


def mean_losses(loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, labels: Tensor) -> Tensor:
    """Return L `(K,)` of K networks, given outputs `(K, N, C)` and labels `(K, N)`."""
    logits = two_class_logits(outputs).flatten(0, 1)
    return loss(logits, labels.flatten()).unflatten(0, labels.shape).mean(1)


def logit_slopes(loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the slopes of L by the outputs, `(K, N, C)`."""
    slopes: Tensor = grad(lambda values: mean_losses(loss, values, labels).sum())(outputs)
    return slopes


def _softmax_changes(probabilities: Tensor, changes: Tensor) -> Tensor:
    """Return how the slopes (p - e_y) / N of the mean cross-entropy by the logits change with these, `(K, N, C)`."""
    weighted = probabilities * changes
    means = weighted.sum(-1, keepdim=True)
    return (weighted - probabilities * means).div_(changes.shape[1])


def in_one_row(by_name: Mapping[str, Tensor], order: Iterable[str]) -> Tensor:
    """Return tensors `name -> (K, ...)` as rows `(K, P)`."""
    return torch.cat([by_name[name].flatten(1) for name in order], 1)
