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
    """The generator of one key.

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
    """

    def __init__(self, seeds: Sequence[int], stream: str, epoch: int, device: torch.device | str = "cpu") -> None:
        self.generators = [generator(seed, stream, epoch) for seed in seeds]
        self.device = device

    def pick(self, runs: Sequence[int]) -> "StackGenerator":
        """Those of some of the runs, which go on where they are."""
        chosen = copy.copy(self)
        chosen.generators = [self.generators[run] for run in runs]
        return chosen

    def uniform(self, *shape: int) -> torch.Tensor:
        """`(K, *shape)` in float32, uniform on [0, 1)."""
        return self._fill(shape, lambda draw, out: draw.random(out=out, dtype=np.float32))

    def normal(self, *shape: int) -> torch.Tensor:
        """`(K, *shape)` in float32, standard normal."""
        return self._fill(shape, lambda draw, out: draw.standard_normal(out=out, dtype=np.float32))

    def seeds(self) -> list[int]:
        """A seed for each run's own use of another generator."""
        return [int(draw.integers(2**63)) for draw in self.generators]

    def _fill(self, shape: tuple[int, ...], fill: Callable[[np.random.Generator, np.ndarray], Any]) -> torch.Tensor:
        values = np.empty((len(self.generators), *shape), dtype=np.float32)
        for draw, out in zip(self.generators, values, strict=True):
            fill(draw, out)
        return torch.from_numpy(values).to(self.device)
