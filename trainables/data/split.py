"""Inputs of K runs as they are kept in memory, the splits, and the data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.rng import RandomStream

#: Largest split, in bytes of its inputs as floats, that is kept as floats: then a batch is one `index_select`. Larger
#: ones stay uint8 (a quarter of float32) and each batch is converted, since every process of a machine holds its own.
FLOAT_BYTES = 2**27

Target = Literal["classes", "real"]


@dataclass(frozen=True)
class Inputs:
    """S sets of N inputs, of which each of K runs reads one; kept as stored, given out normalized.

    Attributes:
        stored: `(S, N, *input_shape)`: uint8, or floats that are normalized already; images may have a border.
        slot: `(K,)`: the set that each run reads.
        dtype: of the inputs given out.
        mean: `(S, *)`, to be subtracted from uint8, where `*` broadcasts against an input; None for floats.
        deviation: `(S, *)`, to divide by; None for floats.
        border: pixels that stored images have beyond each side of an input, for windows of them in training.
        subset: `(K, n)`, the positions in its set that each run reads; None where it reads all of them.
    """

    stored: Tensor
    slot: Tensor
    dtype: torch.dtype
    mean: Tensor | None = None
    deviation: Tensor | None = None
    border: int = 0
    subset: Tensor | None = None

    @staticmethod
    def of(inputs: Tensor, border: int = 0) -> Inputs:
        """Return one set of inputs `(N, *input_shape)` that are used as they are, or images with a border."""
        slot = torch.zeros(1, dtype=torch.long, device=inputs.device)
        return Inputs(inputs.unsqueeze(0), slot, inputs.dtype, border=border)

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def examples(self) -> int:
        """N, the number of inputs of one run."""
        return self.stored.shape[1] if self.subset is None else self.subset.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        shape = tuple(self.stored.shape[2:])
        if not self.border:
            return shape
        *channels, height, width = shape
        return (*channels, height - 2 * self.border, width - 2 * self.border)

    def pick(self, runs: Tensor | slice) -> Inputs:
        """Return the inputs of some of the runs; the sets are shared, not copied."""
        subset = None if self.subset is None else self.subset[runs]
        return replace(self, slot=self.slot[runs], subset=subset)

    def gather(self, index: Tensor, whole: bool = False) -> Tensor:
        """Return the inputs `(..., K, B, *input_shape)` at each run's own positions `(..., K, B)`.

        Where all runs share one whole set, K may be any number. Of shared floats this is one `index_select`.

        Args:
            index: the positions.
            whole: return images with their border.
        """
        if self.subset is not None:
            index = self.subset.expand(*index.shape[:-1], -1).gather(-1, index)
        if len(self.stored) > 1:
            index = index + self.slot.unsqueeze(1) * self.stored.shape[1]
        rows = self.stored.flatten(0, 1).index_select(0, index.flatten())
        rows = rows.unflatten(0, index.shape)
        if not whole:
            rows = self._without_border(rows)
        return self._normalized(rows)

    def rows(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Return every run's inputs `(K, n, *input_shape)` from `start` to `stop`; a view of shared floats."""
        if self.subset is not None:
            positions = self.subset[:, start:stop]
            return replace(self, subset=None).gather(positions)
        rows = self._without_border(self.stored[:, start:stop])
        if len(self.stored) == 1:
            kept_axes = [-1] * (rows.ndim - 1)
            return self._normalized(rows).expand(len(self), *kept_axes)
        return self._normalized(rows[self.slot])

    def _without_border(self, rows: Tensor) -> Tensor:
        if not self.border:
            return rows
        inside = slice(self.border, -self.border)
        return rows[..., inside, inside].contiguous()

    def _normalized(self, rows: Tensor) -> Tensor:
        """Return rows `(K, n, *input_shape)` as normalized floats."""
        if self.mean is None or self.deviation is None:
            return rows
        mean = self.mean
        deviation = self.deviation
        if len(self.stored) > 1:
            mean = mean[self.slot]
            deviation = deviation[self.slot]
        floats = rows.to(self.dtype)
        return floats.sub_(mean.unsqueeze(1)).div_(deviation.unsqueeze(1))

    @staticmethod
    def join(sets: list[Inputs], slot: Tensor) -> Inputs:
        """Return the inputs of runs that read different sets; if any set is of floats, all become floats."""
        if len(sets) == 1:
            return replace(sets[0], slot=slot)
        dtype = sets[0].dtype
        means = [inputs.mean for inputs in sets if inputs.mean is not None]
        deviations = [inputs.deviation for inputs in sets if inputs.deviation is not None]
        if len(means) < len(sets):
            floats = torch.cat([inputs.rows() for inputs in sets])
            return Inputs(floats, slot, dtype)
        stored = torch.cat([inputs.stored for inputs in sets])
        return Inputs(stored, slot, dtype, torch.cat(means), torch.cat(deviations))


@dataclass(frozen=True)
class Split:
    """The examples of one split: one set of inputs, and labels `(N,)`, integers or (of target `real`) floats."""

    sets: Inputs
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def inputs(self) -> Tensor:
        """All inputs `(N, *input_shape)`, normalized; computed at each call where they are kept as uint8."""
        return self.sets.rows()[0]

    def gather(self, index: Tensor) -> Tensor:
        """Return the inputs `(K, B, *input_shape)` at positions `(K, B)`, normalized."""
        return self.sets.gather(index)


@dataclass(frozen=True)
class PixelScale:
    """The scale of images: an input is `(pixel - mean) / deviation`, with pixels from 0 to 1.

    Attributes:
        mean: `(channels, 1, 1)` in float64.
        deviation: the same shape.
    """

    mean: Tensor
    deviation: Tensor

    def pixels(self, inputs: Tensor) -> Tensor:
        """Return the pixels of normalized images `(N, channels, height, width)`, in float64."""
        return inputs.double() * self.deviation + self.mean


@dataclass(frozen=True)
class Dataset:
    """The three splits of a task.

    Attributes:
        train: to learn from.
        validation: to choose and predict by; may be empty.
        test: for outcomes only.
        classes: number of classes; 0 if the target is `real`.
        target: `classes` (integer labels) or `real` (a number to be regressed on).
        checksum: 16 hexadecimal digits that tell raw data and split from others.
        scale: of images; None for other inputs.
    """

    train: Split
    validation: Split
    test: Split
    classes: int
    target: Target
    checksum: str
    scale: PixelScale | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.train.sets.shape

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name, without an empty validation split."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if len(split)}


def stratified_order(labels: np.ndarray[Any, Any], rng: RandomStream) -> np.ndarray[Any, Any]:
    """Return a random order in which every stretch has the classes in nearly their overall proportions.

    The j-th of the n_c examples of a class is placed at (j + u) / n_c with one u per class, then all are sorted.

    >>> labels = np.array([0] * 50 + [1] * 10)
    >>> int(labels[stratified_order(labels, RandomStream(0, "split"))][:30].sum())
    5
    """
    position = np.empty(len(labels))
    for value in np.unique(labels):
        members = np.flatnonzero(labels == value)
        count = len(members)
        members = members[rng.permutation(count)]
        position[members] = (np.arange(count) + rng.random()) / count
    return np.argsort(position, kind="stable")
