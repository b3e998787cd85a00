"""The 64-bit words of random streams, from numpy's Philox on CPUs, and by operations on tensors elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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

    def go_to(self, rows: Array, blocks: Array) -> None:
        """Continue some streams after so many blocks."""
        self.blocks[rows] = blocks
        for row in rows.tolist():
            self._sources[row] = None

    def _set_up(self, row: int) -> np.random.Philox:
        source = np.random.Philox(key=self._keys[row], counter=int(self.blocks[row]))
        self._sources[row] = source
        return source


class DeviceStreams:
    """The words of several streams, computed on a device; see `CpuStreams`."""

    words_at_once = 2**27

    def __init__(self, keys: Sequence[Array], device: torch.device | str) -> None:
        self.blocks = np.zeros(len(keys), np.int64)
        words = np.array(keys, np.uint64).reshape(len(keys), 2).view(np.int64)
        self._keys = torch.from_numpy(words).to(device)

    def words(self, rows: Array, count: int) -> Tensor:
        """Return the next words of some streams, `(rows, count)` in int64."""
        blocks = whole_blocks(count) // BLOCK
        drawn = self.blocks[rows]
        self.blocks[rows] += blocks
        all_in_order = len(rows) == len(self._keys) and bool((np.diff(rows) == 1).all())
        keys = self._keys if all_in_order else self._keys[torch.from_numpy(rows)]
        together = len(drawn) and bool((drawn == drawn[0]).all())
        starts = int(drawn[0]) if together else torch.from_numpy(drawn).to(keys.device)
        return tensor_words(keys, starts, blocks)[:, :count]

    def go_to(self, rows: Array, blocks: Array) -> None:
        """Continue some streams after so many blocks."""
        self.blocks[rows] = blocks


def whole_blocks(words: int) -> int:
    """Return the words of the blocks that contain so many words."""
    return -(-words // BLOCK) * BLOCK
