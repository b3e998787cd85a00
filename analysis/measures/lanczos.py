"""Eigenvalues of a symmetric matrix that is known only by its products with vectors."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from analysis.measures.draws import normal

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
    """The largest (not largest in magnitude) eigenvalue by Lanczos iteration with full reorthogonalisation.

    After j products the largest eigenvalue theta of the tridiagonal matrix has the residual norm
    r = beta_j |s_j|, s_j the last entry of its eigenvector (Parlett 1998): the matrix has an
    eigenvalue within r of theta, and where the next one is a gap g away the error is at most r^2 / g.
    Theta is taken at the first j with r <= `tolerance` |theta|. On Hessians of networks that took 8 to 15
    products, and the relative error was about 1e-6.

    Args:
        product: maps a vector `(P,)` to the matrix times it.
        start: `(P,)`, a random vector (see `start_vector`).
        stacked: under vmap no value can end the loop: `STACKED_BUDGET` products, else at most `budget`.
        tolerance: of the residual, relative. Where the two largest eigenvalues are near to each other, a loose one
            may take the second.
        budget: products at most, of a network alone.

    Returns:
        A float64 scalar; NaN where the residual stayed above the tolerance.

    >>> matrix = torch.diag(torch.tensor([-9.0, 1.0, 4.0]))
    >>> round(largest_eigenvalue(lambda v: matrix @ v, torch.ones(3)).item(), 4)
    4.0
    """
    found = start.new_full((), torch.nan, dtype=torch.float64)
    rounding = ROUNDING * torch.finfo(start.dtype).eps
    for diagonal, off_diagonal in _iterate(product, start, STACKED_BUDGET if stacked else budget):
        values, vectors = _tridiagonal(diagonal, off_diagonal[:-1])
        residual = off_diagonal[-1] * vectors[-1, -1].abs()
        converged = residual <= tolerance * values[-1].abs() + rounding * values.abs().amax()
        found = torch.where(found.isnan() & converged, values[-1], found)
        if not stacked and (converged or values[-1].isnan()):
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
    basis, diagonal, off_diagonal = [start / start.norm()], list[Tensor](), list[Tensor]()
    for _ in range(min(steps, len(start))):
        image = product(basis[-1])
        diagonal.append(image @ basis[-1])
        known = torch.stack(basis)
        for _ in range(2):  # twice is enough to be orthogonal to rounding (Parlett 1998)
            image = image - (known @ image) @ known
        off_diagonal.append(image.norm())
        yield diagonal, off_diagonal
        basis.append(image / off_diagonal[-1].clamp(min=torch.finfo(start.dtype).tiny))


def start_vector(like: Tensor) -> Tensor:
    """A standard normal vector of one key, so that a value does not depend on what else is computed."""
    return normal((len(like),), like, "start vector")


def _tridiagonal(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Eigenvalues in rising order, and their eigenvectors as columns."""
    matrix = torch.diag(torch.stack(diagonal))
    if off_diagonal:
        beside = torch.diag(torch.stack(off_diagonal), 1)
        matrix = matrix + beside + beside.mT
    return eigh(matrix.double())


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh`, but of a matrix that is not finite the eigenvalues are NaN, and no error is raised.

    >>> eigh(torch.tensor([[torch.nan]]))[0]
    tensor([nan])
    """
    finite = matrix.isfinite().all()
    values, vectors = torch.linalg.eigh(matrix.where(finite, 0))
    return values.where(finite, torch.nan), vectors
