"""Lipschitz constants: bounds by the gradient of the first bias, and largest values over sampled inputs.

With z = W1 x + b1 the first layer's outputs, df/dx = (df/dz) W1 and df/dz = df/db1 at each input, so that
sigma_min(W1) ||df/db1|| <= ||df/dx|| <= sigma_max(W1) ||df/db1|| (Loukas et al. 2021). The product of operator norms
(`log_spectral_product`) bounds the constant over all inputs from above; each sampled value bounds it from below.
"""

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from benevolent.analysis.measures.eigenvalues import eigenvalues
from benevolent.analysis.measures.matrix_norm import matrix_norm
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once
from benevolent.analysis.measures.rng import normal, pairs, uniform
from benevolent.analysis.measures.sensitivity import jacobian_norms_at, slice_size

#: Number of sampled inputs.
SAMPLES = 256


def bias_gradient_mean(network: MeasuredNetwork) -> Tensor:
    """The mean over the training inputs of ||d f / d b1||_2, the logits' Jacobian by the first layer's bias."""
    return bias_gradients(network).double().mean()


def lipschitz_mean_lower(network: MeasuredNetwork) -> Tensor:
    """The lower bound sigma_min(W1) ||d f / d b1||_2 of the local Lipschitz constant, mean over training inputs."""
    return _first_singular_value(network, 0) * bias_gradient_mean(network)


def lipschitz_mean_upper(network: MeasuredNetwork) -> Tensor:
    """The upper bound sigma_max(W1) ||d f / d b1||_2 of the local Lipschitz constant, mean over training inputs."""
    return _first_singular_value(network, -1) * bias_gradient_mean(network)


@computed_once
def bias_gradients(network: MeasuredNetwork) -> Tensor:
    """Return ||d f / d b1||_2 `(N,)` at the training inputs."""
    names = network.architecture.first_layer
    assert names is not None
    bias_name, _ = names
    bias = network.parameters[bias_name]

    def outputs(value: Tensor, example: Tensor) -> Tensor:
        parameters = {**network.parameters, bias_name: value}
        return network.logits_of(parameters, example.unsqueeze(0)).squeeze(0)

    def jacobian(inputs: Tensor) -> Tensor:
        try:
            return vmap(jacrev(outputs), in_dims=(None, 0))(bias, inputs)
        except RuntimeError:  # vmap takes no module whose steps depend on values
            return torch.stack([jacrev(outputs)(bias, example) for example in inputs])

    size = slice_size(network.architecture.classes, len(bias))
    norms = [matrix_norm(jacobian(inputs)) for inputs, _ in network.batches(max_examples=size)]
    return torch.cat(norms)


def _first_singular_value(network: MeasuredNetwork, place: int) -> Tensor:
    """Return a singular value of the first weights in rising order, one per unit (0 with more units than inputs)."""
    names = network.architecture.first_layer
    assert names is not None
    _, weight_name = names
    if weight_name is None:  # the identity
        return torch.ones((), dtype=torch.float64)
    weight = network.parameters[weight_name].double()
    if place == 0 and weight.shape[0] > weight.shape[1]:
        return weight.new_zeros(())
    return eigenvalues(weight @ weight.mT)[place].clamp(min=0).sqrt()


def lipschitz_max_mixtures(network: MeasuredNetwork) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 at 256 points between pairs of training inputs."""
    points = points_on_lines(network, SAMPLES, 0, 1)
    return jacobian_norms_at(network, points)[:, 0].amax()


def lipschitz_max_noise(network: MeasuredNetwork) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 at 256 normal inputs of the training inputs' moments."""
    inputs = network.train.inputs
    flat_inputs = inputs.flatten(1)
    noise = normal((SAMPLES, flat_inputs.shape[1]), flat_inputs, "noise inputs")
    points = flat_inputs.mean(0) + flat_inputs.std(0, correction=0) * noise
    return jacobian_norms_at(network, points.unflatten(1, inputs.shape[1:]))[:, 0].amax()


def points_on_lines(network: MeasuredNetwork, count: int, low: float, high: float) -> Tensor:
    """Draw points `(count, *input_shape)` a + t (b - a) on lines through training inputs a and b, t in [low, high).

    The same for every network: pairs and t are drawn from one key.
    """
    ends = pairs(len(network.train), count, "pairs")
    ends = ends.to(network.train.labels.device)
    first, second = network.train.sets.gather(ends.T).unbind()
    share = low + (high - low) * uniform((count,), first, "shares")
    axes_of_inputs = [1] * (first.ndim - 1)
    return torch.lerp(first, second, share.view(-1, *axes_of_inputs))
