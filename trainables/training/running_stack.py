"""The runs of a cohort that still train, and everything that has one row for each of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.optimization.optimizers import learning_rate
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.kernel_names import Kernel, KernelChoice
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.programs import Programs
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.training.best_checkpoint import BestCheckpoint
from benevolent.trainables.training.dynamics import Dynamics
from benevolent.trainables.training.population_risk import population_outcomes
from benevolent.trainables.training.segment import Segment

Tensors = dict[str, Tensor]

#: Fields of a stack's state that make a network, as a snapshot keeps it.
NETWORK = ("parameters", "buffers")
#: First parts of the names that `RunningStack.saved` gives.
STACK = "stack"
PATH = "dynamics"
NEAREST = "nearest"
EARLY = "early"
SEGMENT = "segment"
GENERATOR = "generator"


class RunningStack:
    """K runs: their stack, dynamics, inputs and labels, and the best of their checks.

    Args:
        network: of all.
        dataset: the result of `data.load` for the first of them.
        configs: of the runs.
        state: their tensors.
        teach: where some have teachers, the labels that those give.

    Attributes:
        nearest: of the runs with `stop.snapshot_loss`, the network and its dynamics nearest to that loss.
        early: what early stopping would have given, see `RecordConfig.early_stop`.
        batches: of the epoch that is going on; None between epochs.
        segment: the steps that are being made; None between segments.
        programs: recorded steps of the phase.
    """

    def __init__(
        self,
        network: Network,
        dataset: data.Dataset,
        configs: list[RunConfig],
        state: StackState,
        teach: data.TeacherLabels | None = None,
    ) -> None:
        self.network = network
        self.data = dataset
        self.teach = teach
        self.stack = Stack(network, configs, state)
        self.device = dataset.train.labels.device
        bias = network.first_bias_columns
        self.dynamics = Dynamics(state.parameters, bias.stop - bias.start)
        self.inputs: dict[str, data.Inputs] = {}
        self.labels: Tensors = {}
        self.batches: Batches | None = None
        self.generator = StackGenerator([], "", 0)
        self.segment: Segment | None = None
        self.begin_phase()

    def __len__(self) -> int:
        return len(self.stack)

    @property
    def configs(self) -> list[RunConfig]:
        """Configurations of the runs."""
        return self.stack.configs

    def begin_phase(self) -> None:
        """Begin a phase without any check or recorded step."""
        self.programs = Programs()
        self.nearest = BestCheckpoint(len(self), self.device)
        self.early = BestCheckpoint(len(self), self.device)

    def load_splits(self, splits: Sequence[str], phases: Sequence[Phase], epoch: int) -> None:
        """Load the inputs and labels of these splits, as every run sees them in its phase and epoch."""
        if not self.configs:
            return
        for name in splits:
            self.inputs[name] = data.inputs_of(self.data, self.configs, name, epoch, phases[0].name)
            self.labels[name] = data.labels_of(self.data, self.configs, phases, name, epoch, self.teach)

    # ---- training

    def open_epoch(self, order: Tensor, batch_size: int, epoch: int, generator: StackGenerator) -> None:
        """Get ready for the steps of an epoch, from its start or, after `load`, from anywhere.

        Args:
            order: `(K, n)`, positions of the examples.
            batch_size: examples per step.
            epoch: its number within the phase, from 0.
            generator: random numbers of layers and augmentation, at the start of the epoch.
        """
        self.batches = Batches(self.inputs["train"], self.labels["train"], order, batch_size, epoch)
        self.generator = generator

    def begin_segment(self, first: int, last: int, choice: KernelChoice) -> Segment:
        """Begin the steps `first` to `last - 1` of the epoch."""
        assert self.batches is not None
        self.segment = Segment(self.stack, self.batches, first, last, choice, self.generator, self.programs)
        return self.segment

    def end_segment(self) -> Tensor:
        """Add what happened in the segment to the dynamics.

        Returns:
            the loss `(K,)` of every run, mean over the segment's steps, in float64.
        """
        assert self.batches is not None and self.segment is not None
        statistics = self.segment.close()
        self.dynamics.add(statistics, self.batches.epoch, self.segment.first, self.batches.steps_per_epoch)
        self.segment = None
        return statistics.loss.double().mean(0).cpu()

    def close_epoch(self) -> None:
        """End an epoch."""
        self.batches = None

    # ---- evaluation

    def evaluate(self, split: str, kernel: Kernel, index: Tensor | None = None) -> Tensors:
        """Evaluate all runs, or those in `index`, on a split.

        On the test split probabilities are scored too, and where possible mistakes on the whole population.

        Returns:
            what `Stack.evaluate` and `population_outcomes` return.
        """
        stack, inputs, labels = self.stack, self.inputs[split], self.labels[split]
        if index is not None:
            stack, inputs, labels = stack.pick(index), inputs.pick(index), labels[index]
        if split != "test":
            return stack.evaluate(inputs, labels, kernel)
        return stack.evaluate(inputs, labels, kernel, probabilistic=True) | population_outcomes(stack)

    def statistics(self, epoch: int) -> Tensors:
        """Return every statistic of the path; its last step was in the `epoch`-th epoch (from 0)."""
        rates = [learning_rate(config.optimizer, epoch) for config in self.configs]
        learning_rates = torch.tensor(rates, dtype=torch.float64).to(self.device)
        state = self.stack.state
        first_bias = self.network.first_bias_columns
        return self.dynamics.statistics(state.parameters, state.initial, state.start, first_bias, learning_rates)

    @property
    def path_lengths(self) -> Tensor:
        """Lengths `(K,)` of the paths from the initialization."""
        return self.dynamics.state["path_before"] + self.dynamics.state["path"]

    # ---- the best of the checks

    def record_nearest(self, distances: Tensor, step: int) -> None:
        """Keep the networks of those runs whose distance from `stop.snapshot_loss` is the smallest so far."""

        def rows(index: Tensor) -> Tensors:
            kept = self._networks(index)
            kept |= {f"{PATH}/{name}": value[index] for name, value in self.dynamics.state.items()}
            return kept | {"step": torch.full_like(index, step)}

        self.nearest.record(distances, rows)

    def restore_nearest(self, index: Tensor) -> None:
        """Make runs what they were where they were nearest to `stop.snapshot_loss`."""
        sources = {STACK: self.stack.state.tensors(), PATH: self.dynamics.state}
        for key, value in self.nearest.state.items():
            part, _, name = key.partition("/")
            if name:
                sources[part][name][index] = value[index]

    def record_early_stop(self, validation_losses: Tensor, step: int) -> None:
        """Keep the networks of those runs whose validation loss is the smallest so far."""

        def rows(index: Tensor) -> Tensors:
            return self._networks(index) | {"step": torch.full_like(index, step)}

        self.early.record(validation_losses, rows)

    def early_stop_outcomes(self, index: Tensor, kernel: Kernel) -> Tensors:
        """Evaluate the networks of some runs, as they were at their lowest validation loss, on the test split.

        They are evaluated once, at the end: most of the networks that are the best so far are surpassed later.
        """
        stack = self.stack.pick(index)
        tensors = stack.state.tensors()
        for name in NETWORK:
            tensors[name].copy_(self.early.state[f"{STACK}/{name}"][index])
        test = stack.evaluate(self.inputs["test"].pick(index), self.labels["test"][index], kernel)
        return {name: test[name] for name in ("loss", "error")}

    def _networks(self, index: Tensor) -> Tensors:
        """Return the parameters and buffers of some runs, as `stack/<name>`."""
        tensors = self.stack.state.tensors()
        return {f"{STACK}/{name}": tensors[name][index] for name in NETWORK}

    def keep(self, index: Tensor) -> None:
        """Drop every run that is not in `index`."""
        self.stack = self.stack.pick(index)
        for part in (self.dynamics, self.nearest, self.early):
            part.keep(index)
        self.inputs = {name: value.pick(index) for name, value in self.inputs.items()}
        self.labels = {name: value[index] for name, value in self.labels.items()}
        if self.batches is not None:
            self.batches = self.batches.pick(index)
            self.generator = self.generator.pick(index.tolist())

    # ---- the state

    def saved(self) -> Tensors:
        """Return all state as tensors `<part>/<name>`, for `load`; within an epoch also generators and segment."""
        groups = {
            STACK: self.stack.state.tensors(),
            PATH: self.dynamics.state,
            NEAREST: self.nearest.state,
            EARLY: self.early.state,
        }
        if self.batches is not None:
            groups[GENERATOR] = {"words": self.generator.state()}
        if self.segment is not None:
            groups[SEGMENT] = self.segment.state()
        tensors = {}
        for part, group in groups.items():
            for name, value in group.items():
                tensors[f"{part}/{name}"] = value
        return tensors

    def load(self, tensors: Tensors) -> None:
        """Go on from what `saved` gave, between epochs; within one, `resume_epoch` follows."""
        self.stack.state = StackState.from_tensors(self._group(tensors, STACK))
        self.dynamics.state = self._group(tensors, PATH)
        self.nearest.state = self._group(tensors, NEAREST)
        self.early.state = self._group(tensors, EARLY)

    def resume_epoch(self, tensors: Tensors, segment: tuple[int, int, int] | None, choice: KernelChoice) -> None:
        """Go on within the epoch that `open_epoch` has opened.

        Args:
            tensors: the result of `saved`.
            segment: first step, step after the last, and next step of the open segment; None between segments.
            choice: kernel and size of stacks.
        """
        self.generator.load(tensors[f"{GENERATOR}/words"])
        if segment is not None:
            first, last, step = segment
            self.begin_segment(first, last, choice).load(self._group(tensors, SEGMENT), step)

    def _group(self, tensors: Tensors, part: str) -> Tensors:
        prefix = f"{part}/"
        return {
            name.removeprefix(prefix): value.to(self.device)
            for name, value in tensors.items()
            if name.startswith(prefix)
        }
