"""Gram matrices of two-layer ReLU networks, which decide how fast gradient descent fits the examples (Du et al. 2019).

For `f(x) = 1 / sqrt(m) sum_r a_r relu(w_r x)` with fixed signs a_r (`model.family: fixed_signs`), gradient descent on
half the sum of squared errors with step size eta moves the outputs u on the examples by `-eta H (u - y)`, as long as no
activation changes: `H_ij = x_i x_j / m sum_r [w_r x_i >= 0] [w_r x_j >= 0]`.
"""

import math

import torch
from torch import Tensor


def gram_matrix(inputs: Tensor, weights: Tensor) -> Tensor:
    """Return the Gram matrices H `(..., n, n)` of networks on examples, in float64.

    Args:
        inputs: `(n, d)`.
        weights: `(..., m, d)`, of the hidden units.

    >>> gram_matrix(torch.eye(2), torch.tensor([[1.0, 1.0], [1.0, -1.0]])).tolist()
    [[1.0, 0.0], [0.0, 0.5]]
    """
    points = inputs.double()
    active = activations(points, weights).double()
    units = weights.shape[-2]
    return (points @ points.T) * (active @ active.transpose(-1, -2)) / units


def activations(inputs: Tensor, weights: Tensor) -> Tensor:
    """Return which hidden units are active on which examples, booleans `(..., n, m)`; arguments as `gram_matrix`."""
    return inputs.double() @ weights.double().transpose(-1, -2) >= 0


def infinite_gram_matrix(inputs: Tensor) -> Tensor:
    """Return the expectation H infinity `(n, n)` of the Gram matrix over standard normal weights, in float64.

    `H_ij = c_ij (pi - arccos(c_ij)) / (2 pi)` with `c_ij = x_i x_j` (Du et al. 2019, definition of H infinity).

    Args:
        inputs: `(n, d)`, of norm one.

    >>> infinite_gram_matrix(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    points = inputs.double()
    cosines = (points @ points.T).clamp(-1, 1)
    cosines.fill_diagonal_(1)  # of norm one but for rounding
    return cosines * (math.pi - cosines.arccos()) / (2 * math.pi)


def least_eigenvalue(matrices: Tensor) -> Tensor:
    """Return the smallest eigenvalue `(...)` of symmetric matrices `(..., n, n)`."""
    return torch.linalg.eigvalsh(matrices)[..., 0]


def pattern_changes(inputs: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the fraction `(...)` of pairs of an example and a hidden unit whose activation differs.

    Args:
        inputs: `(n, d)`.
        first: `(..., m, d)`, weights of the hidden units.
        second: `(..., m, d)`, other weights of them.

    >>> pattern_changes(torch.eye(2), torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, -1.0]])).item()
    0.5
    """
    differs = activations(inputs, first) != activations(inputs, second)
    return differs.double().mean((-2, -1))


def largest_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the largest distance `(...)` by which weights `(..., m, d)` of a unit differ, `max_r ||w_r - w'_r||`.

    >>> largest_distance(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [1.0, 0.0]])).item()
    5.0
    """
    return (second.double() - first.double()).norm(dim=-1).amax(-1)


def linear_losses(gram: Tensor, residual: Tensor, step_size: float, steps: Tensor) -> Tensor:
    """Return the losses `(..., S)` of gradient descent if the Gram matrix stayed as it is: a linear model's.

    `||(I - eta H)^k (u - y)||^2 / 2` after k steps.

    Args:
        gram: `(..., n, n)`.
        residual: `(..., n)`, outputs minus targets at step 0.
        step_size: eta.
        steps: `(S,)`, the k.

    >>> linear_losses(torch.eye(1).double(), torch.tensor([2.0]), 0.5, torch.tensor([0, 1])).tolist()
    [2.0, 0.5]
    """
    eigenvalues, vectors = torch.linalg.eigh(gram)
    along = (vectors.transpose(-1, -2) @ residual.double().unsqueeze(-1)).squeeze(-1)
    factors = (1 - step_size * eigenvalues).abs().unsqueeze(-1) ** (2 * steps)
    return (along.square().unsqueeze(-1) * factors).sum(-2) / 2
