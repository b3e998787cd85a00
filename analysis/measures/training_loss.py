"""The mean training loss as a function of the parameters, its gradient and its Hessian.

Of the loss that was minimized, over all training examples, in the network's precision; BatchNorm with the statistics
that it has in eval mode. Parameters are one vector theta `(P,)`, in the order of their names. A weight that is exactly
zero is pruned and stays so: gradients and products with the Hessian are those over the other coordinates, zero at it.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vjp

from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters, computed_once, flat


def theta(network: MeasuredNetwork) -> Tensor:
    """All that is trained, as one vector `(P,)`."""
    return flat(network.parameters)


@computed_once
def alive(network: MeasuredNetwork) -> Tensor:
    """1 for what can move, 0 for weights that are pruned, `(P,)` in the network's precision."""
    return flat({n: (v != 0).to(v.dtype) if v.ndim >= 2 else torch.ones_like(v) for n, v in network.parameters.items()})


def named(network: MeasuredNetwork, vector: Tensor) -> Parameters:
    """A vector `(P,)` as parameters of the network's shapes."""
    sizes = [value.numel() for value in network.parameters.values()]
    parts = zip(network.parameters.items(), vector.split(sizes), strict=True)
    return {name: part.view_as(value) for (name, value), part in parts}


def loss_at(network: MeasuredNetwork, vector: Tensor) -> Tensor:
    """L(theta) at a vector `(P,)`."""
    at = named(network, vector)
    return functools.reduce(torch.add, (_of_batch(network, *batch, at) for batch in network.batches()))


def gradient_at(network: MeasuredNetwork, vector: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient `(P,)` of L at a vector `(P,)`, and L there."""
    at = named(network, vector)
    parts = [grad_and_value(functools.partial(_of_batch, network, *batch))(at) for batch in network.batches()]
    gradients, losses = zip(*parts, strict=True)
    return alive(network) * functools.reduce(torch.add, map(flat, gradients)), functools.reduce(torch.add, losses)


@computed_once
def gradient(network: MeasuredNetwork) -> Tensor:
    """The gradient `(P,)` of L at the network's parameters."""
    return gradient_at(network, theta(network))[0]


def hessian_product(network: MeasuredNetwork) -> Callable[[Tensor], Tensor]:
    """The function v `(P,)` -> H v `(P,)`, with H the Hessian of L at the network's parameters."""
    at = dict(network.parameters)

    def pulled(inputs: Tensor, labels: Tensor) -> Callable[..., tuple[dict[str, Tensor]]]:
        # The Hessian is symmetric, so the transposed product is the product, and its graph can be used again.
        return vjp(grad(functools.partial(_of_batch, network, inputs, labels)), at)[1]

    first = next(network.batches())
    # The graph of one batch is kept for all products; those of several would fill the memory.
    kept = [pulled(*first)] if len(first[1]) == len(network.train) else []

    def product(vector: Tensor) -> Tensor:
        along = named(network, alive(network) * vector)
        products = (flat(hessian(along)[0]) for hessian in (kept or (pulled(*batch) for batch in network.batches())))
        return alive(network) * functools.reduce(torch.add, products)

    return product


def _of_batch(network: MeasuredNetwork, inputs: Tensor, labels: Tensor, parameters: Parameters) -> Tensor:
    """What one batch adds to L."""
    return network.loss(network.logits_of(parameters, inputs), labels).sum() / len(network.train)
