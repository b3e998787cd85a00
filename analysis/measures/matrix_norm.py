"""The operator norm of a matrix."""

from torch import Tensor

from benevolent.analysis.measures.eigenvalues import eigenvalues


def matrix_norm(matrix: Tensor) -> Tensor:
    """Return the largest singular values `(...)` of matrices `(..., r, c)`; NaN for those that are not finite.

    They are the roots of the largest eigenvalues of the smaller Gram matrices.

    >>> import torch
    >>> matrix_norm(torch.tensor([[[3.0, 4.0]], [[0.0, 2.0]]]))
    tensor([5., 2.])
    """
    return gram_eigenvalues(matrix)[..., -1].clamp(min=0).sqrt()


def gram_eigenvalues(matrix: Tensor) -> Tensor:
    """Return the eigenvalues of the smaller Gram matrices of matrices `(..., r, c)`, in rising order.

    >>> import torch
    >>> gram_eigenvalues(torch.tensor([[3.0, 4.0]]))
    tensor([25.])
    """
    gram = matrix @ matrix.mH if matrix.shape[-2] <= matrix.shape[-1] else matrix.mH @ matrix
    return eigenvalues(gram)
