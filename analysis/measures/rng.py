"""Random numbers of the measures: each has its key, so that no value depends on what else is computed."""

import functools

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.rng import generator


def normal(shape: tuple[int, ...], like: Tensor, stream: str, index: int = 0) -> Tensor:
    """Standard normal numbers of a shape, on the device and in the precision of `like`.

    Args:
        shape: of the result.
        like: any tensor of the network.
        stream: the name of what they are for.
        index: which of several draws.

    >>> torch.equal(normal((3,), torch.ones(1), "demo"), normal((3,), torch.ones(1), "demo"))
    True
    """
    return _normal(shape, stream, index).to(like.device, like.dtype)


@functools.lru_cache(maxsize=32)  # the networks of a sweep have the same shapes
def _normal(shape: tuple[int, ...], stream: str, index: int) -> Tensor:
    return torch.from_numpy(generator(0, f"measures/{stream}", index).standard_normal(shape))


def pairs(examples: int, count: int, stream: str) -> Tensor:
    """`count` pairs `(count, 2)` of different examples, or of the only one."""
    draw = generator(0, f"measures/{stream}")
    first = draw.integers(0, examples, count)
    second = (first + draw.integers(1, max(2, examples), count)) % examples
    return torch.from_numpy(np.stack([first, second], 1))


def uniform(shape: tuple[int, ...], like: Tensor, stream: str, index: int = 0) -> Tensor:
    """Numbers uniform on [0, 1), as `normal` gives its own."""
    return torch.from_numpy(generator(0, f"measures/{stream}", index).random(shape)).to(like.device, like.dtype)
