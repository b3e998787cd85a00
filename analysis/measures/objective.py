"""Losses of `trainables.training.losses` as functions that can be differentiated twice and mapped over stacks."""

import functools
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

#: `(logits (N, C), targets (N,)) -> losses (N,)`.
Objective = Callable[[Tensor, Tensor], Tensor]


def objective(loss: str, outputs: int, margin: float = 1.0) -> Objective:
    """What a run minimizes, as a function of the logits that measures see.

    Args:
        loss: a name in `trainables.training.losses.LOSSES`.
        outputs: of the network. Of one, the logits are (0, z), or z where targets are real numbers.
        margin: of the hinge loss.

    >>> import torch
    >>> objective("hinge", 1)(torch.tensor([[0.0, 0.25]]), torch.tensor([1])).tolist()
    [0.75]
    """
    if loss == "hinge":
        return functools.partial(_hinge_of_one, margin=margin)
    return _PER_CLASS[loss] if outputs > 1 else _OF_ONE[loss]


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="none")


def _squared(logits: Tensor, labels: Tensor) -> Tensor:
    targets = functional.one_hot(labels, logits.shape[-1]).to(logits.dtype)
    return (logits - targets).square().sum(-1) / 2


def _logistic_of_one(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.softplus(-_signs(labels, logits) * logits[..., -1], threshold=50)


def _squared_of_one(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels if labels.is_floating_point() else _signs(labels, logits)
    return (logits[..., -1] - targets).square() / 2


def _hinge_of_one(logits: Tensor, labels: Tensor, margin: float) -> Tensor:
    return (margin - _signs(labels, logits) * logits[..., -1]).clamp(min=0)


def _signs(labels: Tensor, like: Tensor) -> Tensor:
    return (2 * labels - 1).to(like.dtype)


_PER_CLASS: dict[str, Objective] = {"cross_entropy": _cross_entropy, "squared": _squared}
_OF_ONE: dict[str, Objective] = {"logistic": _logistic_of_one, "squared": _squared_of_one}
