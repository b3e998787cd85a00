"""Batches of one epoch for K networks that train together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from benevolent.trainables.data import Inputs

#: Bytes of inputs gathered at once: a step of few examples would otherwise cost as much as picking them.
GATHERED_BYTES = 2**18
#: The same on other devices, where each operation costs its launch.
DEVICE_GATHERED_BYTES = 2**26


@dataclass(frozen=True)
class Batches:
    """Consecutive batches of one epoch; the last one of an epoch takes what is left.

    Attributes:
        inputs: N of each of K networks.
        labels: `(K, N)`, each network's own.
        order: `(K, n)`, positions of the examples in the order of training, each network's own; n <= N.
        batch_size: examples per step.
        epoch: number of the epoch within the phase, from 0.
        first_step: steps of the epoch before these.
    """

    inputs: Inputs
    labels: Tensor
    order: Tensor
    batch_size: int
    epoch: int
    first_step: int = 0

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a whole epoch."""
        return -(-self.labels.shape[1] // self.batch_size)

    @property
    def steps_before(self) -> int:
        """Steps of the phase before these."""
        return self.epoch * self.steps_per_epoch + self.first_step

    @property
    def sizes(self) -> list[int]:
        """Examples of each step."""
        return [part.shape[1] for part in self.order.split(self.batch_size, 1)]

    def pick(self, runs: Tensor | slice) -> "Batches":
        """Return the batches of some of the networks."""
        inputs = self.inputs.pick(runs)
        return replace(self, inputs=inputs, labels=self.labels[runs], order=self.order[runs])

    def between(self, first: int, last: int) -> "Batches":
        """Return the batches of the epoch's steps `first` to `last - 1`; none of them is before `first_step`."""
        start = (first - self.first_step) * self.batch_size
        stop = (last - self.first_step) * self.batch_size
        order = self.order[:, start:stop]
        return replace(self, order=order, first_step=first)

    def divided(self) -> tuple["Batches", "Batches"]:
        """Return the batches of `batch_size` examples, and the shorter last one; either may have no examples."""
        whole_steps = self.order.shape[1] // self.batch_size
        end = self.first_step + whole_steps
        return self.between(self.first_step, end), self.between(end, end + 1)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs `(K, B, ...)`, images with their border, and labels `(K, B)` of every step."""
        labels = self.labels.gather(1, self.order).split(self.batch_size, 1)
        return zip(self._gathered(), labels, strict=True)

    def _gathered(self) -> Iterator[Tensor]:
        """Yield the inputs of every step; small batches are gathered several at once."""
        example_bytes = self.inputs.stored[0, 0].numel() * self.inputs.dtype.itemsize
        batch_bytes = len(self.order) * self.batch_size * example_bytes
        most = GATHERED_BYTES if self.order.device.type == "cpu" else DEVICE_GATHERED_BYTES
        batches = max(1, most // batch_bytes)
        for part in self.order.split(batches * self.batch_size, 1):
            examples = part.shape[1]
            whole = examples - examples % self.batch_size
            if whole:
                in_batches = part[:, :whole].unflatten(1, (-1, self.batch_size))
                yield from self.inputs.gather(in_batches.transpose(0, 1), whole=True)
            if whole < examples:
                yield self.inputs.gather(part[:, whole:], whole=True)
