"""Training between two stops of an epoch, in pieces, so that the state can be saved in the middle of it."""

from dataclasses import dataclass

from torch import Tensor

from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_names import KernelChoice
from benevolent.trainables.stack.programs import Programs
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.step_statistics import StepStatistics


@dataclass
class _StackOfSegment:
    """Runs that train in one program."""

    stack: Stack
    batches: Batches
    generator: StackGenerator
    statistics: StepStatistics

    def train(self, first: int, last: int, choice: KernelChoice, programs: Programs) -> None:
        batches = self.batches.between(first, last)
        programs.train(self.stack, batches, choice.kernel, choice.program, self.statistics, self.generator)


class Segment:
    """Steps of one epoch between two stops, where something is evaluated or recorded.

    However the segment is cut into pieces, its statistics are the same to the last bit.

    Args:
        stack: all runs.
        batches: of the whole epoch.
        first: the first step, counted within the epoch.
        last: the step after the last one.
        choice: kernel, and how many runs train in one program.
        generator: random numbers of layers and augmentation.
        programs: recorded steps of the phase.

    Attributes:
        step: the next step, counted within the epoch.
    """

    def __init__(
        self,
        stack: Stack,
        batches: Batches,
        first: int,
        last: int,
        choice: KernelChoice,
        generator: StackGenerator,
        programs: Programs,
    ) -> None:
        self.first = first
        self.last = last
        self.step = first
        self.choice = choice
        self.programs = programs
        self.parts = []
        starts = range(0, len(stack), choice.size)
        between = batches.between(first, last)
        for start, part in zip(starts, stack.slices(choice.size), strict=True):
            own_batches = between
            own_generator = generator
            if len(part) < len(stack):
                rows = slice(start, start + len(part))
                own_batches = between.pick(rows)
                own_generator = generator.pick(range(rows.start, rows.stop))
            statistics = part.statistics(own_batches.sizes)
            self.parts.append(_StackOfSegment(part, own_batches, own_generator, statistics))

    @property
    def done(self) -> bool:
        """True if all steps were made."""
        return self.step == self.last

    def train(self, steps: int) -> None:
        """Train all runs for some steps, or for as many as are left."""
        stop = min(self.step + steps, self.last)
        for part in self.parts:
            part.train(self.step, stop, self.choice, self.programs)
        self.step = stop

    def close(self) -> StepStatistics:
        """Return the statistics of all steps and runs."""
        epoch = self.parts[0].batches.epoch
        closed = []
        for part in self.parts:
            learning_rates = part.stack.optimizer(epoch).learning_rate.squeeze(1)
            closed.append(part.statistics.close(learning_rates))
        return StepStatistics.join(closed)

    def state(self) -> dict[str, Tensor]:
        """Return the statistics so far as tensors `<part>/<name>`, for `load`."""
        tensors = {}
        for number, part in enumerate(self.parts):
            for name, value in part.statistics.state().items():
                tensors[f"{number}/{name}"] = value
        return tensors

    def load(self, tensors: dict[str, Tensor], step: int) -> None:
        """Go on at a step with the statistics that `state` gave."""
        for number, part in enumerate(self.parts):
            prefix = f"{number}/"
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            part.statistics.load(own)
        self.step = step
