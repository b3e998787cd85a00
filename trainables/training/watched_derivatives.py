"""Sums over the examples of a batch of the derivatives of its loss by the logits."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class DerivativeSums:
    """Sums over the examples of S steps, of the derivative d of the batch's loss by the logits of each example.

    Attributes:
        count: `(S,)` number of examples.
        norm: `(S,)` sum of ||d||.
        square: `(S,)` sum of ||d||^2.
        vector: `(S, C)` sum of d.
    """

    count: Tensor
    norm: Tensor
    square: Tensor
    vector: Tensor

    @classmethod
    def of(cls, derivatives: Tensor, only_counted: bool = False) -> Self:
        """Sum derivatives `(S, B, C)` over the examples.

        Args:
            derivatives: of each step.
            only_counted: leave out of the count examples without any derivative, such as padding of sequences.
        """
        numbers = derivatives.to(torch.promote_types(derivatives.dtype, torch.float32))
        norms = torch.linalg.vector_norm(numbers, dim=2)
        count = (norms > 0).sum(1) if only_counted else norms.new_full((len(norms),), norms.shape[1])
        return cls(count.to(norms), norms.sum(1), norms.square().sum(1), numbers.sum(1))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the sums of one step after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = {}
        for field in fields(cls):
            columns[field.name] = torch.cat([getattr(part, field.name) for part in parts])
        return cls(**columns)

    def __add__(self, other: "DerivativeSums") -> "DerivativeSums":
        """Return the sums over the examples of both, of the same steps."""
        return DerivativeSums(
            self.count + other.count, self.norm + other.norm, self.square + other.square, self.vector + other.vector
        )

    def scaled(self, factors: Tensor) -> "DerivativeSums":
        """Return the sums of the derivatives times a factor for each step `(S,)`."""
        factors = factors.to(self.norm)
        return DerivativeSums(
            self.count, self.norm * factors, self.square * factors.square(), self.vector * factors.unsqueeze(1)
        )

    def statistics(self, reduction: Literal["mean", "sum"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean norm of an example's own derivative, its noise and its signal, each `(S,)`.

        Noise and signal are tr Cov(d) and ||E d||^2, see `noise_and_signal` in `step_statistics`; 0 for one example.

        Args:
            reduction: of the loss over the examples. The loss of a batch of B is by default their mean, so that B times
                its derivative by the logits of one example is the derivative of that example's own loss.

        >>> sums = DerivativeSums.of(torch.tensor([[[1.0], [3.0]]]))
        >>> sums.statistics("sum")
        (tensor([2.]), tensor([2.]), tensor([3.]))
        """
        of_mean = self if reduction == "mean" else self.scaled(1 / self.count)
        mean_square = of_mean.square * of_mean.count
        square_of_mean = of_mean.vector.square().sum(1)
        others = of_mean.count - 1
        signal = (of_mean.count * square_of_mean - mean_square) / others.clamp(min=1)
        noise = (mean_square - signal) * (others > 0)
        return of_mean.norm, noise, signal


def sums_of_steps(derivatives: Sequence[Tensor | DerivativeSums]) -> DerivativeSums:
    """Return the sums of all steps, those of successive batches of one shape computed together."""

    def shape(step: Tensor | DerivativeSums) -> torch.Size | None:
        return step.shape if isinstance(step, Tensor) else None

    parts = []
    for of_shape, steps in itertools.groupby(derivatives, shape):
        if of_shape is None:
            parts += [step for step in steps if isinstance(step, DerivativeSums)]
        else:
            batches = [step for step in steps if isinstance(step, Tensor)]
            parts.append(DerivativeSums.of(torch.stack(batches)))
    return DerivativeSums.joined(parts)
