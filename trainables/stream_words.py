"""The 64-bit words of random streams, from numpy's Philox on CPUs, and by operations on tensors elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.philox import BLOCK, tensor_words

Array = np.ndarray[Any, Any]


def key_of(seed: int, stream: str, step: int = 0) -> Array:
    """Return the key of a stream: two 64-bit words, a hash of its three parts.

    Args:
        seed: the run's seed (or a split seed); any integer >= 0.
        stream: purpose of the draws, such as `init` or `order/train`.
        step: an index within the stream, such as the epoch or the layer.
    """
    name = f"{seed}/{stream}/{step}"
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.frombuffer(digest, "<u8").astype(np.uint64)


class _KeySeed(np.random.bit_generator.ISeedSequence):
    """The key of a stream where numpy asks for a seed.

    Given as `key`, it would be set after a seed had been drawn from the operating system, which takes three times as
    long: an epoch of a small network takes little longer than that of a hundred streams.
    """

    def __init__(self, key: Array) -> None:
        self._key = key

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Array:
        """Return the key: two words in uint64 are what `np.random.Philox` asks for."""
        return self._key


def philox(key: Array, blocks: int = 0) -> np.random.Philox:
    """Return numpy's source of the words of a stream, after so many blocks.

    >>> key = key_of(0, "init")
    >>> bool((philox(key, 3).random_raw(8) == np.random.Philox(key=key, counter=3).random_raw(8)).all())
    True
    """
    return np.random.Philox(_KeySeed(key), counter=blocks)  # type: ignore[arg-type]  # numpy names no base class


class CpuStreams:
    """The words of several streams from numpy's Philox, which is set up where a stream is first drawn from.

    Args:
        keys: of the streams.

    Attributes:
        blocks: number of blocks that have been drawn of each stream.
        words_at_once: at most so many are worth drawing together: what is made of them stays in the cache.
    """

    words_at_once = 2**14

    def __init__(self, keys: Sequence[Array]) -> None:
        self.blocks = np.zeros(len(keys), np.int64)
        self._keys = keys
        self._sources: list[np.random.Philox | None] = [None] * len(keys)

    def words(self, rows: Array, count: int) -> Array:
        """Return the next words of some streams, `(rows, count)` in uint64."""
        size = whole_blocks(count)
        words = np.empty((len(rows), size), np.uint64)
        for row, own in zip(rows.tolist(), words, strict=True):
            source = self._sources[row] or self._set_up(row)
            own[:] = source.random_raw(size)
        self.blocks[rows] += size // BLOCK
        return words[:, :count]

    def host_words(self, rows: Array, count: int) -> Array:
        """As `words`."""
        return self.words(rows, count)

    def compile(self, backend: str) -> None:
        """Do nothing: numpy's words are compiled."""

    def go_to(self, rows: Array, blocks: Array) -> None:
        """Continue some streams after so many blocks."""
        self.blocks[rows] = blocks
        for row in rows.tolist():
            self._sources[row] = None

    def follow(self, other: CpuStreams, rows: Array) -> None:
        """Go on from where some streams of another object are, with the first ones here."""
        keys = [other._keys[row] for row in rows.tolist()]
        self._keys = [*keys, *self._keys[len(rows) :]]
        self.go_to(np.arange(len(rows)), other.blocks[rows])

    def _set_up(self, row: int) -> np.random.Philox:
        source = philox(self._keys[row], int(self.blocks[row]))
        self._sources[row] = source
        return source


class DeviceStreams:
    """The words of several streams, computed on a device; see `CpuStreams`.

    The device counts blocks, too, so that a recorded program that draws goes on at every replay. Nothing is read from
    the device and, but for the first draw of a choice of streams, nothing is sent to it.
    """

    words_at_once = 2**27

    def __init__(self, keys: Sequence[Array], device: torch.device | str) -> None:
        self.blocks = np.zeros(len(keys), np.int64)
        self._host_keys = np.array(keys, np.uint64).reshape(len(keys), 2)
        self._keys = torch.from_numpy(self._host_keys.view(np.int64)).to(device)
        self._counters = torch.zeros(len(keys), dtype=torch.int64, device=device)
        self._places: dict[bytes, slice | Tensor] = {}
        self._compute: Callable[[Tensor, Tensor, int], Tensor] = tensor_words

    def words(self, rows: Array, count: int) -> Tensor:
        """Return the next words of some streams, `(rows, count)` in int64."""
        blocks = whole_blocks(count) // BLOCK
        place = self._place(rows)
        words = self._compute(self._keys[place], self._counters[place], blocks)
        self._advance(rows, blocks)
        return words[:, :count]

    def host_words(self, rows: Array, count: int) -> Array:
        """As `words`, but computed on the CPU, `(rows, count)` in uint64."""
        on_host = CpuStreams(list(self._host_keys[rows]))
        all_rows = np.arange(len(rows))
        on_host.go_to(all_rows, self.blocks[rows])
        self._advance(rows, whole_blocks(count) // BLOCK)
        return on_host.words(all_rows, count)

    def compile(self, backend: str) -> None:
        """Compute words by a program of torch's compiler from now on: one operation instead of hundreds.

        Raises:
            RuntimeError: it cannot be compiled, or its words are others.
        """
        compiled = torch.compile(tensor_words, backend=backend)
        if not torch.equal(compiled(self._keys, self._counters, 3), tensor_words(self._keys, self._counters, 3)):
            raise RuntimeError("the compiled words of random streams are others than they should be")
        self._compute = compiled

    def go_to(self, rows: Array, blocks: Array) -> None:
        """Continue some streams after so many blocks."""
        self.blocks[rows] = blocks
        self._counters[self._place(rows)] = torch.from_numpy(blocks).to(self._counters.device)

    def follow(self, other: DeviceStreams, rows: Array) -> None:
        """As `CpuStreams.follow`; no tensor is replaced."""
        count = len(rows)
        place = other._place(rows)
        self._host_keys[:count] = other._host_keys[rows]
        self.blocks[:count] = other.blocks[rows]
        self._keys[:count] = other._keys[place]
        self._counters[:count] = other._counters[place]

    def _advance(self, rows: Array, blocks: int) -> None:
        self.blocks[rows] += blocks
        place = self._place(rows)
        if isinstance(place, slice):
            self._counters[place].add_(blocks)
        else:
            self._counters[place] += blocks

    def _place(self, rows: Array) -> slice | Tensor:
        """Return the index of some rows on the device: a slice where they are consecutive."""
        name = rows.tobytes()
        if name not in self._places:
            if len(rows) and (np.diff(rows) == 1).all():
                self._places[name] = slice(int(rows[0]), int(rows[-1]) + 1)
            else:
                self._places[name] = torch.from_numpy(rows.copy()).to(self._keys.device)
        return self._places[name]


def whole_blocks(words: int) -> int:
    """Return the words of the blocks that contain so many words."""
    return -(-words // BLOCK) * BLOCK
