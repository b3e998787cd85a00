"""Where a phase is: steps, and the epochs that they make."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PhaseTimeline:
    """The steps of a phase. A limit may cut its last epoch short, which then counts as a whole one.

    >>> phase = PhaseTimeline(steps_per_epoch=4, max_steps=10)
    >>> [phase.epoch(step) for step in (0, 1, 4, 8, 9, 10)]
    [0, 0.25, 1, 2, 2.25, 3]
    >>> phase.step(2), phase.step(3), phase.end(3), phase.end(8)
    (8, 10, 4, 10)
    """

    steps_per_epoch: int
    max_steps: int | None = None

    def step(self, epoch: int) -> int:
        """How many steps were made in so many whole epochs."""
        steps = epoch * self.steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def epoch(self, step: int) -> int | float:
        """How many epochs were made in so many steps; an integer where one has ended."""
        whole = -(-step // self.steps_per_epoch)
        return whole if self.step(whole) == step else step / self.steps_per_epoch

    def epoch_index(self, step: int) -> int:
        """The number, from 0, of the epoch that the step after so many belongs to."""
        return step // self.steps_per_epoch

    def end(self, step: int) -> int:
        """The step at which that epoch ends."""
        return self.step(self.epoch_index(step) + 1)
