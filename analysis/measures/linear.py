"""How much of what a network knows a linear classifier explains (Nakkiran et al. 2019), in bits, on validation inputs.

The linear classifier is fitted to the training labels by least squares on one-hot targets, with an intercept and a
little ridge, so that it is the same whatever the network.
"""

import torch
from torch import Tensor
from torch.nn import functional

from benevolent.analysis.measures.subject import Subject, logits, shared
from benevolent.analysis.statistics.explained_information import conditional_information, explained_information

#: Of the mean squared input, added to the diagonal of the Gram matrix per example.
RIDGE = 1e-3


def linear_information(subject: Subject) -> Tensor:
    """What a linear classifier L explains of what the network F knows of the labels Y: I(F; Y) - I(F; Y | L)."""
    return explained_information(*_predictions(subject), classes=subject.architecture.classes)


def nonlinear_information(subject: Subject) -> Tensor:
    """What the network F knows of the labels Y beyond a linear classifier L: I(F; Y | L)."""
    return conditional_information(*_predictions(subject), classes=subject.architecture.classes)


def _predictions(subject: Subject) -> tuple[Tensor, Tensor, Tensor]:
    answers = logits(subject, "validation").argmax(-1)
    return answers, subject.splits["validation"].labels, linear_predictions(subject)


@shared
def linear_predictions(subject: Subject) -> Tensor:
    """The classes `(N,)` that the linear classifier gives to the validation inputs."""
    inputs = subject.train.inputs.flatten(1).double()
    center = inputs.mean(0)
    targets = functional.one_hot(subject.train.labels, subject.architecture.classes).double()
    centered = inputs - center
    gram = centered.mT @ centered / len(inputs)
    ridge = (RIDGE * gram.diagonal().mean()).clamp(min=torch.finfo(gram.dtype).tiny)  # inputs may be all the same
    unit = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    slopes = torch.linalg.solve(gram + ridge * unit, centered.mT @ targets / len(inputs))
    others = subject.splits["validation"].inputs.flatten(1).double()
    return ((others - center) @ slopes + targets.mean(0)).argmax(-1)
