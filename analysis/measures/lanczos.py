"""Eigenvalues of symmetric matrices that are known only by their products with vectors.

Leading axes of a vector `(..., P)` belong to several matrices, all of which take every step.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from benevolent.analysis.measures.eigenvalues import eigh
from benevolent.analysis.measures.limits import LANCZOS_BUDGET, LANCZOS_TOLERANCE
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.three_term_lanczos import (
    ThreeTermRecurrence,
    inner_product,
    is_checked,
    three_term_lanczos,
)
from benevolent.analysis.measures.time_budget import check_time

#: Products for each network of a stack under `vmap`.
VMAPPED_BUDGET = 16
#: Matrices whose eigenvalue is found are left out once at most this fraction lacks one: that copies what these need.
REMAINING = 0.75
#: A residual of at most this many units of rounding of the largest eigenvalue in magnitude is always accepted.
ROUNDING = 10


def largest_eigenvalue(
    product: Callable[[Tensor], Tensor],
    start: Tensor,
    vmapped: bool = False,
    tolerance: float = LANCZOS_TOLERANCE,
    budget: int = LANCZOS_BUDGET,
) -> Tensor:
    """Return the largest (not largest in magnitude) eigenvalue by Lanczos iteration.

    After j products the largest eigenvalue theta of the tridiagonal matrix has the residual norm
    r = beta_j |s_j|, s_j the last entry of its eigenvector (Parlett 1998): the matrix has an
    eigenvalue within r of theta, and where the next one is a gap g away the error is at most r^2 / g.
    Theta is taken at the first j with r <= `tolerance` |theta|, of those that `is_checked` names. On Hessians of
    networks that took 8 to 15 products, and the relative error was about 1e-6.

    Only the last two vectors are kept, so that memory does not grow with j. Their loss of orthogonality to those before
    comes as r falls to rounding, and only repeats eigenvalues that have been found (Paige 1980).

    Args:
        product: maps vectors `(..., P)` to the matrices times them.
        start: `(..., P)`, random vectors (see `start_vector`).
        vmapped: under vmap no value can end the loop: `VMAPPED_BUDGET` products, else at most `budget`.
        tolerance: relative, of the residual. If the two largest eigenvalues are near to each other, a loose tolerance
            may take the second.
        budget: upper bound on the products for a network alone.

    Returns:
        `(...)` in float64; NaN where the residual stayed above the tolerance.

    >>> matrix = torch.diag(torch.tensor([-9.0, 1.0, 4.0]))
    >>> round(largest_eigenvalue(lambda v: matrix @ v, torch.ones(3)).item(), 4)
    4.0
    """
    eigenvalue = start.new_full(start.shape[:-1], torch.nan, dtype=torch.float64)
    for diagonal, off_diagonal in three_term_lanczos(product, start, VMAPPED_BUDGET if vmapped else budget):
        if not is_checked(len(diagonal)):
            continue
        largest, is_found = _largest(diagonal, off_diagonal, tolerance)
        eigenvalue = torch.where(eigenvalue.isnan() & is_found, largest, eigenvalue)
        if not vmapped and (eigenvalue.isfinite() | largest.isnan()).all():
            break
    return eigenvalue


def _largest(diagonal: list[Tensor], off_diagonal: list[Tensor], tolerance: float) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalues `(...)` of the tridiagonal matrices, and True where the residual is small."""
    values, vectors = _tridiagonal_eigh(diagonal, off_diagonal[:-1])
    largest = values[..., -1]
    residual = off_diagonal[-1] * vectors[..., -1, -1].abs()
    rounding = ROUNDING * torch.finfo(residual.dtype).eps
    allowed = tolerance * largest.abs() + rounding * values.abs().amax(-1)
    return largest, residual <= allowed


class SymmetricMaps(Protocol):
    """K symmetric matrices that are known by their products."""

    def hessian_product(self, directions: Tensor) -> Tensor:
        """Return the matrices times vectors `(K, P)`."""

    def select(self, rows: Tensor) -> "SymmetricMaps":
        """Return some of the matrices."""


def largest_eigenvalues(
    maps: SymmetricMaps, starts: Tensor, tolerance: float = LANCZOS_TOLERANCE, budget: int = LANCZOS_BUDGET
) -> Tensor:
    """Return the largest eigenvalues `(K,)` of K matrices, each as `largest_eigenvalue` finds it.

    Matrices whose eigenvalue has been found take no more steps. Of several, at least two stay, since products of one
    matrix alone may be rounded differently.

    Args:
        maps: the matrices.
        starts: `(K, P)`, random vectors (see `start_vector`).
        tolerance: as for `largest_eigenvalue`.
        budget: upper bound on the products for each.
    """
    found = starts.new_full(starts.shape[:1], torch.nan, dtype=torch.float64)
    rows = torch.arange(len(starts), device=starts.device)
    recurrence = ThreeTermRecurrence.at(starts)
    for _ in range(budget):
        check_time()
        recurrence.step(maps.hessian_product)
        if not is_checked(len(recurrence.diagonal)):
            continue
        largest, is_found = _largest(recurrence.diagonal, recurrence.off_diagonal, tolerance)
        found[rows] = torch.where(found[rows].isnan() & is_found, largest, found[rows])
        remaining = (found[rows].isnan() & ~largest.isnan()).nonzero().squeeze(1)
        if len(remaining) == 0:
            break
        if len(remaining) <= REMAINING * len(rows) and len(rows) > 2:
            remaining = _at_least_two(remaining, len(rows))
            maps = maps.select(remaining)
            recurrence = recurrence.select(remaining)
            rows = rows[remaining]
    return found


def _at_least_two(rows: Tensor, count: int) -> Tensor:
    """Return rows of a stack of `count`; a single one with another beside it."""
    if len(rows) > 1:
        return rows
    return torch.cat([rows, (rows + 1) % count])


def quadrature(product: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return eigenvalues `(m,)` and weights `(m,)`, whose weighted sums estimate functions of the matrix.

    The Gauss quadrature of Lanczos iteration (Golub and Meurant 1994): for a start v of unit norm, v^T f(A) v is about
    sum_i w_i f(t_i), with t_i the eigenvalues of the tridiagonal matrix and w_i the squared first entries of its
    eigenvectors; for random v the mean of v^T f(A) v is the mean of f over the eigenvalues of A. Steps after the
    invariant subspace of v is exhausted, where the iteration could end, have no weight.

    >>> values, weights = quadrature(lambda v: torch.tensor([1.0, 3.0]) * v, torch.tensor([1.0, 2.0]), 2)
    >>> [round(value, 4) for value in (*values.tolist(), *weights.tolist())]
    [1.0, 3.0, 0.2, 0.8]
    """
    *_, (diagonal, off_diagonal) = _iterate(product, start, steps)
    scale = torch.stack([*diagonal, *off_diagonal]).abs().amax()
    negligible = 1e3 * torch.finfo(start.dtype).eps * scale
    kept = [torch.where(beta <= negligible, 0.0, beta) for beta in off_diagonal[:-1]]
    values, vectors = _tridiagonal_eigh(diagonal, kept)
    return values, vectors[0].square()


def _iterate(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int
) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Yield the diagonal of the tridiagonal matrix and its off-diagonal, one longer than needed, after each product.

    Each new vector is made orthogonal to all before it.
    """
    basis = [start / start.norm(dim=-1, keepdim=True)]
    diagonal: list[Tensor] = []
    off_diagonal: list[Tensor] = []
    tiny = torch.finfo(start.dtype).tiny
    for _ in range(min(steps, start.shape[-1])):
        check_time()
        image = product(basis[-1])
        diagonal.append(inner_product(image, basis[-1]))
        vectors = torch.stack(basis, -2)
        for _ in range(2):  # twice is enough to be orthogonal to rounding (Parlett 1998)
            share = inner_product(vectors, image.unsqueeze(-2))
            image = image - (share.unsqueeze(-1) * vectors).sum(-2)
        off_diagonal.append(image.norm(dim=-1))
        yield diagonal, off_diagonal
        length = off_diagonal[-1].clamp(min=tiny)
        basis.append(image / length.unsqueeze(-1))


def start_vector(like: Tensor) -> Tensor:
    """Return a standard normal vector `(P,)`, in the type and on the device of a vector `(P,)`.

    It is drawn by one key, so that a value does not depend on what else is computed.
    """
    return normal((len(like),), like, "start vector")


def _tridiagonal_eigh(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues in rising order, and their eigenvectors as columns."""
    return eigh(tridiagonal_matrix(diagonal, off_diagonal))


def tridiagonal_matrix(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> Tensor:
    """Return symmetric matrices `(..., k, k)` in float64, given k entries `(...)` of the diagonal and k - 1 beside it.

    >>> tridiagonal_matrix([torch.tensor(1.0), torch.tensor(2.0)], [torch.tensor(3.0)]).tolist()
    [[1.0, 3.0], [3.0, 2.0]]
    """
    matrix = torch.diag_embed(torch.stack(diagonal, -1))
    if off_diagonal:
        upper = torch.diag_embed(torch.stack(off_diagonal, -1), 1)
        matrix = matrix + upper + upper.mT
    return matrix.double()
