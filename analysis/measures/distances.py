"""Norms of the weights' changes since the random initialization, one per layer, biases left out. All in float64."""

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork, as_matrix, computed_once
from benevolent.analysis.measures.norms import operator_norms, spectral_norms


@computed_once
def frobenius_distances(network: MeasuredNetwork) -> Tensor:
    """Return the Frobenius norms `(L,)` of the weight tensors' changes since the initialization."""
    return torch.stack([change.norm() for change in network.weight_changes])


@computed_once
def spectral_distances(network: MeasuredNetwork) -> Tensor:
    """Return the operator norms `(L,)` of the layers' changes since the initialization (see `operator_norm`)."""
    return operator_norms(network, network.weight_changes)


def layer_distances(network: MeasuredNetwork) -> Tensor:
    """For each weight tensor, in order of the calls, its distance from the random initialization ||W_k - W_k^0||_F."""
    return frobenius_distances(network)


def frobenius_distance_sum(network: MeasuredNetwork) -> Tensor:
    """The sum of Frobenius distances from the random initialization: sum_k ||W_k - W_k^0||_F."""
    return frobenius_distances(network).sum()


def log_frobenius_distance_product(network: MeasuredNetwork) -> Tensor:
    """The natural logarithm of the product of Frobenius distances: sum_k log ||W_k - W_k^0||_F."""
    return frobenius_distances(network).log().sum()


def spectral_distance_sum(network: MeasuredNetwork) -> Tensor:
    """The sum of spectral distances from the random initialization: sum_k ||W_k - W_k^0||_2."""
    return spectral_distances(network).sum()


def squared_spectral_distance_sum(network: MeasuredNetwork) -> Tensor:
    """The sum of squared spectral distances from the random initialization: sum_k ||W_k - W_k^0||_2^2."""
    return spectral_distances(network).square().sum()


def log_spectral_distance_product(network: MeasuredNetwork) -> Tensor:
    """The natural logarithm of the product of spectral distances: sum_k log ||W_k - W_k^0||_2."""
    return spectral_distances(network).log().sum()


def log_spectral_complexity(network: MeasuredNetwork) -> Tensor:
    """The logarithm of the spectral complexity: prod_k s_k (sum_k (||W_k - W_k^0||_{2,1} / s_k)^(2/3))^(3/2).

    s_k = ||W_k||_2 is the operator norm. The (2,1) norm is the sum over units of the L2 norms of their incoming
    weights; for a convolution, over filters: a filter counts once, not once for every position.
    """
    changes = zip(network.architecture.weights, network.weight_changes, strict=True)
    sums = torch.stack([as_matrix(layer, change).norm(dim=1).sum() for layer, change in changes])
    spectral = spectral_norms(network)
    ratios = (sums / spectral).pow(2 / 3)
    return spectral.log().sum() + 1.5 * ratios.sum().log()
