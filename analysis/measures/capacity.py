"""Ratios of norms, and norms over margins, as Dziugaite et al. 2020 and others compare them. All in float64.

Here gamma is the 10th percentile of the training margins. It enters by its square, so these bounds are meaningful only
for networks that classify more than 90% of the training examples correctly. ||K_k||_2 is the largest singular value of
the weights as a matrix, a convolution's kernel reshaped to (filters, rest); ||W_k||_2 the norm of the layer's linear
map.
"""

import math

import torch
from torch import Tensor

from benevolent.analysis.measures.distances import frobenius_distances
from benevolent.analysis.measures.margins import margin_p10
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once
from benevolent.analysis.measures.norms import (
    frobenius_norms,
    kernel_norm,
    log_frobenius_product,
    log_spectral_product,
)
from benevolent.analysis.measures.path_norm import path_norm


@computed_once
def kernel_norms(network: MeasuredNetwork) -> Tensor:
    """Return the largest singular values `(L,)` of the weights as matrices, kernels of convolutions reshaped."""
    return torch.stack([kernel_norm(network, place) for place in range(len(network.architecture.weights))])


def _log_margin(network: MeasuredNetwork) -> Tensor:
    return margin_p10(network).abs().log()


def _stable_ranks(network: MeasuredNetwork) -> Tensor:
    return (frobenius_norms(network) / kernel_norms(network)).square()


def log_kernel_product(network: MeasuredNetwork) -> Tensor:
    """The logarithm of the product of spectral norms of reshaped kernels: sum_k log ||K_k||_2."""
    return kernel_norms(network).log().sum()


def frobenius_over_spectral(network: MeasuredNetwork) -> Tensor:
    """The sum of Frobenius over spectral norms, squared: sum_k ||K_k||_F^2 / ||K_k||_2^2, kernels reshaped."""
    return _stable_ranks(network).sum()


def stable_rank_mean(network: MeasuredNetwork) -> Tensor:
    """The mean over the layers of the stable rank ||K_k||_F^2 / ||K_k||_2^2, kernels reshaped."""
    return _stable_ranks(network).mean()


def stable_rank_max(network: MeasuredNetwork) -> Tensor:
    """The largest stable rank ||K_k||_F^2 / ||K_k||_2^2 of a layer, kernels reshaped."""
    return _stable_ranks(network).amax()


def distance_over_spectral(network: MeasuredNetwork) -> Tensor:
    """The sum of distances from init over spectral norms, squared: sum_k ||W_k - W_k^0||_F^2 / ||K_k||_2^2."""
    return (frobenius_distances(network) / kernel_norms(network)).square().sum()


def inverse_margin(network: MeasuredNetwork) -> Tensor:
    """The inverse squared 10th percentile of the training margins: 1 / gamma^2."""
    return margin_p10(network).square().reciprocal()


def log_spectral_over_margin(network: MeasuredNetwork) -> Tensor:
    """The product of spectral norms over the margin: log(prod_k ||W_k||_2^2 / gamma^2)."""
    return 2 * (log_spectral_product(network) - _log_margin(network))


def log_frobenius_over_margin(network: MeasuredNetwork) -> Tensor:
    """The product of Frobenius norms over the margin: log(prod_k ||W_k||_F^2 / gamma^2)."""
    return 2 * (log_frobenius_product(network) - _log_margin(network))


def log_sum_of_spectral(network: MeasuredNetwork) -> Tensor:
    """The geometric mean of squared spectral norms, times L layers: log(L (prod_k ||W_k||_2^2)^(1/L))."""
    return _log_geometric_mean(network, 2 * log_spectral_product(network))


def log_sum_of_spectral_over_margin(network: MeasuredNetwork) -> Tensor:
    """The mean spectral norm over the margin: log(L (prod_k ||W_k||_2^2 / gamma^2)^(1/L)), with L layers."""
    return _log_geometric_mean(network, log_spectral_over_margin(network))


def log_sum_of_frobenius(network: MeasuredNetwork) -> Tensor:
    """The geometric mean of squared Frobenius norms, times L layers: log(L (prod_k ||W_k||_F^2)^(1/L))."""
    return _log_geometric_mean(network, 2 * log_frobenius_product(network))


def log_sum_of_frobenius_over_margin(network: MeasuredNetwork) -> Tensor:
    """The mean Frobenius norm over the margin: log(L (prod_k ||W_k||_F^2 / gamma^2)^(1/L)), with L layers."""
    return _log_geometric_mean(network, log_frobenius_over_margin(network))


def _log_geometric_mean(network: MeasuredNetwork, log_product: Tensor) -> Tensor:
    """Return log(L product^(1/L)) with L layers."""
    layers = len(network.architecture.weights)
    return math.log(layers) + log_product / layers


def log_spectral_origin(network: MeasuredNetwork) -> Tensor:
    """The spectral bound from the origin: log(prod_k ||K_k||_2^2 / gamma^2 sum_k ||K_k||_F^2 / ||K_k||_2^2)."""
    log_ratio = log_kernel_product(network) - _log_margin(network)
    return 2 * log_ratio + frobenius_over_spectral(network).log()


def log_spectral_init(network: MeasuredNetwork) -> Tensor:
    """The spectral bound from init: log(prod_k ||K_k||_2^2 / gamma^2 sum_k ||W_k - W_k^0||_F^2 / ||K_k||_2^2)."""
    log_ratio = log_kernel_product(network) - _log_margin(network)
    return 2 * log_ratio + distance_over_spectral(network).log()


def path_norm_over_margin(network: MeasuredNetwork) -> Tensor:
    """The squared L2 path norm over the squared margin: (path norm)^2 / gamma^2."""
    return (path_norm(network) / margin_p10(network)).square()
