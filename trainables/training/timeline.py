"""Steps of a phase, and the epochs that they make."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PhaseTimeline:
    """Steps and epochs of a phase. A limit of steps may cut the last epoch short, which then counts as a whole one.

    >>> phase = PhaseTimeline(steps_per_epoch=4, max_steps=10)
    >>> [phase.epoch(step) for step in (0, 1, 4, 8, 9, 10)]
    [0, 0.25, 1, 2, 2.25, 3]
    >>> phase.step(2), phase.step(3), phase.end(3), phase.end(8)
    (8, 10, 4, 10)
    """

    steps_per_epoch: int
    max_steps: int | None = None

    def step(self, epoch: int) -> int:
        """Return the number of steps after some whole epochs."""
        steps = epoch * self.steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def epoch(self, step: int) -> int | float:
        """Return the number of epochs after some steps; an integer at the end of an epoch."""
        whole = -(-step // self.steps_per_epoch)
        return whole if self.step(whole) == step else step / self.steps_per_epoch

    def epoch_index(self, step: int) -> int:
        """Return the number, from 0, of the epoch that the next step belongs to, after `step` steps."""
        return step // self.steps_per_epoch

    def end(self, step: int) -> int:
        """Return the step at which that epoch ends."""
        return self.step(self.epoch_index(step) + 1)
