"""Random draws keyed by (seed, stream, step): no global generator, no order of events.

Philox is a counter-based generator (Salmon et al. 2011), so the draws of one key are independent of those of every
other key, and a run draws the same numbers alone, in a stack, after a restart, and on any device: the words are the
same bit by bit (`trainables.philox`), and so are the formulas that turn them into numbers
(`trainables.random_numbers`).
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benevolent.trainables import random_numbers
from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.stream_words import CpuStreams, DeviceStreams, key_of, philox, whole_blocks

Array = np.ndarray[Any, Any]
Shape = int | tuple[int, ...]
#: Numbers `(K, n)` from words `(K, m)`.
Formula = Callable[[Any], Any]


def generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """Return numpy's generator over the words of one key, for statistics; arguments as in `key_of`.

    Runs and their data draw from `RandomStream` or `StackGenerator`, whose formulas exist for every device.

    >>> generator(0, "resamples", 3).permutation(4).tolist() == generator(0, "resamples", 3).permutation(4).tolist()
    True
    """
    return np.random.Generator(philox(key_of(seed, stream, step)))


class RandomStream:
    """Random numbers of one key, drawn on the CPU; arguments as in `key_of`.

    The methods are named as in `numpy.random.Generator`. Every call takes whole blocks of four words.

    >>> first = RandomStream(0, "init", 3)
    >>> first.random(2).tolist() == RandomStream(0, "init", 3).random(2).tolist()
    True
    >>> bool(first.random() == RandomStream(0, "init", 4).random())
    False
    """

    def __init__(self, seed: int, stream: str, step: int = 0) -> None:
        self._philox = philox(key_of(seed, stream, step))

    def words(self, count: int) -> Array:
        """Return the next words, `(count,)` in uint64."""
        return self._philox.random_raw(whole_blocks(count))[:count]

    def random(self, shape: Shape = (), single: bool = False) -> Any:
        """Draw numbers uniform on [0, 1), in float64, or in float32 if `single`."""
        count = _size(shape)
        words = self.words(-(-count // 2) if single else count)
        return random_numbers.uniform(words, single)[:count].reshape(shape)[()]

    def uniform(self, low: float, high: float, shape: Shape = ()) -> Any:
        """Draw numbers uniform on [low, high), in float64."""
        return low + (high - low) * self.random(shape)

    def standard_normal(self, shape: Shape = (), single: bool = False) -> Any:
        """Draw standard normal numbers, in float64, or in float32 if `single`."""
        count = _size(shape)
        words = self.words(random_numbers.words_for(count, single))
        return random_numbers.normal(words, single)[:count].reshape(shape)[()]

    def integers(self, low: int, high: int, shape: Shape = ()) -> Any:
        """Draw integers from low to high - 1, all equally likely."""
        count = _size(shape)
        words = self.words(-(-count // 2))
        return low + random_numbers.integers(words, high - low)[:count].reshape(shape)[()]

    def signs(self, count: int) -> Array:
        """Draw -1 or 1, `(count,)` in float64."""
        return 2.0 * self.integers(0, 2, count) - 1

    def permutation(self, count: int) -> Array:
        """Return the numbers 0 to count - 1 in random order."""
        return random_numbers.permutations(self.words(count))

    def permutations(self, rows: int, count: int) -> Array:
        """Return so many independent permutations of 0 to count - 1, `(rows, count)`."""
        return random_numbers.permutations(self.words(rows * count).reshape(rows, count))


class StackGenerator:
    """Random numbers of K runs through one epoch, each run's from a stream of its own.

    A run draws the same numbers in any stack, since its layers ask for them in the same order. They are those of its
    `RandomStream`, drawn on the device where they are needed.

    Args:
        seeds: of the K runs.
        stream: purpose of the draws.
        epoch: an index within the stream.
        device: where the numbers are needed.

    >>> rng = StackGenerator([0, 1], "layers", 0)
    >>> _ = rng.uniform(3)
    >>> state, expected = rng.state(), rng.normal(2)
    >>> again = StackGenerator([0, 1], "layers", 0)
    >>> again.load(state)
    >>> torch.equal(again.normal(2), expected)
    True
    """

    def __init__(self, seeds: Sequence[int], stream: str, epoch: int, device: torch.device | str = "cpu") -> None:
        keys = [key_of(seed, stream, epoch) for seed in seeds]
        on_cpu = torch.device(device).type == "cpu"
        self._streams: CpuStreams | DeviceStreams = CpuStreams(keys) if on_cpu else DeviceStreams(keys, device)
        self._rows = np.arange(len(keys))

    def pick(self, runs: Sequence[int]) -> StackGenerator:
        """Return the streams of some of the runs, shared with this generator, so that both go on where they are."""
        chosen = copy.copy(self)
        chosen._rows = self._rows[np.array(runs, np.int64)]
        return chosen

    def uniform(self, *shape: int) -> Tensor:
        """Draw `(K, *shape)` in float32, uniform on [0, 1)."""
        count = math.prod(shape)
        uniform = functools.partial(random_numbers.uniform, single=True)
        return self._drawn(uniform, random_numbers.words_for(count, single=True), shape)

    def normal(self, *shape: int) -> Tensor:
        """Draw `(K, *shape)` in float32, standard normal."""
        count = math.prod(shape)
        normal = functools.partial(random_numbers.normal, single=True)
        return self._drawn(normal, random_numbers.words_for(count, single=True), shape)

    def permutations(self, count: int) -> Tensor:
        """Draw `(K, count)`: the numbers 0 to count - 1 in random order for each run."""
        return self._drawn(random_numbers.permutations, count, (count,))

    def seeds(self) -> list[int]:
        """Draw a seed for each run's own use of another generator, below 2^63."""
        words = self._streams.host_words(self._rows, 1)
        return random_numbers.seeds(words)[:, 0].tolist()

    def compile(self, backend: str) -> None:
        """Draw by a program of torch's compiler from now on, where a device draws; see `DeviceStreams.compile`."""
        self._streams.compile(backend)

    def skip(self, blocks: int) -> None:
        """Go on as if every run had drawn so many more blocks of words."""
        self._streams.go_to(self._rows, self._streams.blocks[self._rows] + blocks)

    def follow(self, other: StackGenerator) -> None:
        """Go on, with the first runs here, from where those of another generator for the same device are."""
        self._streams.follow(other._streams, other._rows)  # type: ignore[arg-type]

    @property
    def blocks_drawn(self) -> int:
        """The number of blocks of words that the first run has drawn."""
        return int(self._streams.blocks[self._rows[0]])

    def state(self) -> Tensor:
        """Return the number of blocks that each run has drawn, `(K,)`, for `load`."""
        return torch.from_numpy(self._streams.blocks[self._rows])

    def load(self, state: Tensor) -> None:
        """Go on from what `state` gave for the same runs."""
        self._streams.go_to(self._rows, state.cpu().numpy())

    def _drawn(self, formula: Formula, words: int, shape: tuple[int, ...]) -> Tensor:
        """Return what a formula makes of the next words of every run, `(K, *shape)`."""
        count = math.prod(shape)
        step = max(1, self._streams.words_at_once // max(1, words))
        parts = []
        for start in range(0, len(self._rows), step):
            numbers = formula(self._streams.words(self._rows[start : start + step], words))
            parts.append(torch.as_tensor(numbers)[:, :count])
        drawn = torch.cat(parts) if len(parts) != 1 else parts[0]
        return drawn.reshape(len(self._rows), *shape)


def _size(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)
