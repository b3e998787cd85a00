"""The kernel machine that random Fourier features approach as their number grows (Rahimi and Recht 2007)."""

from typing import NamedTuple

import torch
from torch import Tensor

#: Part of the kernel matrix's mean diagonal that is added to it, for rounding errors only.
JITTER = 1e-12


class KernelMachine(NamedTuple):
    """The interpolating function of smallest norm in the space of a Gaussian kernel.

    `h(x) = sum_i alpha_i exp(-bandwidth^2 ||x - x_i||^2 / 2)` with `h(x_i) = t_i`: the limit of the least-squares
    solution of smallest norm for random Fourier features whose frequencies are normal with standard deviation
    `bandwidth` (Belkin et al. 2018, `h_{n, infinity}`).

    Attributes:
        inputs: `(n, D)` that it was fitted to.
        coefficients: alpha `(n, C)`.
        bandwidth: of the frequencies, the inverse of the kernel's width.
        norm: its norm in the kernel's space, `sqrt(sum_c alpha_c^T K alpha_c)`.
    """

    inputs: Tensor
    coefficients: Tensor
    bandwidth: float
    norm: float

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs `(N, C)` for inputs `(N, ...)`."""
        return gaussian_kernel(inputs.flatten(1).double(), self.inputs, self.bandwidth) @ self.coefficients


def gaussian_kernel(inputs: Tensor, others: Tensor, bandwidth: float) -> Tensor:
    """Return `exp(-bandwidth^2 ||x - x'||^2 / 2)` `(N, M)` of inputs `(N, D)` and others `(M, D)`.

    >>> points = torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    >>> gaussian_kernel(points[:1], points, 0.5).round(decimals=4).tolist()
    [[1.0, 0.6065]]
    """
    squares = inputs.square().sum(1, keepdim=True) + others.square().sum(1) - 2 * inputs @ others.T
    return torch.exp(-(bandwidth**2) / 2 * squares.clamp(min=0))


def fit_kernel_machine(inputs: Tensor, targets: Tensor, bandwidth: float) -> KernelMachine:
    """Fit the kernel machine that interpolates, in float64.

    Args:
        inputs: `(n, ...)`, all different.
        targets: `(n, C)`.
        bandwidth: standard deviation of the frequencies of the random features.

    >>> machine = fit_kernel_machine(torch.tensor([[0.0], [9.0]]), torch.tensor([[3.0], [4.0]]), 1.0)
    >>> machine(torch.tensor([[9.0]])).round(decimals=6).item(), round(machine.norm, 6)
    (4.0, 5.0)
    """
    points = inputs.flatten(1).double()
    goals = targets.double()
    kernel = gaussian_kernel(points, points, bandwidth)
    jitter = JITTER * torch.eye(len(points), dtype=kernel.dtype)
    factor = torch.linalg.cholesky(kernel + jitter)
    coefficients = torch.cholesky_solve(goals, factor)
    norm = (coefficients * (kernel @ coefficients)).sum().sqrt().item()
    return KernelMachine(points, coefficients, bandwidth, norm)
