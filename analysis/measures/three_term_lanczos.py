"""Lanczos iteration that keeps two vectors, so that memory does not grow with the steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benevolent.analysis.measures.time_budget import check_time


@dataclass
class ThreeTermRecurrence:
    """Lanczos iteration on symmetric matrices `(..., P, P)`, all of which take every step.

    Attributes:
        vector: the last one `(..., P)`, of unit norm.
        before: the one before it, or zeros.
        diagonal: of the tridiagonal matrices, one entry `(...)` for each step.
        off_diagonal: beside it, as many; the last one is the length of the next vector before it is normalized.
    """

    vector: Tensor
    before: Tensor
    diagonal: list[Tensor] = field(default_factory=list)
    off_diagonal: list[Tensor] = field(default_factory=list)

    @classmethod
    def at(cls, start: Tensor) -> "ThreeTermRecurrence":
        """Begin at vectors `(..., P)` of any norm but 0."""
        return cls(start / start.norm(dim=-1, keepdim=True), torch.zeros_like(start))

    def step(self, product: Callable[[Tensor], Tensor]) -> None:
        """Take one step; `product` maps vectors `(..., P)` to the matrices times them."""
        image = product(self.vector)
        if self.off_diagonal:
            image = image - self.off_diagonal[-1].unsqueeze(-1) * self.before
        share = inner_product(image, self.vector)
        image = image - share.unsqueeze(-1) * self.vector
        length = image.norm(dim=-1)
        self.diagonal.append(share)
        self.off_diagonal.append(length)
        self.before = self.vector
        self.vector = image / length.unsqueeze(-1).clamp(min=torch.finfo(image.dtype).tiny)

    def select(self, rows: Tensor) -> "ThreeTermRecurrence":
        """Return the iteration of some of the matrices."""
        diagonal = [value[rows] for value in self.diagonal]
        off_diagonal = [value[rows] for value in self.off_diagonal]
        return ThreeTermRecurrence(self.vector[rows], self.before[rows], diagonal, off_diagonal)


def three_term_lanczos(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int
) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Yield the diagonal and the off-diagonal of a `ThreeTermRecurrence` (see there) after each of some steps."""
    recurrence = ThreeTermRecurrence.at(start)
    for _ in range(steps):
        check_time()
        recurrence.step(product)
        yield recurrence.diagonal, recurrence.off_diagonal


def is_checked(step: int, fraction: int = 20) -> bool:
    """Return True if the eigenvalues of the tridiagonal matrix are computed after a step.

    The cost grows with the cube of the step. So they are computed after each step below 2 `fraction`, and from there on
    at steps that are apart by about 1 / `fraction` of their number: by default from 40 on, 5% apart.

    >>> [step for step in range(90, 120) if is_checked(step)]
    [92, 96, 100, 105, 110, 115]
    """
    return step < 2 * fraction or step % (step // fraction) == 0


def inner_product(first: Tensor, second: Tensor) -> Tensor:
    """Return the inner products `(...)` of vectors `(..., P)`.

    Those of a BLAS are rounded in an order that depends on where a vector lies in memory, and so on its place in a
    stack.

    >>> inner_product(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])).item()
    11.0
    """
    return (first * second).sum(-1)
