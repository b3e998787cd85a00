"""Precision of the matrix products on a GPU while a cohort trains."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def arithmetic(name: str) -> Iterator[None]:
    """Allow TF32 products within the block if `name` is `tf32`, and else none; restore the flags afterwards.

    torch's own default lets convolutions round to TF32.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    matmul.allow_tf32 = cudnn.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
