"""The Hessian of the mean training loss: along the path, its largest eigenvalue, its trace, the density of eigenvalues.

Over the coordinates that are not pruned (see `training_loss`). Of networks with at most `PROBES` parameters trace and
density are exact, from the products with the unit vectors; of others they are estimates from random vectors of one key.
"""

import torch
from torch import Tensor

from benevolent.analysis.measures.lanczos import eigh, largest_eigenvalue, quadrature, start_vector
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, flat
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.training_loss import alive, hessian_product, theta

#: Random vectors of the trace. With n of them its standard deviation is sqrt(2 / n) times the Frobenius norm of the
#: Hessian without its diagonal.
PROBES = 100
#: Random vectors of the density, and products for each.
STARTS, STEPS = 4, 30
#: Of the density of eigenvalues.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def sharpness(network: MeasuredNetwork) -> Tensor:
    """The largest eigenvalue of the Hessian of the mean training loss, by Lanczos iteration.

    Of the loss that was minimized, in the network's precision, over all training examples; budget and accuracy as in
    `largest_eigenvalue`.
    """
    start = alive(network) * start_vector(theta(network))
    return largest_eigenvalue(hessian_product(network), start, network.stacked)


def curvature_along_path(network: MeasuredNetwork) -> Tensor:
    """The curvature of the mean training loss along the line from the initialization: d^T H d / ||d||^2.

    H is the Hessian at the network's parameters theta, d = theta - theta_0: a Rayleigh quotient, at most `sharpness`.
    One product with H.
    """
    assert network.initial is not None
    way = theta(network) - flat({name: network.initial[name] for name in network.parameters})
    return way.double() @ hessian_product(network)(way).double() / way.double().square().sum()


def hessian_trace(network: MeasuredNetwork) -> Tensor:
    """The trace of the Hessian H of the mean training loss: mean over random sign vectors v of v^T H v.

    Hutchinson 1990; E v v^T = I, so E v^T H v = tr H.
    """
    at = theta(network)
    if len(at) <= PROBES:
        return dense_hessian(network).diagonal().sum()
    product = hessian_product(network)
    signs = (normal((len(at),), at, "signs", index).sign() for index in range(PROBES))
    return torch.stack([vector.double() @ product(vector).double() for vector in signs]).mean()


def hessian_quantiles(network: MeasuredNetwork) -> Tensor:
    """The 5, 25, 50, 75, 95, 99 % quantiles of the eigenvalues of the Hessian of the mean training loss.

    The smallest eigenvalue with at least that fraction of all at or below it; the fractions by stochastic Lanczos
    quadrature (Golub and Meurant 1994; of networks Ghorbani et al. 2019, algorithm 1 as they name it).
    """
    at = theta(network)
    if len(at) <= PROBES:
        values, vectors = eigh(dense_hessian(network).double())
        weights = alive(network).double() @ vectors.square()  # 1, but 0 for the zeros of pruned coordinates
    else:
        product = hessian_product(network)
        starts = [alive(network) * normal((len(at),), at, "density", index) for index in range(STARTS)]
        rules = [quadrature(product, start, STEPS) for start in starts]
        values, weights = (torch.cat(part) for part in zip(*rules, strict=True))
    order = values.argsort()
    reached = weights[order].cumsum(0) / weights.sum()
    asked = torch.tensor(QUANTILES, dtype=reached.dtype, device=reached.device)
    below = (reached < asked.unsqueeze(1) - 1e-9).sum(1)  # 1e-9: sums of weights are rounded
    return values[order][below.clamp(max=len(values) - 1)]


@computed_once
def dense_hessian(network: MeasuredNetwork) -> Tensor:
    """The Hessian `(P, P)`, of small networks; rows and columns of pruned coordinates are zero."""
    at, product = theta(network), hessian_product(network)
    return torch.stack([product(unit) for unit in torch.eye(len(at), dtype=at.dtype, device=at.device)])
