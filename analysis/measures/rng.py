"""Random numbers of the measures, each with a key of its own, so that no value depends on what else is computed."""

import functools

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.rng import generator


def normal(shape: tuple[int, ...], like: Tensor, stream: str, index: int = 0) -> Tensor:
    """Return standard normal numbers of a shape, on the device and in the precision of `like`.

    Args:
        shape: of the result.
        like: any tensor of the network.
        stream: name of the purpose, which is the key.
        index: number of the draw, if there are several.

    >>> torch.equal(normal((3,), torch.ones(1), "demo"), normal((3,), torch.ones(1), "demo"))
    True
    """
    return _normal(shape, stream, index).to(like.device, like.dtype)


@functools.lru_cache(maxsize=32)  # the networks of a sweep have the same shapes
def _normal(shape: tuple[int, ...], stream: str, index: int) -> Tensor:
    rng = generator(0, f"measures/{stream}", index)
    return torch.from_numpy(rng.standard_normal(shape))


def pairs(examples: int, count: int, stream: str) -> Tensor:
    """Draw pairs `(count, 2)` of different examples, or of the only one."""
    rng = generator(0, f"measures/{stream}")
    first = rng.integers(0, examples, count)
    second = (first + rng.integers(1, max(2, examples), count)) % examples
    return torch.from_numpy(np.stack([first, second], 1))


def uniform(shape: tuple[int, ...], like: Tensor, stream: str, index: int = 0) -> Tensor:
    """Return numbers uniform on [0, 1), with the arguments of `normal`."""
    rng = generator(0, f"measures/{stream}", index)
    return torch.from_numpy(rng.random(shape)).to(like.device, like.dtype)
