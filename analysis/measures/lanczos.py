"""Eigenvalues of symmetric matrices that are known only by their products with vectors.

Leading axes of a vector `(..., P)` are those of several matrices, all of which take every step.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benevolent.analysis.measures.rng import normal

#: The Ritz value is taken once its residual is at most this fraction of it.
TOLERANCE = 1e-3
#: Products for one network of a stack, where all networks get as many, and for a network alone.
STACKED_BUDGET, BUDGET = 16, 100
#: Units of rounding of the largest eigenvalue in magnitude that a residual is at least allowed.
ROUNDING = 10


def largest_eigenvalue(
    product: Callable[[Tensor], Tensor],
    start: Tensor,
    stacked: bool = False,
    tolerance: float = TOLERANCE,
    budget: int = BUDGET,
) -> Tensor:
    """The largest (not largest in magnitude) eigenvalue by Lanczos iteration with full reorthogonalization.

    After j products the largest eigenvalue theta of the tridiagonal matrix has the residual norm
    r = beta_j |s_j|, s_j the last entry of its eigenvector (Parlett 1998): the matrix has an
    eigenvalue within r of theta, and where the next one is a gap g away the error is at most r^2 / g.
    Theta is taken at the first j with r <= `tolerance` |theta|. On Hessians of networks that took 8 to 15
    products, and the relative error was about 1e-6.

    Args:
        product: maps vectors `(..., P)` to the matrices times them.
        start: `(..., P)`, random vectors (see `start_vector`).
        stacked: under vmap no value can end the loop: `STACKED_BUDGET` products, else at most `budget`.
        tolerance: of the residual, relative. Where the two largest eigenvalues are near to each other, a loose one
            may take the second.
        budget: products at most, of a network alone.

    Returns:
        `(...)` in float64; NaN where the residual stayed above the tolerance.

    >>> matrix = torch.diag(torch.tensor([-9.0, 1.0, 4.0]))
    >>> round(largest_eigenvalue(lambda v: matrix @ v, torch.ones(3)).item(), 4)
    4.0
    """
    found = start.new_full(start.shape[:-1], torch.nan, dtype=torch.float64)
    rounding = ROUNDING * torch.finfo(start.dtype).eps
    for diagonal, off_diagonal in _iterate(product, start, STACKED_BUDGET if stacked else budget):
        values, vectors = _tridiagonal(diagonal, off_diagonal[:-1])
        largest, residual = values[..., -1], off_diagonal[-1] * vectors[..., -1, -1].abs()
        converged = residual <= tolerance * largest.abs() + rounding * values.abs().amax(-1)
        found = torch.where(found.isnan() & converged, largest, found)
        if not stacked and (found.isfinite() | largest.isnan()).all():
            break
    return found


def quadrature(product: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues `(m,)` and weights `(m,)`, whose weighted sums are those of functions of the matrix.

    The Gauss quadrature of Lanczos iteration (Golub and Meurant 1994): for a start v of unit norm, v^T f(A) v is about
    sum_i w_i f(t_i), with t_i the eigenvalues of the tridiagonal matrix and w_i the squared first entries of its
    eigenvectors; for random v the mean of v^T f(A) v is the mean of f over the eigenvalues of A. What follows the
    invariant subspace of v, where the iteration could end, has no weight.

    >>> values, weights = quadrature(lambda v: torch.tensor([1.0, 3.0]) * v, torch.tensor([1.0, 2.0]), 2)
    >>> [round(value, 4) for value in (*values.tolist(), *weights.tolist())]
    [1.0, 3.0, 0.2, 0.8]
    """
    *_, (diagonal, off_diagonal) = _iterate(product, start, steps)
    scale = torch.stack([*diagonal, *off_diagonal]).abs().amax()
    none = [beta <= 1e3 * torch.finfo(start.dtype).eps * scale for beta in off_diagonal[:-1]]
    cut = [torch.where(zero, 0.0, beta) for zero, beta in zip(none, off_diagonal, strict=False)]
    values, vectors = _tridiagonal(diagonal, cut)
    return values, vectors[0].square()


def _iterate(
    product: Callable[[Tensor], Tensor], start: Tensor, steps: int
) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """The diagonal of the tridiagonal matrix, and what is beside it, after each product."""
    basis = [start / start.norm(dim=-1, keepdim=True)]
    diagonal, off_diagonal = list[Tensor](), list[Tensor]()
    for _ in range(min(steps, start.shape[-1])):
        image = product(basis[-1])
        diagonal.append(torch.linalg.vecdot(image, basis[-1]))
        known = torch.stack(basis, -2)
        for _ in range(2):  # twice is enough to be orthogonal to rounding (Parlett 1998)
            share = known @ image.unsqueeze(-1)
            image = image - (share.mT @ known).squeeze(-2)
        off_diagonal.append(image.norm(dim=-1))
        yield diagonal, off_diagonal
        basis.append(image / off_diagonal[-1].clamp(min=torch.finfo(start.dtype).tiny).unsqueeze(-1))


def start_vector(like: Tensor) -> Tensor:
    """A standard normal vector of one key, so that a value does not depend on what else is computed."""
    return normal((len(like),), like, "start vector")


def _tridiagonal(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Eigenvalues in rising order, and their eigenvectors as columns."""
    matrix = torch.diag_embed(torch.stack(diagonal, -1))
    if off_diagonal:
        beside = torch.diag_embed(torch.stack(off_diagonal, -1), 1)
        matrix = matrix + beside + beside.mT
    return eigh(matrix.double())


def eigenvalues(matrix: Tensor) -> Tensor:
    """`torch.linalg.eigvalsh`, but of matrices that are not finite NaN, and no error is raised.

    >>> eigenvalues(torch.tensor([[torch.inf]]))
    tensor([nan])
    """
    finite = matrix.isfinite().all(-1).all(-1)
    return torch.linalg.eigvalsh(matrix.where(finite[..., None, None], 0)).where(finite[..., None], torch.nan)


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh`, but of matrices that are not finite the eigenvalues are NaN, and no error is raised.

    >>> eigh(torch.tensor([[torch.nan]]))[0]
    tensor([nan])
    """
    finite = matrix.isfinite().all(-1).all(-1)
    values, vectors = torch.linalg.eigh(matrix.where(finite[..., None, None], 0))
    return values.where(finite[..., None], torch.nan), vectors
