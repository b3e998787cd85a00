"""Losses with their derivative: the loop starts the backward pass from it, and the dynamics need its size.

Add a loss by writing it in both of its forms and naming them in `LOSSES`: in place with its derivative, for the
training step; and differentiable, for the measures, which differentiate it twice and map it over stacks. Targets are
labels `(...)`, integers in [0, classes), or real numbers `(...)` where a data set has those.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: Places for the losses `(...)` and their derivatives `(..., C)`.
Out = tuple[Tensor, Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, out: Out | None = None) -> Out:
    """Softmax cross-entropy (nats) of every example, and its derivative by the logits.

    `loss = log sum_c exp(z_c) - z_y` and `d loss / d z = softmax(z) - e_y`. Written out, because the library's
    log-softmax over a short last axis takes as long on a CPU as the matrix products of a layer.

    Args:
        logits: `(..., C)`.
        labels: `(...)` integers.
        out: where to write; new tensors by default.

    Returns:
        losses `(...)` and derivatives `(..., C)`.

    >>> loss, derivative = cross_entropy(torch.zeros(1, 2), torch.tensor([0]))
    >>> round(loss.item(), 4), derivative.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    losses, derivatives = out or _new(logits)
    index = labels.unsqueeze(-1)
    torch.sub(logits, logits.amax(-1, keepdim=True), out=derivatives)
    own = derivatives.gather(-1, index).squeeze(-1)
    total = derivatives.exp_().sum(-1, keepdim=True)
    torch.sub(total.squeeze(-1).log(), own, out=losses)
    derivatives /= total
    derivatives.scatter_add_(-1, index, derivatives.new_full((), -1).expand(index.shape))
    return losses, derivatives


def logistic(logits: Tensor, labels: Tensor, out: Out | None = None) -> Out:
    """Binary cross-entropy (nats) of one logit: `log(1 + exp(-s z))`, s = +1 for label 1 and -1 for label 0.

    `d loss / d z = sigmoid(z) - y`, which is safe where the derivative by the probability is not.

    >>> loss, derivative = logistic(torch.zeros(1, 1), torch.tensor([1]))
    >>> round(loss.item(), 4), derivative.tolist()
    (0.6931, [[-0.5]])
    """
    losses, derivatives = out or _new(logits)
    z = logits.squeeze(-1)
    torch.sub(z.clamp(min=0) + z.abs().neg().exp().log1p(), labels * z, out=losses)
    torch.sub(z.sigmoid(), labels, out=derivatives.squeeze(-1))
    return losses, derivatives


def squared(logits: Tensor, labels: Tensor, out: Out | None = None) -> Out:
    """Half the squared error, `sum_c (z_c - t_c)^2 / 2`, so that `d loss / d z = z - t`.

    The targets t are e_y where there is an output per class, -1 and +1 for the labels 0 and 1 of one output, and the
    number itself where the data set has real targets.

    >>> squared(torch.tensor([[3.0]]), torch.tensor([1.0]))
    (tensor([2.]), tensor([[2.]]))
    >>> squared(torch.tensor([[3.0, 0.0]]), torch.tensor([0]))
    (tensor([2.]), tensor([[2., 0.]]))
    """
    losses, derivatives = out or _new(logits)
    if logits.shape[-1] > 1:
        index = labels.unsqueeze(-1)
        derivatives.copy_(logits).scatter_add_(-1, index, derivatives.new_full((), -1).expand(index.shape))
    else:
        targets = labels if labels.is_floating_point() else _signs(labels, logits)
        torch.sub(logits.squeeze(-1), targets, out=derivatives.squeeze(-1))
        return torch.mul(derivatives.squeeze(-1), derivatives.squeeze(-1), out=losses).mul_(0.5), derivatives
    torch.sum(derivatives.square(), -1, out=losses)
    losses /= 2
    return losses, derivatives


def targets(labels: Tensor, outputs: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return the targets `(..., C)` of the squared loss.

    >>> targets(torch.tensor([1, 0]), 2).tolist(), targets(torch.tensor([1, 0]), 1).tolist()
    ([[0.0, 1.0], [1.0, 0.0]], [[1.0], [-1.0]])
    """
    zeros = torch.zeros(*labels.shape, outputs, dtype=dtype, device=labels.device)
    return zeros - squared(zeros, labels)[1]


def hinge(logits: Tensor, labels: Tensor, out: Out | None = None, margin: float = 1.0) -> Out:
    """Hinge loss of one output: `max(0, margin - s z)`, s = +1 for label 1 and -1 for label 0.

    >>> hinge(torch.tensor([[0.25]]), torch.tensor([1]))
    (tensor([0.7500]), tensor([[-1.]]))
    """
    losses, derivatives = out or _new(logits)
    z = logits.squeeze(-1)
    signs = _signs(labels, z)
    torch.clamp(margin - signs * z, min=0, out=losses)
    torch.mul(signs, -(losses > 0).to(z.dtype), out=derivatives.squeeze(-1))
    return losses, derivatives


def softmax_probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities `(..., C)` of C classes in float64 that `cross_entropy` is the log-likelihood of."""
    return logits.double().softmax(-1)


def sigmoid_probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities `(..., 2)` of the labels 0 and 1 in float64, for one logit `(..., 1)`.

    >>> sigmoid_probabilities(torch.zeros(1)).tolist()
    [0.5, 0.5]
    """
    z = logits.double()
    return torch.cat([-z, z], -1).sigmoid()


def differentiable_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the values of `cross_entropy` as a function that autograd and `vmap` can transform."""
    return functional.cross_entropy(logits, labels, reduction="none")


def differentiable_logistic(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the values of `logistic` as a function that autograd and `vmap` can transform."""
    return functional.softplus(-_signs(labels, logits) * logits.squeeze(-1), threshold=50)


def differentiable_squared(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the values of `squared` as a function that autograd and `vmap` can transform."""
    if logits.shape[-1] > 1:
        classes = torch.arange(logits.shape[-1], device=logits.device)
        one_hot = (labels.unsqueeze(-1) == classes).to(logits.dtype)  # `functional.one_hot` cannot be mapped here
        return (logits - one_hot).square().sum(-1) / 2
    numbers = labels if labels.is_floating_point() else _signs(labels, logits)
    return (logits.squeeze(-1) - numbers).square() / 2


def differentiable_hinge(logits: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    """Return the values of `hinge` as a function that autograd and `vmap` can transform.

    >>> differentiable_hinge(torch.tensor([[0.25]]), torch.tensor([1]))
    tensor([0.7500])
    """
    return (margin - _signs(labels, logits) * logits.squeeze(-1)).clamp(min=0)


class Loss(NamedTuple):
    """A loss in both of its forms, and the outputs that it takes: one per class, or one in all.

    `differentiable`: `(logits (..., C), targets (...)) -> losses (...)`, without derivatives and `out`; `real`: whether
    targets may be numbers; `unit`: of its values, empty if they have none; `margin`: whether its functions take one;
    `probabilities`: `logits (..., C) -> probabilities (..., classes)` that the loss is the negative log-likelihood of;
    None if the outputs mean no probabilities.
    """

    function: Callable[..., Out]
    differentiable: Callable[..., Tensor]
    per_class: bool
    real: bool = False
    unit: str = ""
    margin: bool = False
    probabilities: Callable[[Tensor], Tensor] | None = None

    def having(self, margin: float) -> "Loss":
        """Return the loss with this margin, if it has one."""
        if not self.margin:
            return self
        return self._replace(
            function=functools.partial(self.function, margin=margin),
            differentiable=functools.partial(self.differentiable, margin=margin),
        )

    def outputs(self, classes: int) -> int:
        """Return the number of outputs that a network needs; `classes` is 0 for real targets."""
        return classes if self.per_class and classes and not (self.real and classes == 2) else 1


LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(
        cross_entropy,
        differentiable_cross_entropy,
        per_class=True,
        unit="nats",
        probabilities=softmax_probabilities,
    ),
    "logistic": Loss(
        logistic,
        differentiable_logistic,
        per_class=False,
        unit="nats",
        probabilities=sigmoid_probabilities,
    ),
    "squared": Loss(squared, differentiable_squared, per_class=True, real=True),
    "hinge": Loss(hinge, differentiable_hinge, per_class=False, margin=True),
}


def _new(logits: Tensor) -> Out:
    return logits.new_empty(logits.shape[:-1]), torch.empty_like(logits, memory_format=torch.contiguous_format)


def _signs(labels: Tensor, like: Tensor) -> Tensor:
    return (2 * labels - 1).to(like.dtype)
