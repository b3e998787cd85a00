"""Random draws keyed by (seed, stream, step): no global generator, no order of events.

Philox is a counter-based generator (Salmon et al. 2011), so the draws of one key are independent of those of every
other key, and a run draws the same numbers alone, in a stack, or after a restart.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
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
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


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
        return self._fill(shape, lambda rng, out: rng.random(out=out, dtype=np.float32))

    def normal(self, *shape: int) -> torch.Tensor:
        """Draw `(K, *shape)` in float32, standard normal."""
        return self._fill(shape, lambda rng, out: rng.standard_normal(out=out, dtype=np.float32))

    def seeds(self) -> list[int]:
        """Draw a seed for each run's own use of another generator."""
        return [int(rng.integers(2**63)) for rng in self.generators]

    def state(self) -> torch.Tensor:
        """Return where every generator is, `(K, 13)` 64-bit words, for `load`."""
        rows = np.array([_philox_words(rng) for rng in self.generators], dtype=np.uint64)
        return torch.from_numpy(rows.reshape(len(self.generators), PHILOX_WORDS).view(np.int64))

    def load(self, state: torch.Tensor) -> None:
        """Go on from what `state` gave for the same runs."""
        rows = state.cpu().numpy().view(np.uint64)
        for rng, words in zip(self.generators, rows, strict=True):
            _set_philox_words(rng, words)

    def _fill(self, shape: tuple[int, ...], fill: Callable[[np.random.Generator, np.ndarray], Any]) -> torch.Tensor:
        values = np.empty((len(self.generators), *shape), dtype=np.float32)
        for rng, out in zip(self.generators, values, strict=True):
            fill(rng, out)
        return torch.from_numpy(values).to(self.device)


#: 64-bit words of a Philox generator's state: counter (4), key (2), buffer (4), position in it, and a half-used word (2).
PHILOX_WORDS = 13


def _philox_words(rng: np.random.Generator) -> list[int]:
    state: Any = rng.bit_generator.state
    words = [*state["state"]["counter"], *state["state"]["key"], *state["buffer"]]
    return [int(word) for word in (*words, state["buffer_pos"], state["has_uint32"], state["uinteger"])]


def _set_philox_words(rng: np.random.Generator, words: np.ndarray) -> None:
    rng.bit_generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": words[0:4].copy(), "key": words[4:6].copy()},
        "buffer": words[6:10].copy(),
        "buffer_pos": int(words[10]),
        "has_uint32": int(words[11]),
        "uinteger": int(words[12]),
    }
