"""A training step that is recorded once and replayed, for networks whose step is mostly the host's work.

Launched one by one, the hundred small operations of a step take the host longer than a GPU. A recording is one launch.
What it reads and writes stays at one place in memory: the networks are copied there before some steps, and back after.
"""

import torch
from torch import Tensor

from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_names import Kernel
from benevolent.trainables.stack.recording_device import record
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.stack.step_statistics import StepStatistics

#: Compiler of logits or draws.
BACKEND = "inductor"
#: Values of an optimizer's columns for runs that do not use what others of their stack do.
UNUSED = {"momentum": 0.0, "weight_decay": 0.0, "clip": torch.inf}


class RecordedStep:
    """One training step of the networks of a stack, or of fewer when runs have left it.

    Args:
        stack: the networks; not changed.
        batches: some of theirs.
        kernel: way to compute the logits.
        compiled: use torch's compiler, see `TrainingStep.compile`.

    Attributes:
        capacity: the number of networks that the step computes.
    """

    def __init__(self, stack: Stack, batches: Batches, kernel: Kernel, compiled: bool = False) -> None:
        self.capacity = len(stack)
        self.state = _copied(stack.state)
        networks = Stack(stack.network, stack.configs, self.state)
        parameters = self.state.parameters
        first_batch = batches.order[:, : batches.batch_size]
        self.inputs = batches.inputs.gather(first_batch, whole=True).clone()
        self.labels = batches.labels.gather(1, first_batch)
        losses = parameters.new_zeros(self.labels.shape)
        self.out = (losses, parameters.new_zeros(*self.labels.shape, stack.network.outputs))
        self.gradient = torch.zeros_like(parameters)
        self.steps = torch.zeros((), dtype=torch.float64, device=parameters.device)
        self.generator = StackGenerator([0] * self.capacity, "recorded", 0, parameters.device)
        self.step = networks.step(batches, kernel, self.gradient, self.generator, self.steps)
        self.update = self.gradient
        self.blocks = 0
        if compiled:
            self.step.compile(BACKEND)
        self.recording = record(self._run, parameters.device)

    def _run(self) -> None:
        before = self.generator.blocks_drawn
        self.update = self.step(self.inputs, self.labels, self.out)
        self.blocks = self.generator.blocks_drawn - before

    def serves(self, stack: Stack, epoch: int) -> bool:
        """Return True if the step can train a stack: it has room, but not twice as much, and all that its runs use.

        Args:
            stack: the networks, of the same cohort as those that the step was recorded for.
            epoch: of the phase.
        """
        recorded = self.step.update_rule.optimizer
        now = stack.optimizer(epoch)
        lacks = [name for name in UNUSED if getattr(recorded, name) is None and getattr(now, name) is not None]
        return self.capacity // 2 < len(stack) <= self.capacity and not lacks

    def train(self, stack: Stack, batches: Batches, statistics: StepStatistics, generator: StackGenerator) -> None:
        """Train networks for one step on each batch, as `Stack.train`.

        Args:
            stack: one that the step `serves`.
            batches: theirs, all as large as the batch that was recorded.
            statistics: the place to record each step.
            generator: random numbers of layers and augmentation.
        """
        rows = slice(0, len(stack))
        self._load(stack, batches, generator)
        gradient = statistics.gradient_rows
        statistics.observe(self.state.parameters[rows], self.gradient[rows])
        made = 0
        for inputs, labels in batches:
            self.inputs[rows].copy_(inputs)
            self.labels[rows].copy_(labels)
            self.recording.replay()
            out = statistics.out(labels.shape[1])
            for place, values in zip(out, self.out, strict=True):
                place.copy_(values[rows])
            is_gradient = self.update is self.gradient
            statistics.record(out, statistics.gradient_rows if is_gradient else self.update[rows])
            made += 1
        generator.skip(made * self.blocks)
        self._store(stack)
        statistics.observe(stack.state.parameters, gradient)

    def _load(self, stack: Stack, batches: Batches, generator: StackGenerator) -> None:
        rows = slice(0, len(stack))
        for name, value in _changing(stack.state).items():
            _changing(self.state)[name][rows] = value
        if self.state.mask is not None and stack.state.mask is not None:
            self.state.mask[rows] = stack.state.mask
        recorded = self.step.update_rule.optimizer
        now = stack.optimizer(batches.epoch)
        recorded.learning_rate[rows] = now.learning_rate
        for name, unused in UNUSED.items():
            column = getattr(recorded, name)
            if column is not None:
                own = getattr(now, name)
                column[rows] = unused if own is None else own
        dropout = stack.dropout
        if self.step.mode.dropout is not None and dropout is not None:
            self.step.mode.dropout[rows] = torch.tensor(dropout, dtype=torch.float64).to(self.steps.device)
        self.steps.fill_(batches.steps_before)
        self.generator.follow(generator)

    def _store(self, stack: Stack) -> None:
        for name, value in _changing(stack.state).items():
            value.copy_(_changing(self.state)[name][: len(stack)])


def _copied(state: StackState) -> StackState:
    """Return a copy of what a step reads."""
    parameters = state.parameters.clone()
    mask = None if state.mask is None else state.mask.clone()
    memory = {slot: value.clone() for slot, value in state.optimizer.items()}
    return StackState(parameters, state.buffers.clone(), parameters, parameters, mask, memory)


def _changing(state: StackState) -> dict[str, Tensor]:
    """Return the tensors that a step changes."""
    return {"parameters": state.parameters, "buffers": state.buffers, **state.optimizer}
