"""Random draws keyed by (seed, stream, step): no global generator, no order of events.

Philox is a counter-based generator (Salmon et al. 2011), so the draws of one key are independent of those of every
other key, and a run draws the same numbers alone, in a stack, or after a restart.
"""

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """Return the generator of one key.

    Args:
        seed: the run's seed (or a split seed); any integer >= 0.
        stream: what the draws are for, such as ``"init"`` or ``"order/train"``.
        step: an index within the stream, such as the epoch or the layer.

    Returns:
        A numpy Generator over Philox with a 128-bit key.

    >>> generator(0, "order", 3).permutation(4).tolist() == generator(0, "order", 3).permutation(4).tolist()
    True
    >>> generator(0, "order", 3).random() == generator(0, "order", 4).random()
    False
    """
    name = f"{seed}/{stream}/{step}"
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    key = int.from_bytes(digest, "little")
    return np.random.Generator(np.random.Philox(key=key))


class StackGenerator:
    """Random numbers of K runs through one epoch, each run's from its own generator.

    A run draws the same numbers in any company, since its layers ask for them in the same order.

    Args:
        seeds: of the K runs.
        stream: what the draws are for.
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
        self.generators = [generator(seed, stream, epoch) for seed in seeds]
        self.device = device

    def pick(self, runs: Sequence[int]) -> "StackGenerator":
        """Return the generators of some of the runs, shared with this one, so that both go on where they are."""
        chosen = copy.copy(self)
        chosen.generators = [self.generators[run] for run in runs]
        return chosen

    def uniform(self, *shape: int) -> torch.Tensor:
        """Draw `(K, *shape)` in float32, uniform on [0, 1)."""
        values = self._empty(shape)
        for rng, row in zip(self.generators, values, strict=True):
            rng.random(out=row, dtype=np.float32)
        return torch.from_numpy(values).to(self.device)

    def normal(self, *shape: int) -> torch.Tensor:
        """Draw `(K, *shape)` in float32, standard normal."""
        values = self._empty(shape)
        for rng, row in zip(self.generators, values, strict=True):
            rng.standard_normal(out=row, dtype=np.float32)
        return torch.from_numpy(values).to(self.device)

    def seeds(self) -> list[int]:
        """Draw a seed for each run's own use of another generator."""
        return [int(rng.integers(2**63)) for rng in self.generators]

    def state(self) -> torch.Tensor:
        """Return the positions of all generators, `(K, 13)` 64-bit words, for `load`."""
        words = [_philox_words(rng) for rng in self.generators]
        rows = np.array(words, dtype=np.uint64).reshape(len(words), PHILOX_WORDS)
        return torch.from_numpy(rows.view(np.int64))

    def load(self, state: torch.Tensor) -> None:
        """Go on from what `state` gave for the same runs."""
        rows = state.cpu().numpy().view(np.uint64)
        for rng, words in zip(self.generators, rows, strict=True):
            _set_philox_words(rng, words)

    def _empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return memory for the draws of all runs."""
        return np.empty((len(self.generators), *shape), dtype=np.float32)


#: 64-bit words of a Philox generator's state: counter (4), key (2), buffer (4), position in it, a half-used word (2).
PHILOX_WORDS = 13
BUFFER_FIELDS = ("buffer_pos", "has_uint32", "uinteger")


def _philox_words(rng: np.random.Generator) -> list[int]:
    state: Any = rng.bit_generator.state
    words = [*state["state"]["counter"], *state["state"]["key"], *state["buffer"]]
    for name in BUFFER_FIELDS:
        words.append(state[name])
    return [int(word) for word in words]


def _set_philox_words(rng: np.random.Generator, words: np.ndarray) -> None:
    state: dict[str, Any] = {"bit_generator": "Philox"}
    state["state"] = {"counter": words[0:4].copy(), "key": words[4:6].copy()}
    state["buffer"] = words[6:10].copy()
    for name, word in zip(BUFFER_FIELDS, words[10:], strict=True):
        state[name] = int(word)
    rng.bit_generator.state = state
