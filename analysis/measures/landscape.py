"""The training loss along its gradient, and how far layers move each other's gradient (Santurkar et al. 2018).

The paper computes these for a batch in the course of training; here they are of all training examples, at the network
as it is, with BatchNorm in eval mode. L is the mean training loss, g its gradient, eta one of eight steps from 0.05 to
0.4 in equal ratios.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters, computed_once, flatten
from benevolent.analysis.measures.training_loss import gradient_at, own_gradient, theta, unflatten

#: Steps along the gradient: from half to four times a learning rate of 0.1.
STEPS = tuple(0.05 * 8 ** (i / 7) for i in range(8))
#: The step of the preceding layers, for the shift of a layer's gradient.
SHIFT = 0.1


@computed_once
def along_gradient(network: MeasuredNetwork) -> Tensor:
    """Return, for every step eta `(8, 3)`: L(theta - eta g), ||g - g'||, ||g - g'|| / ||eta g||, with g' there."""
    at = theta(network)
    here = own_gradient(network)[0]
    rows = []
    for step in STEPS:
        there, loss = gradient_at(network, at - step * here)
        change = (here - there).double().norm()
        relative_change = change / (step * here.double().norm())
        rows.append(torch.stack([loss.double(), change, relative_change]))
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
    """Return ||G_i - G_i'|| and cos(G_i, G_i') `(L - 1, 2)` of every layer i > 1, see `internal_covariate_shift`."""
    before = unflatten(network, own_gradient(network)[0])
    layers = list(dict.fromkeys(_layer(name) for name in before))
    rows = []
    for place in range(1, len(layers)):
        moved = _after_step(network, before, layers[:place])
        after = unflatten(network, gradient_at(network, moved)[0])
        first = _of_layer(before, layers[place])
        second = _of_layer(after, layers[place])
        cosine = first @ second / (first.norm() * second.norm())
        difference = (first - second).norm()
        rows.append(torch.stack([difference, cosine]))
    return torch.stack(rows)


def _after_step(network: MeasuredNetwork, gradients: Parameters, layers: Sequence[str]) -> Tensor:
    """Return theta `(P,)` after a step of `SHIFT` down the gradient of some layers only."""
    moved = dict(network.parameters)
    for name, value in network.parameters.items():
        if _layer(name) in layers:
            moved[name] = value - SHIFT * gradients[name]
    return flatten(moved)


def _of_layer(parameters: Parameters, layer: str) -> Tensor:
    own_parameters = {name: value for name, value in parameters.items() if _layer(name) == layer}
    return flatten(own_parameters).double()


def _layer(name: str) -> str:
    """Return the name of a parameter's layer."""
    return name.rpartition(".")[0]


def internal_covariate_shift(network: MeasuredNetwork) -> Tensor:
    """The mean over layers i > 1 of ||G_i - G_i'||_2: their gradient before and after a step 0.1 of the layers < i."""
    return gradient_shifts(network)[:, 0].mean()


def internal_covariate_cosine(network: MeasuredNetwork) -> Tensor:
    """The mean over layers i > 1 of cos(G_i, G_i'): their gradient before and after a step 0.1 of the layers < i."""
    return gradient_shifts(network)[:, 1].mean()
