"""Lipschitz constants: bounds by the gradient of the first bias, and largest values over sampled inputs.

With z = W1 x + b1 the first layer's outputs, df/dx = (df/dz) W1 and df/dz = df/db1 at each input, so that
sigma_min(W1) ||df/db1|| <= ||df/dx|| <= sigma_max(W1) ||df/db1|| (Loukas et al. 2021). The product of operator norms
(`log_spectral_product`) bounds the constant over all inputs from above; each sampled value bounds it from below.
"""

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from benevolent.analysis.measures.lanczos import eigenvalues
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once
from benevolent.analysis.measures.rng import normal, pairs, uniform
from benevolent.analysis.measures.sensitivity import jacobian_norms_at, slice_size, spectral_norms

#: Inputs that are sampled.
SAMPLES = 256


def bias_gradient_mean(network: MeasuredNetwork) -> Tensor:
    """The mean over the training inputs of ||d f / d b1||_2, the logits' Jacobian by the first layer's bias."""
    return bias_gradients(network).double().mean()


def lipschitz_mean_lower(network: MeasuredNetwork) -> Tensor:
    """The lower bound sigma_min(W1) ||d f / d b1||_2 of the local Lipschitz constant, mean over training inputs."""
    return _singular_value(network, 0) * bias_gradient_mean(network)


def lipschitz_mean_upper(network: MeasuredNetwork) -> Tensor:
    """The upper bound sigma_max(W1) ||d f / d b1||_2 of the local Lipschitz constant, mean over training inputs."""
    return _singular_value(network, -1) * bias_gradient_mean(network)


@computed_once
def bias_gradients(network: MeasuredNetwork) -> Tensor:
    """||d f / d b1||_2 `(N,)` at the training inputs."""
    assert (names := network.architecture.first_layer)
    bias = network.parameters[names[0]]

    def outputs(value: Tensor, example: Tensor) -> Tensor:
        return network.logits_of({**network.parameters, names[0]: value}, example.unsqueeze(0)).squeeze(0)

    jacobian = vmap(jacrev(outputs), in_dims=(None, 0))
    parts = network.batches(most=slice_size(network.architecture.classes, len(bias)))
    return torch.cat([spectral_norms(jacobian(bias, inputs)) for inputs, _ in parts])


def _singular_value(network: MeasuredNetwork, place: int) -> Tensor:
    """Of the first weights, one for each unit: 0 for the smallest, which is 0 with more units than inputs."""
    assert (names := network.architecture.first_layer)
    if names[1] is None:
        return torch.ones((), dtype=torch.float64)
    weight = network.parameters[names[1]].double()
    return eigenvalues(weight @ weight.mT)[place].clamp(min=0).sqrt()


def no_dense_first_layer(network: MeasuredNetwork) -> str | None:
    """Why the gradient of the first bias says nothing of that of the inputs; None where it does."""
    names = network.architecture.first_layer
    if names is None or any(name not in network.parameters for name in names if name):
        return "needs a first layer that is linear with a bias, both trained"
    return None if network.architecture.first_on_inputs else "needs a first layer that acts on the inputs themselves"


def lipschitz_max_mixtures(network: MeasuredNetwork) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 at 256 points between pairs of training inputs."""
    return jacobian_norms_at(network, between(network, SAMPLES, 0, 1))[:, 0].amax()


def lipschitz_max_noise(network: MeasuredNetwork) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 at 256 normal inputs of the training inputs' moments."""
    inputs = network.train.inputs.flatten(1)
    noise = normal((SAMPLES, inputs.shape[1]), inputs, "noise inputs")
    points = inputs.mean(0) + inputs.std(0, correction=0) * noise
    return jacobian_norms_at(network, points.unflatten(1, network.train.sets.stored.shape[2:]))[:, 0].amax()


def between(network: MeasuredNetwork, count: int, low: float, high: float) -> Tensor:
    """Points `(count, *input_shape)` a + t (b - a) on the lines through training inputs a and b, with t in [low, high).

    The same for every network: pairs and t are drawn from one key.
    """
    ends = pairs(len(network.train), count, "pairs").to(network.train.labels.device)
    first, second = network.train.sets.gather(ends.T).unbind()
    share = low + (high - low) * uniform((count,), first, "shares")
    return torch.lerp(first, second, share.view(-1, *[1] * (first.ndim - 1)))
