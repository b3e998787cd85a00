"""Programs that train stacks: step by step, or by a recorded step."""

from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_names import Kernel, Program
from benevolent.trainables.stack.recorded_step import RecordedStep
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.step_statistics import StepStatistics

#: Recorded steps that are kept: most stacks of a cohort have one size, the last one another.
KEPT = 2


class Programs:
    """The recorded steps of the stacks of a cohort in one phase.

    A step is recorded for the number of runs that a stack has, and serves stacks of more than half of that, so that
    runs may leave without a new recording; see `RecordedStep.serves`.
    """

    def __init__(self) -> None:
        self._recorded: list[RecordedStep] = []

    def train(
        self,
        stack: Stack,
        batches: Batches,
        kernel: Kernel,
        program: Program,
        statistics: StepStatistics,
        generator: StackGenerator,
    ) -> None:
        """Train every network for one step on each batch, see `Stack.train`.

        Args:
            stack: the networks.
            batches: theirs.
            kernel: way to compute the logits.
            program: `eager` steps, steps `recorded` once, or that with parts by torch's compiler (`compiled`). The
                last batch of an epoch, if it is smaller, is trained on eagerly.
            statistics: the place to record each step.
            generator: random numbers of layers and augmentation.
        """
        rest = batches
        if program != "eager":
            whole, rest = batches.divided()
            if whole.order.shape[1]:
                self._step(stack, whole, kernel, program).train(stack, whole, statistics, generator)
        if rest.order.shape[1]:
            stack.train(rest, kernel, statistics, generator)

    def _step(self, stack: Stack, batches: Batches, kernel: Kernel, program: Program) -> RecordedStep:
        """Return a recorded step that serves a stack: the one used last, or a new one."""
        fitting = [step for step in self._recorded if step.serves(stack, batches.epoch)]
        step = fitting[0] if fitting else RecordedStep(stack, batches, kernel, program == "compiled")
        others = [other for other in self._recorded if other is not step]
        self._recorded = [step, *others[: KEPT - 1]]
        return step
