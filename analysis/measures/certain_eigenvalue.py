"""The largest eigenvalue of a matrix that is known only by its products with vectors, to a stated error.

Lanczos iteration gives eigenvalues, but none that says that there is no larger one: its residual may be small at the
second largest, as long as the start vector hardly has the eigenvector of the largest. A random start vector seldom
does, and the iteration itself shows how seldom.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benevolent.analysis.measures.eigenvalues import eigenvalues
from benevolent.analysis.measures.lanczos import VMAPPED_BUDGET, tridiagonal_matrix
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.three_term_lanczos import is_checked, three_term_lanczos

#: Random start vectors. Each has to be enough by itself, so that the value is wrong only if all are unlucky.
STARTS = 2
#: Computing the eigenvalues takes as long as a product or more, so that it is done at steps about a sixth apart (see
#: `is_checked`).
CHECKED = 6
#: Probability that one of them is unlucky: 1e-6 for all.
UNLUCKY = 1e-3


def certain_eigenvalue(
    product: Callable[[Tensor], Tensor], starts: Tensor, tolerance: float, budget: int, vmapped: bool = False
) -> Tensor:
    """Return the largest eigenvalue of a positive semidefinite matrix A by Lanczos iteration, up to a stated error.

    The value theta is the largest of the tridiagonal matrices, and so a Rayleigh quotient of A: it is not larger than
    the largest eigenvalue lambda, up to rounding. Each start vector v shows by itself, with high probability, that
    lambda is at most x = (1 + `tolerance`) theta (van Dorsselaer, Hochstenbach and van der Vorst 2000, "Computing
    probabilistic bounds for extreme eigenvalues of symmetric matrices with the Lanczos method"). After k steps, with
    eigenvalues theta_i and off-diagonal beta_i of the tridiagonal matrix and p(y) = prod_i (y - theta_i),

        || p(A) v || = beta_1 ... beta_k || v ||.

    Let c be the component of v / || v || along an eigenvector of lambda. Then |c| p(lambda) <= beta_1 ... beta_k, and
    p grows beyond theta, so that lambda > x only if |c| < t = beta_1 ... beta_k / p(x). For a random direction in P
    dimensions that has a probability of at most t sqrt(2 P / pi), and the iteration goes on until it is `UNLUCKY`.
    The bound of Kuczynski and Wozniakowski (1992), which is known before the iteration, has Chebyshev's polynomial in
    the place of p; the iteration's own one needs far fewer steps where the largest eigenvalues are apart.

    Args:
        product: maps vectors `(S, P)` to the matrix times each.
        starts: `(S, P)`, independent standard normal vectors (see `start_vectors`).
        tolerance: relative.
        budget: upper bound on the steps.
        vmapped: under vmap no value can end the loop: it takes `VMAPPED_BUDGET` steps.

    Returns:
        scalar in float64; NaN where the error may still be larger after all steps.

    >>> values = torch.tensor([1.0, 3.0, 4.0], dtype=torch.float64)
    >>> starts = torch.tensor([[1.0, 2.0, 1.0], [2.0, 1.0, 3.0]], dtype=torch.float64)
    >>> round(certain_eigenvalue(lambda vectors: values * vectors, starts, 1e-6, 10).item(), 6)
    4.0
    """
    found = starts.new_full((), torch.nan, dtype=torch.float64)
    for diagonal, off_diagonal in three_term_lanczos(product, starts, VMAPPED_BUDGET if vmapped else budget):
        if not is_checked(len(diagonal), CHECKED):
            continue
        values = eigenvalues(tridiagonal_matrix(diagonal, off_diagonal[:-1]))
        largest = values.amax()
        betas = torch.stack(off_diagonal, -1).double()
        chances = _log_chances(values, betas, (1 + tolerance) * largest, starts.shape[-1])
        is_certain = (chances <= math.log(UNLUCKY)) | (betas[:, -1] == 0)  # no step is left
        first_time = found.isnan() & is_certain.all()
        found = torch.where(first_time, largest.clamp(min=0), found)
        if not vmapped and (found.isfinite() | largest.isnan()):
            break
    return found


def start_vectors(like: Tensor) -> Tensor:
    """Return `STARTS` standard normal vectors `(STARTS, P)`, in the type and on the device of a vector `(P,)`.

    They are drawn by one key, so that a value does not depend on what else is computed.
    """
    return normal((STARTS, len(like)), like, "start vectors")


def _log_chances(values: Tensor, betas: Tensor, bound: Tensor, dimensions: int) -> Tensor:
    """Return bounds `(S,)` on log probabilities that a start vector hides an eigenvalue above a bound.

    Args:
        values: eigenvalues of the tridiagonal matrices `(S, k)`.
        betas: their off-diagonals, and the length of the next vector `(S, k)`.
        bound: scalar above all values.
        dimensions: P.
    """
    polynomial = (bound - values).log().sum(-1)
    return betas.log().sum(-1) - polynomial + math.log(2 * dimensions / math.pi) / 2
