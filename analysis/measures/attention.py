"""Attention in the form of plain products, which has the derivatives that measures take."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def twice_differentiable_attention() -> Iterator[None]:
    """Compute attention by products and softmax within the block, instead of by fused kernels.

    Fused kernels of scaled dot product attention have no second derivative, and those of whole encoder layers, which
    torch takes in eval mode, none at all. The values are the same up to rounding.
    """
    fused_layers = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused_layers)
