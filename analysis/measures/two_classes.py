"""Logits of two classes for networks of one output."""

import torch
from torch import Tensor


def two_class_logits(outputs: Tensor) -> Tensor:
    """Return outputs `(N, C)` with C > 1 as they are, and one output z as its two-class equivalent (0, z).

    >>> two_class_logits(torch.tensor([[3.0]])).tolist()
    [[0.0, 3.0]]
    """
    if outputs.shape[-1] > 1:
        return outputs
    return torch.cat([torch.zeros_like(outputs), outputs], -1)
