"""What a network is given: inputs of K runs as they are kept in memory, the splits, and the data set."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

#: Bytes of a split's inputs as floats, up to which they are kept so: a batch then is one `index_select`. Beyond, they
#: stay uint8 (a quarter of float32) and each batch is converted, since every process of a machine holds its own.
FLOAT_BYTES = 2**27

Target = Literal["classes", "real"]


@dataclass(frozen=True)
class Inputs:
    """S sets of N inputs, of which each of K runs reads one; kept as stored, given out normalized.

    Attributes:
        stored: `(S, N, *input_shape)`: uint8, or floats that are normalized already; images may have a border.
        slot: `(K,)`: which set each run reads.
        dtype: of what is given out.
        mean: `(S, *)`, to be subtracted from uint8, where `*` broadcasts against an input; None for floats.
        deviation: `(S, *)`, to divide by; None for floats.
        border: pixels that stored images have beyond each side of an input, for windows of them in training.
    """

    stored: Tensor
    slot: Tensor
    dtype: torch.dtype
    mean: Tensor | None = None
    deviation: Tensor | None = None
    border: int = 0

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def examples(self) -> int:
        """N, the inputs of one run."""
        return self.stored.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        shape, cut = tuple(self.stored.shape[2:]), 2 * self.border
        return (*shape[:-2], shape[-2] - cut, shape[-1] - cut) if cut else shape

    def pick(self, runs: Tensor | slice) -> "Inputs":
        """The inputs of some of the runs; the sets are shared, not copied."""
        return replace(self, slot=self.slot[runs])

    def gather(self, index: Tensor, whole: bool = False) -> Tensor:
        """The inputs `(..., K, B, *input_shape)` at each run's own positions `(..., K, B)`.

        Where all runs share one set, K may be any number. Of shared floats this is one `index_select`.

        Args:
            index: the positions.
            whole: images with their border.
        """
        if len(self.stored) > 1:
            index = index + self.slot.unsqueeze(1) * self.examples
        rows = self.stored.flatten(0, 1).index_select(0, index.flatten()).unflatten(0, index.shape)
        return self._normalized(rows if whole else self._inner(rows))

    def rows(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Every run's inputs `(K, n, *input_shape)` from `start` to `stop`; a view where they are shared floats."""
        rows = self._inner(self.stored[:, start:stop])
        if len(self.stored) == 1:
            return self._normalized(rows).expand(len(self), *(-1,) * (rows.ndim - 1))
        return self._normalized(rows[self.slot])

    def _inner(self, rows: Tensor) -> Tensor:
        own = slice(self.border, -self.border or None)
        return rows[..., own, own].contiguous() if self.border else rows

    def _normalized(self, rows: Tensor) -> Tensor:
        """Floats of rows `(K, n, *input_shape)`."""
        if self.mean is None or self.deviation is None:
            return rows
        mean, deviation = self.mean, self.deviation
        if len(self.stored) > 1:
            mean, deviation = mean[self.slot], deviation[self.slot]
        return rows.to(self.dtype).sub_(mean.unsqueeze(1)).div_(deviation.unsqueeze(1))

    @staticmethod
    def join(sets: "list[Inputs]", slot: Tensor) -> "Inputs":
        """Runs that read different sets; if some are floats and some not, all become floats."""
        if len(sets) == 1:
            return replace(sets[0], slot=slot)
        if any(one.mean is None for one in sets):
            return Inputs(torch.cat([one.rows() for one in sets]), slot, sets[0].dtype)
        mean = torch.cat([one.mean for one in sets if one.mean is not None])
        deviation = torch.cat([one.deviation for one in sets if one.deviation is not None])
        return Inputs(torch.cat([one.stored for one in sets]), slot, sets[0].dtype, mean, deviation)


@dataclass(frozen=True)
class Split:
    """The examples of one split: one set of inputs, and labels `(N,)`, integers or (of target `real`) floats."""

    sets: Inputs
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> Tensor:
        """All inputs `(N, *input_shape)`, normalized; made anew at each call where they are kept as uint8."""
        return self.sets.rows()[0]

    def gather(self, index: Tensor) -> Tensor:
        """The inputs `(K, B, *input_shape)` at positions `(K, B)`, normalized."""
        return self.sets.gather(index)

    @staticmethod
    def of(inputs: Tensor, labels: Tensor, border: int = 0) -> "Split":
        """A split of inputs `(N, *input_shape)` that are used as they are, or images with a border."""
        slot = torch.zeros(1, dtype=torch.long, device=inputs.device)
        return Split(Inputs(inputs.unsqueeze(0), slot, inputs.dtype, border=border), labels)


@dataclass(frozen=True)
class Dataset:
    """The three splits of a task.

    Attributes:
        train: to learn from.
        validation: to choose and predict by; may be empty.
        test: for outcomes only.
        classes: how many there are; 0 if the target is `real`.
        target: `classes` (integer labels) or `real` (a number to be regressed on).
        checksum: 16 hexadecimal digits that tell raw data and split from others.
    """

    train: Split
    validation: Split
    test: Split
    classes: int
    target: Target
    checksum: str

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.train.sets.shape

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name; an empty validation split is left out."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if len(split)}


def stratified_order(labels: np.ndarray[Any, Any], draw: np.random.Generator) -> np.ndarray[Any, Any]:
    """A random order in which every stretch has the classes in nearly their overall proportions.

    The j-th of the n_c examples of a class is placed at (j + u) / n_c with one u per class, then all are sorted.

    >>> labels = np.array([0] * 50 + [1] * 10)
    >>> int(labels[stratified_order(labels, np.random.default_rng(0))][:30].sum())
    5
    """
    position = np.empty(len(labels))
    for value in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == value))
        position[members] = (np.arange(len(members)) + draw.random()) / len(members)
    return np.argsort(position, kind="stable")
