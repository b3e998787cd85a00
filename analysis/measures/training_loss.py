"""The mean training loss as a function of the parameters, its gradient and its Hessian.

The loss is the one that was minimized, over all training examples, in the network's precision; BatchNorm has the
statistics of eval mode. Parameters are one vector theta `(P,)`, in the order of their names. Pruned weights stay zero:
gradients and products with the Hessian are those over the other coordinates, and zero at pruned ones.
"""

import functools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vjp

from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters, computed_once, flatten
from benevolent.analysis.measures.relu_sequence import relu_sequence


def theta(network: MeasuredNetwork) -> Tensor:
    """Return all trained parameters as one vector `(P,)`."""
    return flatten(network.parameters)


@computed_once
def unpruned(network: MeasuredNetwork) -> Tensor:
    """Return 1 for the coordinates that can move and 0 for pruned weights, `(P,)` in the network's precision."""
    return flatten(network.all_masks)


def without_pruned(network: MeasuredNetwork, vector: Tensor) -> Tensor:
    """Return a vector `(P,)` with 0 at pruned weights."""
    return unpruned(network) * vector if network.masks else vector


def unflatten(network: MeasuredNetwork, vector: Tensor) -> Parameters:
    """Return a vector `(P,)` as parameters with the names and shapes of the network's."""
    sizes = [value.numel() for value in network.parameters.values()]
    parts = vector.split(sizes)
    parameters = {}
    for (name, value), part in zip(network.parameters.items(), parts, strict=True):
        parameters[name] = part.view_as(value).to(value.dtype)
    return parameters


def loss_at(network: MeasuredNetwork, vector: Tensor) -> Tensor:
    """Return L(theta) at a vector `(P,)`."""
    parameters = unflatten(network, vector)
    return _total(_share_of_batch(network, inputs, labels, parameters) for inputs, labels in network.batches())


def gradient_at(network: MeasuredNetwork, vector: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient `(P,)` of L at a vector `(P,)`, and L there."""
    parameters = unflatten(network, vector)
    gradient: Tensor | None = None
    losses = []
    for inputs, labels in network.batches():
        share = functools.partial(_share_of_batch, network, inputs, labels)
        gradient_of_batch, loss = grad_and_value(share)(parameters)
        part = flatten(gradient_of_batch)
        gradient = part if gradient is None else gradient + part
        losses.append(loss)
    assert gradient is not None
    return without_pruned(network, gradient), _total(losses)


@computed_once
def own_gradient(network: MeasuredNetwork) -> tuple[Tensor, Tensor]:
    """Return the gradient `(P,)` of L at the network's parameters, and L there."""
    sequence = relu_sequence(network)
    if sequence is None:
        return gradient_at(network, theta(network))
    return network.own_row(sequence.gradient), network.own_row(sequence.losses)


def hessian_product(network: MeasuredNetwork) -> Callable[[Tensor], Tensor]:
    """Return the function v `(P,)` -> H v `(P,)`, with H the Hessian of L at the network's parameters."""
    sequence = None if network.vmapped else relu_sequence(network)
    if sequence is not None:
        return lambda vector: sequence.hessian_product(vector.unsqueeze(0)).squeeze(0)
    parameters = dict(network.parameters)

    def product_of_batch(inputs: Tensor, labels: Tensor) -> Callable[..., tuple[dict[str, Tensor]]]:
        # The Hessian is symmetric, so the transposed product is the product, and its graph can be used again.
        share = functools.partial(_share_of_batch, network, inputs, labels)
        return vjp(grad(share), parameters)[1]

    inputs, labels = next(network.batches())
    # The graph of a single batch is kept for all products; those of several would fill the memory.
    single = product_of_batch(inputs, labels) if len(labels) == len(network.train) else None

    def product(vector: Tensor) -> Tensor:
        direction = unflatten(network, without_pruned(network, vector))
        if single is not None:
            return without_pruned(network, flatten(single(direction)[0]))
        products = (flatten(product_of_batch(*batch)(direction)[0]) for batch in network.batches())
        return without_pruned(network, _total(products))

    return product


def _share_of_batch(network: MeasuredNetwork, inputs: Tensor, labels: Tensor, parameters: Parameters) -> Tensor:
    """Return the share of one batch in L, so that the shares of all batches add up to L."""
    losses = network.loss(network.logits_of(parameters, inputs), labels)
    return losses.sum() / len(network.train)


def _total(parts: Iterable[Tensor]) -> Tensor:
    """Return the sum of parts, which a generator makes one at a time, so that no two are in memory."""
    return functools.reduce(torch.add, parts)
