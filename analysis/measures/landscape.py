"""The training loss along its gradient, and how far layers move each other's gradient (Santurkar et al. 2018).

There of a batch in the course of training; here of all training examples, at the network as it is, with BatchNorm in
eval mode. L is the mean training loss, g its gradient, eta one of eight steps from 0.05 to 0.4 in equal ratios.
"""

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, flat
from benevolent.analysis.measures.training_loss import gradient, gradient_at, named, theta

#: Steps along the gradient: from half to four times a learning rate of 0.1.
STEPS = tuple(0.05 * 8 ** (i / 7) for i in range(8))
#: The step of the layers before, for the shift of a layer's gradient.
SHIFT = 0.1


@computed_once
def along_gradient(network: MeasuredNetwork) -> Tensor:
    """For every step eta `(8, 3)`: L(theta - eta g), ||g - g'||, ||g - g'|| / ||eta g||, with g' the gradient there."""
    at, own = theta(network), gradient(network)
    rows = []
    for step in STEPS:
        there, loss = gradient_at(network, at - step * own)
        change = (own - there).double().norm()
        rows.append(torch.stack([loss.double(), change, change / (step * own.double().norm())]))
    return torch.stack(rows)


def loss_range_along_gradient(network: MeasuredNetwork) -> Tensor:
    """The range of the training loss along its gradient: max - min of L(theta - eta g) over eight steps eta."""
    losses = along_gradient(network)[:, 0]
    return losses.amax() - losses.amin()


def gradient_predictiveness(network: MeasuredNetwork) -> Tensor:
    """The range of the gradient's change along it: max - min of ||g - g(theta - eta g)||_2 over eight steps eta."""
    changes = along_gradient(network)[:, 1]
    return changes.amax() - changes.amin()


def effective_smoothness(network: MeasuredNetwork) -> Tensor:
    """The effective beta-smoothness: max over eight steps eta of ||g - g(theta - eta g)||_2 / ||eta g||_2."""
    return along_gradient(network)[:, 2].amax()


@computed_once
def gradient_shifts(network: MeasuredNetwork) -> Tensor:
    """Of every layer i but the first `(L - 1, 2)`: ||G_i - G_i'||, cos(G_i, G_i'), see `internal_covariate_shift`."""
    own = dict(named(network, gradient(network)))
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in own))
    rows = []
    for place in range(1, len(layers)):
        before, layer = layers[:place], layers[place]
        moved = {
            name: value - SHIFT * own[name] if name.rpartition(".")[0] in before else value
            for name, value in network.parameters.items()
        }
        after = named(network, gradient_at(network, flat(moved))[0])
        first, second = (flat({n: g[n] for n in own if n.rpartition(".")[0] == layer}).double() for g in (own, after))
        cosine = first @ second / (first.norm() * second.norm())
        rows.append(torch.stack([(first - second).norm(), cosine]))
    return torch.stack(rows)


def internal_covariate_shift(network: MeasuredNetwork) -> Tensor:
    """The mean over layers i > 1 of ||G_i - G_i'||_2: their gradient before and after a step 0.1 of the layers < i."""
    return gradient_shifts(network)[:, 0].mean()


def internal_covariate_cosine(network: MeasuredNetwork) -> Tensor:
    """The mean over layers i > 1 of cos(G_i, G_i'): their gradient before and after a step 0.1 of the layers < i."""
    return gradient_shifts(network)[:, 1].mean()
