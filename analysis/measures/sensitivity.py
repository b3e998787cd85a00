"""Sensitivity of the logits to the input, and of the loss to the scale of the parameters."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.func import grad, vjp

from benevolent.analysis.measures.lanczos import largest_eigenvalue, start_vector
from benevolent.analysis.measures.limits import EXACT_CLASSES
from benevolent.analysis.measures.matrix_norm import matrix_norm
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, flatten
from benevolent.analysis.measures.quantiles import quantile
from benevolent.analysis.measures.relu_derivatives import ReluSequence, in_one_row
from benevolent.analysis.measures.relu_sequence import relu_sequence
from benevolent.analysis.measures.rng import normal
from benevolent.analysis.measures.time_budget import check_time
from benevolent.analysis.measures.two_classes import two_class_logits

#: Upper bound on the numbers in one slice of the Jacobians: 1,000 classes or large images must not fill the memory.
JACOBIAN_NUMBERS = 2**24
#: Random mixtures of more classes that give the Frobenius norm.
MIXTURES = 32


@computed_once
def jacobian_norms(network: MeasuredNetwork, split: str) -> Tensor:
    """Return the spectral and Frobenius norms `(N, 2)` of the logits' Jacobians d f / d x at a split's inputs."""
    classes = network.architecture.classes
    is_exact = classes <= EXACT_CLASSES
    sequence = relu_sequence(network) if split == "train" and is_exact else None
    if sequence is not None and sequence.jacobian_numbers <= JACOBIAN_NUMBERS:
        return network.own_row(_norms_of_each(sequence))
    rows = classes if is_exact else 1  # of the others one mixture at a time is in memory
    size = slice_size(rows, math.prod(network.splits[split].sets.shape))
    parts = [jacobian_norms_at(network, inputs) for inputs, _ in network.batches(split, size)]
    return torch.cat(parts)


def _norms_of_each(sequence: ReluSequence) -> Tensor:
    """Return the norms `(K, N, 2)` of K networks; one backward pass per logit gives the Jacobians."""
    rows = []
    for unit in torch.eye(sequence.logits.shape[-1]).to(sequence.logits):
        check_time()
        rows.append(sequence.input_slopes(unit.expand_as(sequence.logits)))
    jacobians = torch.stack(rows, 2)
    return torch.stack([matrix_norm(jacobians), jacobians.flatten(2).norm(dim=2)], 2)


def slice_size(rows: int, columns: int) -> int:
    """Return how many examples to treat at once, if each has a Jacobian `(rows, columns)`."""
    return max(1, JACOBIAN_NUMBERS // (rows * columns))


def jacobian_norms_at(network: MeasuredNetwork, inputs: Tensor) -> Tensor:
    """Return the spectral and Frobenius norms `(n, 2)` of the logits' Jacobians at inputs `(n, *input_shape)`.

    One backward pass per class gives the Jacobians exactly. For more than `EXACT_CLASSES` classes the spectral norms
    are found by Lanczos iteration on J J^T (see `largest_eigenvalue`), and the Frobenius norms are those of m random
    mixtures of the classes, as E ||J^T u||^2 = ||J||_F^2 for u ~ N(0, 1): the relative deviation of the squares is at
    most (2 / m)^(1/2), and alike for all examples, which share the mixtures. The logits of one example must not depend
    on another one (no batch statistics).
    """
    classes = network.architecture.classes
    pull_back = vjp(lambda x: network.logits_of(network.parameters, x), inputs)[1]

    def rows_of(mixtures: Tensor) -> Iterator[Tensor]:
        for mixture in mixtures:
            check_time()
            (row,) = pull_back(mixture.expand(len(inputs), -1))
            yield row.flatten(1)

    if classes <= EXACT_CLASSES:
        jacobians = torch.stack([*rows_of(torch.eye(classes, dtype=inputs.dtype, device=inputs.device))], 1)
        return torch.stack([matrix_norm(jacobians), jacobians.flatten(1).norm(dim=1)], 1)
    mixtures = normal((MIXTURES, classes), inputs, "mixtures of classes") / MIXTURES**0.5
    lengths = torch.stack([row.norm(dim=1) for row in rows_of(mixtures)])
    frobenius = lengths.norm(dim=0)
    start = start_vector(mixtures[0]).expand(len(inputs), -1)
    push = vjp(lambda u: pull_back(u)[0], start)[1]  # pulling back is linear, and its transpose is J itself

    def product(vectors: Tensor) -> Tensor:
        return push(pull_back(vectors)[0])[0]

    largest = largest_eigenvalue(product, start, network.vmapped)
    spectral = largest.clamp(min=0).sqrt().to(frobenius.dtype)
    return torch.stack([spectral, frobenius], 1)


def local_lipschitz(network: MeasuredNetwork, split: str = "train") -> Tensor:
    """Return the local Lipschitz constants `(N,)` at the inputs of a split, ||d f / d x||_2."""
    return jacobian_norms(network, split)[:, 0]


def lipschitz_mean(network: MeasuredNetwork) -> Tensor:
    """The mean over the training inputs of the local Lipschitz constant ||d f / d x||_2."""
    return local_lipschitz(network).double().mean()


def lipschitz_max(network: MeasuredNetwork) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 over the training inputs."""
    return local_lipschitz(network).amax()


def lipschitz_median(network: MeasuredNetwork) -> Tensor:
    """The median over the training inputs of the local Lipschitz constant ||d f / d x||_2."""
    return quantile(local_lipschitz(network).double(), 0.5)


def lipschitz_p90(network: MeasuredNetwork) -> Tensor:
    """The 90th percentile over the training inputs of the local Lipschitz constant ||d f / d x||_2."""
    return quantile(local_lipschitz(network).double(), 0.9)


def lipschitz_mean_test(network: MeasuredNetwork) -> Tensor:
    """The mean over the test inputs of the local Lipschitz constant ||d f / d x||_2."""
    return local_lipschitz(network, "test").double().mean()


def lipschitz_max_test(network: MeasuredNetwork) -> Tensor:
    """The largest local Lipschitz constant ||d f / d x||_2 over the test inputs."""
    return local_lipschitz(network, "test").amax()


def lipschitz_p90_test(network: MeasuredNetwork) -> Tensor:
    """The 90th percentile over the test inputs of the local Lipschitz constant ||d f / d x||_2."""
    return quantile(local_lipschitz(network, "test").double(), 0.9)


def jacobian_frobenius_mean(network: MeasuredNetwork) -> Tensor:
    """The mean over training inputs of the Frobenius norm of the logits' Jacobian ||df / dx||_F (estimate above 128 C).

    See `jacobian_norms_at`.
    """
    return jacobian_norms(network, "train")[:, 1].double().mean()


def fisher_rao_norm(network: MeasuredNetwork) -> Tensor:
    """The Fisher-Rao norm with the training labels and loss: sqrt(mean_i <theta, d loss_i / d theta>^2).

    <theta, d loss_i / d theta> = <d loss_i / d f(x_i), J_i theta> with J_i = d f(x_i) / d theta, and the loss that was
    minimized: for the cross-entropy the derivative is p_i - e_y. All J_i theta come from differentiating
    u -> <theta, sum_i J_i^T u_i>, which is linear. No homogeneity is assumed; for a bias-free ReLU network J_i theta is
    the number of layers times f(x_i) (Liang et al. 2019, theorem 3.1).
    """
    sequence = relu_sequence(network)
    if sequence is not None:
        thetas = in_one_row(network.as_stack().parameters, sequence.shapes)
        radial = two_class_logits(network.own_row(sequence.logit_changes(thetas)))
        outputs = two_class_logits(network.own_row(sequence.logits))
        derivatives = [_along(radial, _loss_slopes(network, outputs, network.train.labels))]
    else:
        derivatives = [_radial_derivatives(network, inputs, labels) for inputs, labels in network.batches()]
    return torch.cat([derivative.square() for derivative in derivatives]).mean().sqrt()


def _radial_derivatives(network: MeasuredNetwork, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return <theta, d loss_i / d theta> `(n,)`: the derivative of each loss as all parameters grow by one factor."""
    theta = dict(network.parameters)

    def along_theta(cotangents: Tensor) -> Tensor:
        pull_back = vjp(lambda parameters: network.logits_of(parameters, inputs), theta)[1]
        return flatten(pull_back(cotangents)[0]) @ flatten(theta)

    outputs = network.logits_of(theta, inputs)
    radial = grad(along_theta)(torch.zeros_like(outputs))
    return _along(radial, _loss_slopes(network, outputs, labels))


def _loss_slopes(network: MeasuredNetwork, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the slopes of the losses of examples by their logits `(n, C)`, in float64."""
    slopes: Tensor = grad(lambda values: network.loss(values, labels).sum())(outputs.double())
    return slopes


def _along(radial: Tensor, slopes: Tensor) -> Tensor:
    return (slopes * radial.double()).sum(-1)
