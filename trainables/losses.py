"""Losses with their derivative: the loop starts the backward pass from it, and the dynamics need its size."""

from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax cross-entropy (nats) of every example, and its derivative by the logits.

    `loss = log sum_c exp(z_c) - z_y` and `d loss / d z = softmax(z) - e_y`. Written out, because the library's
    log-softmax over a short last axis takes as long on a CPU as the matrix products of a layer.

    Args:
        logits: `(..., C)`.
        labels: `(...)` integers.

    Returns:
        losses `(...)` and derivatives `(..., C)`.

    >>> import torch
    >>> loss, derivative = cross_entropy(torch.zeros(1, 2), torch.tensor([0]))
    >>> round(loss.item(), 4), derivative.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    index = labels.unsqueeze(-1)
    shifted = logits - logits.amax(-1, keepdim=True)
    derivatives = shifted.exp()
    total = derivatives.sum(-1, keepdim=True)
    losses = (total.log() - shifted.gather(-1, index)).squeeze(-1)
    derivatives /= total
    derivatives.scatter_add_(-1, index, derivatives.new_full((), -1).expand(index.shape))
    return losses, derivatives
