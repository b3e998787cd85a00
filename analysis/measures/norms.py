"""Measures of the parameters alone: counts, norms, distances, norm products. All in float64."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.linear_maps import convolution_norm
from benevolent.analysis.measures.matrix_norm import gram_eigenvalues, matrix_norm
from benevolent.analysis.measures.measured_network import MeasuredNetwork, as_matrix, computed_once, flatten
from benevolent.analysis.measures.weights import Weight
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.layer_types import layer_type


def parameter_count(network: MeasuredNetwork) -> Tensor:
    """The number of parameters, weights and biases."""
    count = sum(value.numel() for value in network.parameters.values())
    return torch.tensor(float(count))


def effective_parameters(network: MeasuredNetwork) -> Tensor:
    """The number of parameters after pruning: weights that are not pruned, and all parameters that are not weights."""
    counts = []
    for name, value in network.parameters.items():
        mask = network.masks.get(name)
        counts.append(value.numel() if mask is None else (mask != 0).sum())
    return torch.as_tensor(sum(counts))


def parameter_norm(network: MeasuredNetwork) -> Tensor:
    """The L2 norm of all parameters: ||theta||_2."""
    return flatten(network.parameters).double().norm()


def frobenius_distance(network: MeasuredNetwork) -> Tensor:
    """The L2 distance of all parameters from the random initialization: ||theta - theta_0||_2."""
    assert network.initial is not None
    trained = flatten(network.parameters).double()
    initial = flatten(network.initial).double()
    return (trained - initial).norm()


@computed_once
def frobenius_norms(network: MeasuredNetwork) -> Tensor:
    """Return the Frobenius norms `(L,)` of the weight tensors, biases left out."""
    return torch.stack([weight.norm() for weight in network.weights])


def log_frobenius_product(network: MeasuredNetwork) -> Tensor:
    """The natural logarithm of the product of Frobenius norms: sum_k log ||W_k||_F."""
    return frobenius_norms(network).log().sum()


def frobenius_sum(network: MeasuredNetwork) -> Tensor:
    """The sum of Frobenius norms: sum_k ||W_k||_F."""
    return frobenius_norms(network).sum()


def l1_norm(network: MeasuredNetwork) -> Tensor:
    """The L1 norm of all parameters: ||theta||_1."""
    return flatten(network.parameters).double().abs().sum()


def log_l1_product(network: MeasuredNetwork) -> Tensor:
    """The natural logarithm of the product of L1 norms of the weights' entries: sum_k log sum_ij |W_k,ij|."""
    return log_norm_product(network, 1)


def log_norm_product(network: MeasuredNetwork, p: float) -> Tensor:
    """Return the logarithm of the product of entrywise p-norms: sum_k log (sum_ij |W_k,ij|^p)^(1/p); inf: the largest.

    Raises:
        BadInput: p is not positive.
    """
    if not p > 0:
        raise BadInput(f"p: {p}; expected a positive number, or inf for the largest entry")
    norms = [torch.linalg.vector_norm(weight, p) for weight in network.weights]
    return torch.stack(norms).log().sum()


@computed_once
def spectral_norms(network: MeasuredNetwork) -> Tensor:
    """Return the operator norms `(L,)` of the linear maps of the layers, biases left out (see `operator_norm`)."""
    norms = []
    for place, layer in enumerate(network.architecture.weights):
        if _is_kernel(layer):
            norms.append(operator_norm(layer, network.folded[layer.name].double(), network.vmapped))
        else:
            norms.append(kernel_norm(network, place))
    return torch.stack(norms)


@computed_once
def kernel_eigenvalues(network: MeasuredNetwork, place: int) -> Tensor:
    """Return the eigenvalues of the smaller Gram matrix of one layer's weights, kernels of convolutions reshaped."""
    layer = network.architecture.weights[place]
    return gram_eigenvalues(as_matrix(layer, network.folded[layer.name].double()))


def kernel_norm(network: MeasuredNetwork, place: int) -> Tensor:
    """Return the largest singular value of one layer's weights, kernels of convolutions reshaped."""
    return kernel_eigenvalues(network, place)[-1].clamp(min=0).sqrt()


def operator_norms(network: MeasuredNetwork, weights: Sequence[Tensor]) -> Tensor:
    """Return the operator norms `(L,)` of the network's layers with other weights of the same shapes."""
    layers = zip(network.architecture.weights, weights, strict=True)
    norms = [operator_norm(layer, weight, network.vmapped) for layer, weight in layers]
    return torch.stack(norms)


def operator_norm(layer: Weight, weight: Tensor, vmapped: bool = False) -> Tensor:
    """Return the largest singular value of a layer's linear map, with stride and padding at its input size.

    Exact for a matrix (see `matrix_norm`); for a convolution see `convolution_norm`.
    """
    if not _is_kernel(layer):
        return matrix_norm(weight)
    assert isinstance(layer.layer, nn.Conv2d) and layer.input_shape is not None
    return convolution_norm(layer.layer, weight, layer.input_shape, vmapped)


def _is_kernel(layer: Weight) -> bool:
    return layer_type(layer.layer).weights == "kernel"


def log_spectral_product(network: MeasuredNetwork) -> Tensor:
    """The natural logarithm of the product of spectral norms: sum_k log ||W_k||_2."""
    return spectral_norms(network).log().sum()


def spectral_sum(network: MeasuredNetwork) -> Tensor:
    """The sum of spectral norms: sum_k ||W_k||_2."""
    return spectral_norms(network).sum()
