"""The operator norm of a matrix."""

from torch import Tensor

from benevolent.analysis.measures.lanczos import eigenvalues


def matrix_norm(matrix: Tensor) -> Tensor:
    """Return the largest singular values `(...)` of matrices `(..., r, c)`; NaN for those that are not finite.

    They are the roots of the largest eigenvalues of the smaller Gram matrices.

    >>> import torch
    >>> matrix_norm(torch.tensor([[[3.0, 4.0]], [[0.0, 2.0]]]))
    tensor([5., 2.])
    """
    gram = matrix @ matrix.mH if matrix.shape[-2] <= matrix.shape[-1] else matrix.mH @ matrix
    return eigenvalues(gram)[..., -1].clamp(min=0).sqrt()
