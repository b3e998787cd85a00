"""Lipschitz constants: bounds by the gradient of the first bias, and largest values over sampled inputs.

With z = W1 x + b1 the first layer's outputs, df/dx = (df/dz) W1 and df/dz = df/db1 at each input, so that
sigma_min(W1) ||df/db1|| <= ||df/dx|| <= sigma_max(W1) ||df/db1|| (Loukas et al. 2021). The product of operator norms
(`log_spectral_product`) bounds the constant over all inputs from above; each sampled value bounds it from below.
"""

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from benevolent.analysis.measures.lanczos import eigenvalues
from benevolent.analysis.measures.rng import normal, pairs, uniform
from benevolent.analysis.measures.sensitivity import jacobian_norms_at, slice_size, spectral_norms
from benevolent.analysis.measures.subject import Subject, shared

#: Inputs that are sampled.
SAMPLES = 256


def bias_gradient_mean(subject: Subject) -> Tensor:
    """The mean over the training inputs of ||d f / d b1||_2, the logits' Jacobian by the first layer's bias."""
    return bias_gradients(subject).double().mean()


def lipschitz_mean_lower(subject: Subject) -> Tensor:
    """The lower bound sigma_min(W1) ||d f / d b1||_2 of the local Lipschitz constant, mean over training inputs."""
    return _singular_value(subject, 0) * bias_gradient_mean(subject)


def lipschitz_mean_upper(subject: Subject) -> Tensor:
    """The upper bound sigma_max(W1) ||d f / d b1||_2 of the local Lipschitz constant, mean over training inputs."""
    return _singular_value(subject, -1) * bias_gradient_mean(subject)


@shared
def bias_gradients(subject: Subject) -> Tensor:
    """||d f / d b1||_2 `(N,)` at the training inputs."""
    assert (names := subject.architecture.first_layer)
    bias = subject.parameters[names[0]]

    def outputs(value: Tensor, example: Tensor) -> Tensor:
        return subject.logits_of({**subject.parameters, names[0]: value}, example.unsqueeze(0)).squeeze(0)

    jacobian = vmap(jacrev(outputs), in_dims=(None, 0))
    parts = subject.batches(most=slice_size(subject.architecture.classes, len(bias)))
    return torch.cat([spectral_norms(jacobian(bias, inputs)) for inputs, _ in parts])


def _singular_value(subject: Subject, place: int) -> Tensor:
    """Of the first weights, one for each unit: 0 for the smallest, which is 0 with more units than inputs."""
    assert (names := subject.architecture.first_layer)
    if names[1] is None:
        return torch.ones((), dtype=torch.float64)
    weight = subject.parameters[names[1]].double()
    return eigenvalues(weight @ weight.mT)[place].clamp(min=0).sqrt()


def no_dense_first_layer(subject: Subject) -> str | None:
    """Why the gradient of the first bias says nothing of that of the inputs; None where it does."""
    names = subject.architecture.first_layer
    if names is None or any(name not in subject.parameters for name in names if name):
        return "needs a first layer that is linear with a bias, both trained"
    return None if subject.architecture.first_on_inputs else "needs a first layer that acts on the inputs themselves"


def lipschitz_max_mixtures(subject: Subject) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 at 256 points between pairs of training inputs."""
    return jacobian_norms_at(subject, between(subject, SAMPLES, 0, 1))[:, 0].amax()


def lipschitz_max_noise(subject: Subject) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 at 256 normal inputs of the training inputs' moments."""
    inputs = subject.train.inputs.flatten(1)
    noise = normal((SAMPLES, inputs.shape[1]), inputs, "noise inputs")
    points = inputs.mean(0) + inputs.std(0, correction=0) * noise
    return jacobian_norms_at(subject, points.unflatten(1, subject.train.sets.stored.shape[2:]))[:, 0].amax()


def between(subject: Subject, count: int, low: float, high: float) -> Tensor:
    """Points `(count, *input_shape)` a + t (b - a) on the lines through training inputs a and b, with t in [low, high).

    The same for every network: pairs and t are drawn from one key.
    """
    ends = pairs(len(subject.train), count, "pairs").to(subject.train.labels.device)
    first, second = subject.train.sets.gather(ends.T).unbind()
    share = low + (high - low) * uniform((count,), first, "shares")
    return torch.lerp(first, second, share.view(-1, *[1] * (first.ndim - 1)))
