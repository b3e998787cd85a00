"""The Hessian of the mean training loss: along the path, its largest eigenvalue, its trace, the density of eigenvalues.

All over the coordinates that are not pruned (see `training_loss`). For networks with at most `PROBES` parameters trace
and density are exact, from the products with the unit vectors; for others they are estimates from random vectors of one
key.
"""

import torch
from torch import Tensor

from benevolent.analysis.measures.eigenvalues import eigh
from benevolent.analysis.measures.lanczos import largest_eigenvalue, largest_eigenvalues, quadrature, start_vector
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, flatten
from benevolent.analysis.measures.relu_derivatives import in_one_row
from benevolent.analysis.measures.relu_sequence import relu_sequence
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.training_loss import hessian_product, own_gradient, theta, unpruned, without_pruned

#: Random vectors of the trace. With n of them its standard deviation is sqrt(2 / n) times the Frobenius norm of the
#: Hessian without its diagonal.
PROBES = 100
#: Random vectors of the density.
STARTS = 4
#: Products for each of them.
STEPS = 30
#: Quantiles of the density of eigenvalues.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: Tolerance of a quantile's fraction, since sums of weights are rounded.
FRACTION_TOLERANCE = 1e-9


def sharpness(network: MeasuredNetwork) -> Tensor:
    """The largest eigenvalue of the Hessian of the mean training loss, by Lanczos iteration.

    In the network's precision, over all training examples; budget and accuracy as in `largest_eigenvalue`.
    """
    start = start_vector(theta(network))
    sequence = relu_sequence(network)
    if sequence is not None:
        starts = sequence.without_pruned(start.expand_as(sequence.gradient))
        return network.own_row(largest_eigenvalues(sequence, towards(starts, sequence.gradient)))
    gradient, _ = own_gradient(network)
    start = towards(without_pruned(network, start), gradient)
    return largest_eigenvalue(hessian_product(network), start, network.vmapped)


def towards(starts: Tensor, gradients: Tensor) -> Tensor:
    """Return random vectors `(..., P)` plus the gradients, of the same length.

    Gradients lie mostly in the space of the largest eigenvalues of the Hessian (Gur-Ari et al. 2018, "Gradient descent
    happens in a tiny subspace"), so that Lanczos iteration takes fewer products. The random part finds eigenvectors
    that are orthogonal to the gradient.

    >>> towards(torch.tensor([3.0, 4.0]), torch.tensor([0.1, 0.0]))
    tensor([1.6000, 0.8000])
    >>> towards(torch.tensor([3.0, 4.0]), torch.zeros(2))
    tensor([0.6000, 0.8000])
    """
    uphill = gradients / gradients.norm(dim=-1, keepdim=True)
    is_direction = uphill.isfinite().all(-1, keepdim=True)  # not where the gradient is zero, or overflows
    return starts / starts.norm(dim=-1, keepdim=True) + uphill.where(is_direction, 0)


def curvature_along_path(network: MeasuredNetwork) -> Tensor:
    """The curvature of the mean training loss along the line from the initialization: d^T H d / ||d||^2.

    H is the Hessian at the network's parameters theta, d = theta - theta_0: a Rayleigh quotient, at most `sharpness`.
    One product with H.
    """
    assert network.initial is not None
    initial = flatten({name: network.initial[name] for name in network.parameters})
    path = theta(network) - initial
    sequence = relu_sequence(network)
    if sequence is None:
        product = hessian_product(network)(path)
    else:
        stack = network.as_stack()
        assert stack.initial is not None
        paths = in_one_row(stack.parameters, sequence.shapes) - in_one_row(stack.initial, sequence.shapes)
        product = network.own_row(sequence.hessian_product(paths))
    return path.double() @ product.double() / path.double().square().sum()


def hessian_trace(network: MeasuredNetwork) -> Tensor:
    """The trace of the Hessian H of the mean training loss: mean over random sign vectors v of v^T H v.

    Hutchinson 1990; E v v^T = I, so E v^T H v = tr H.
    """
    at = theta(network)
    if len(at) <= PROBES:
        return dense_hessian(network).diagonal().sum()
    product = hessian_product(network)
    estimates = []
    for index in range(PROBES):
        signs = normal((len(at),), at, "signs", index).sign()
        estimates.append(signs.double() @ product(signs).double())
    return torch.stack(estimates).mean()


def hessian_quantiles(network: MeasuredNetwork) -> Tensor:
    """The 5, 25, 50, 75, 95, 99 % quantiles of the eigenvalues of the Hessian of the mean training loss.

    The smallest eigenvalue with at least that fraction of all at or below it; the fractions by stochastic Lanczos
    quadrature (Golub and Meurant 1994; for networks Ghorbani et al. 2019, algorithm 1 as they name it).
    """
    values, weights = _weighted_eigenvalues(network)
    order = values.argsort()
    reached = weights[order].cumsum(0) / weights.sum()
    fractions = torch.tensor(QUANTILES, dtype=reached.dtype, device=reached.device)
    below = (reached < fractions.unsqueeze(1) - FRACTION_TOLERANCE).sum(1)
    return values[order][below.clamp(max=len(values) - 1)]


def _weighted_eigenvalues(network: MeasuredNetwork) -> tuple[Tensor, Tensor]:
    """Return eigenvalues `(m,)` of the Hessian, or nodes of its quadrature, and their weights `(m,)`."""
    at = theta(network)
    if len(at) <= PROBES:
        values, vectors = eigh(dense_hessian(network).double())
        return values, unpruned(network).double() @ vectors.square()  # 1, but 0 for the zeros of pruned coordinates
    product = hessian_product(network)
    nodes = []
    weights = []
    for index in range(STARTS):
        start = unpruned(network) * normal((len(at),), at, "density", index)
        nodes_of_start, weights_of_start = quadrature(product, start, STEPS)
        nodes.append(nodes_of_start)
        weights.append(weights_of_start)
    return torch.cat(nodes), torch.cat(weights)


@computed_once
def dense_hessian(network: MeasuredNetwork) -> Tensor:
    """Return the Hessian `(P, P)` of a small network; rows and columns of pruned coordinates are zero."""
    at = theta(network)
    product = hessian_product(network)
    units = torch.eye(len(at), dtype=at.dtype, device=at.device)
    return torch.stack([product(unit) for unit in units])
