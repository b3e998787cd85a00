"""Information of a network about the labels, with and without a linear classifier, in bits, on validation inputs.

After Nakkiran et al. 2019.
The linear classifier is fitted to the training labels by least squares on one-hot targets, with an intercept and a
little ridge, so that it is the same whatever the network.
"""

import torch
from torch import Tensor
from torch.nn import functional

from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, logits
from benevolent.analysis.statistics.label_information import conditional_information, explained_information

#: Fraction of the mean squared input that is added to the diagonal of the Gram matrix per example.
RIDGE = 1e-3


def linear_information(network: MeasuredNetwork) -> Tensor:
    """The information of the network F on the labels Y that a linear classifier L explains: I(F; Y) - I(F; Y | L)."""
    return explained_information(*_predictions(network), classes=network.architecture.classes)


def nonlinear_information(network: MeasuredNetwork) -> Tensor:
    """The information of the network F on the labels Y beyond a linear classifier L: I(F; Y | L)."""
    return conditional_information(*_predictions(network), classes=network.architecture.classes)


def _predictions(network: MeasuredNetwork) -> tuple[Tensor, Tensor, Tensor]:
    """Return the network's classes, the labels, and the linear classifier's classes, `(N,)` each."""
    answers = logits(network, "validation").argmax(-1)
    return answers, network.splits["validation"].labels, linear_predictions(network)


@computed_once
def linear_predictions(network: MeasuredNetwork) -> Tensor:
    """Return the classes `(N,)` that the linear classifier gives to the validation inputs."""
    inputs = network.train.inputs.flatten(1).double()
    center = inputs.mean(0)
    one_hot = functional.one_hot(network.train.labels, network.architecture.classes).double()
    centered = inputs - center
    gram = centered.mT @ centered / len(inputs)
    ridge = RIDGE * gram.diagonal().mean()
    ridge = ridge.clamp(min=torch.finfo(gram.dtype).tiny)  # inputs may be all the same
    unit = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    moments = centered.mT @ one_hot / len(inputs)
    slopes = torch.linalg.solve(gram + ridge * unit, moments)
    others = network.splits["validation"].inputs.flatten(1).double()
    scores = (others - center) @ slopes + one_hot.mean(0)
    return scores.argmax(-1)
