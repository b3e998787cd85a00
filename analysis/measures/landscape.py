"""The training loss along its gradient, and how far layers move each other's gradient (Santurkar et al. 2018).

There of a batch in the course of training; here of all training examples, at the network as it is, with BatchNorm in
eval mode. L is the mean training loss, g its gradient, eta one of eight steps from 0.05 to 0.4 in equal ratios.
"""

import torch
from torch import Tensor

from benevolent.analysis.measures.subject import Subject, flat, shared
from benevolent.analysis.measures.training_loss import gradient, gradient_at, named, theta

#: Steps along the gradient: from half to four times a learning rate of 0.1.
STEPS = tuple(0.05 * 8 ** (i / 7) for i in range(8))
#: The step of the layers before, for the shift of a layer's gradient.
SHIFT = 0.1


@shared
def along_gradient(subject: Subject) -> Tensor:
    """For every step eta `(8, 3)`: L(theta - eta g), ||g - g'||, ||g - g'|| / ||eta g||, with g' the gradient there."""
    at, own = theta(subject), gradient(subject)
    rows = []
    for step in STEPS:
        there, loss = gradient_at(subject, at - step * own)
        change = (own - there).double().norm()
        rows.append(torch.stack([loss.double(), change, change / (step * own.double().norm())]))
    return torch.stack(rows)


def loss_range_along_gradient(subject: Subject) -> Tensor:
    """The range of the training loss along its gradient: max - min of L(theta - eta g) over eight steps eta."""
    losses = along_gradient(subject)[:, 0]
    return losses.amax() - losses.amin()


def gradient_predictiveness(subject: Subject) -> Tensor:
    """The range of the gradient's change along it: max - min of ||g - g(theta - eta g)||_2 over eight steps eta."""
    changes = along_gradient(subject)[:, 1]
    return changes.amax() - changes.amin()


def effective_smoothness(subject: Subject) -> Tensor:
    """The effective beta-smoothness: max over eight steps eta of ||g - g(theta - eta g)||_2 / ||eta g||_2."""
    return along_gradient(subject)[:, 2].amax()


@shared
def gradient_shifts(subject: Subject) -> Tensor:
    """Of every layer i but the first `(L - 1, 2)`: ||G_i - G_i'||, cos(G_i, G_i'), see `internal_covariate_shift`."""
    own = dict(named(subject, gradient(subject)))
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in own))
    rows = []
    for place in range(1, len(layers)):
        before, layer = layers[:place], layers[place]
        moved = {
            name: value - SHIFT * own[name] if name.rpartition(".")[0] in before else value
            for name, value in subject.parameters.items()
        }
        after = named(subject, gradient_at(subject, flat(moved))[0])
        first, second = (flat({n: g[n] for n in own if n.rpartition(".")[0] == layer}).double() for g in (own, after))
        cosine = first @ second / (first.norm() * second.norm())
        rows.append(torch.stack([(first - second).norm(), cosine]))
    return torch.stack(rows)


def internal_covariate_shift(subject: Subject) -> Tensor:
    """The mean over layers i > 1 of ||G_i - G_i'||_2: their gradient before and after a step 0.1 of the layers < i."""
    return gradient_shifts(subject)[:, 0].mean()


def internal_covariate_cosine(subject: Subject) -> Tensor:
    """The mean over layers i > 1 of cos(G_i, G_i'): their gradient before and after a step 0.1 of the layers < i."""
    return gradient_shifts(subject)[:, 1].mean()
