"""Eigenvalues of symmetric matrices, the same to the last bit wherever in memory a matrix lies."""

import torch
from torch import Tensor
from torch.nn import functional


def eigenvalues(matrix: Tensor) -> Tensor:
    """Return the eigenvalues `(..., n)` of symmetric matrices `(..., n, n)`, in rising order.

    Those of matrices that are not finite are NaN, where `torch.linalg.eigvalsh` raises an error.

    >>> eigenvalues(torch.tensor([[torch.inf]]))
    tensor([nan])
    """
    finite = _are_finite(matrix)
    padded, added = _aligned(matrix.where(finite[..., None, None], 0))
    values = torch.linalg.eigvalsh(padded)[..., added:]
    return values.where(finite[..., None], torch.nan)


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues `(..., n)` as `eigenvalues` does, and the eigenvectors as columns `(..., n, n)`.

    >>> eigh(torch.tensor([[torch.nan]]))[0]
    tensor([nan])
    """
    finite = _are_finite(matrix)
    padded, added = _aligned(matrix.where(finite[..., None, None], 0))
    values, vectors = torch.linalg.eigh(padded)
    size = matrix.shape[-1]
    return values[..., added:].where(finite[..., None], torch.nan), vectors[..., :size, added:]


def _are_finite(matrix: Tensor) -> Tensor:
    return matrix.isfinite().flatten(-2).all(-1)


def _aligned(matrix: Tensor) -> tuple[Tensor, int]:
    """Return symmetric matrices `(..., n + a, n + a)`, and a: their first a eigenvalues are not those of the matrices.

    The rounding of LAPACK depends on where in memory a matrix begins, so on its place in a stack. With a multiple of
    four rows, every matrix of a stack begins at a multiple of 64 bytes.
    """
    size = matrix.shape[-1]
    added = -size % 4
    if not added:
        return matrix, 0
    below = -2 * matrix.abs().sum(-1).amax(-1)
    padded = functional.pad(matrix, (0, added, 0, added))
    padded.diagonal(dim1=-2, dim2=-1)[..., size:] = below.unsqueeze(-1)
    return padded, added
