"""Random numbers of the measures, each with a key of its own, so that no value depends on what else is computed.

The same numbers are drawn for every network, so that networks are compared under equal conditions. A measure that draws
can be measured again with other numbers, its second draw, third and so on: `drawing(2)`. How far these agree says how
much of it is noise of the measurement (`analysis.statistics.measurement_noise`).
"""

import contextlib
import functools
import math
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.rng import generator

#: Numbers up to which drawn ones are kept for the next network.
KEPT = 2**20

_DRAW: ContextVar[int] = ContextVar("draw", default=1)


def current_draw() -> int:
    """Return the number of the draw that random numbers are for, from 1."""
    return _DRAW.get()


@contextlib.contextmanager
def drawing(draw: int) -> Iterator[None]:
    """Draw the numbers of another draw, independent of those of the first.

    >>> first = normal((3,), torch.ones(1), "demo")
    >>> with drawing(2):
    ...     second = normal((3,), torch.ones(1), "demo")
    >>> torch.equal(first, second)
    False
    """
    token = _DRAW.set(draw)
    try:
        yield
    finally:
        _DRAW.reset(token)


def _generator(stream: str, index: int = 0) -> np.random.Generator:
    return generator(current_draw() - 1, f"measures/{stream}", index)


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
    drawn = _kept_normal if math.prod(shape) <= KEPT else _normal
    return drawn(shape, stream, index, current_draw()).to(like.device, like.dtype)


def _normal(shape: tuple[int, ...], stream: str, index: int, draw: int) -> Tensor:
    rng = _generator(stream, index)
    return torch.from_numpy(rng.standard_normal(shape))


_kept_normal = functools.lru_cache(maxsize=32)(_normal)  # the networks of a sweep have the same shapes


def pairs(examples: int, count: int, stream: str) -> Tensor:
    """Draw pairs `(count, 2)` of different examples, or of the only one."""
    rng = _generator(stream)
    first = rng.integers(0, examples, count)
    second = (first + rng.integers(1, max(2, examples), count)) % examples
    return torch.from_numpy(np.stack([first, second], 1))


def uniform(shape: tuple[int, ...], like: Tensor, stream: str, index: int = 0) -> Tensor:
    """Return numbers uniform on [0, 1), with the arguments of `normal`."""
    rng = _generator(stream, index)
    return torch.from_numpy(rng.random(shape)).to(like.device, like.dtype)
