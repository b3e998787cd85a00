"""The runs of a cohort that still train, and all that has one row for each of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.config.phase import Phase
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.network import Kernel, Network
from benevolent.trainables.stack.stack import Stack
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.training.best_checkpoint import BestCheckpoint
from benevolent.trainables.training.dynamics import Dynamics
from benevolent.trainables.training.optimizers import learning_rate
from benevolent.trainables.training.population_risk import population_outcomes
from benevolent.trainables.training.step_statistics import StepStatistics

Tensors = dict[str, Tensor]

#: Groups of a stack that make a network, as a snapshot keeps it.
NETWORK = ("parameters", "buffers")


class RunningStack:
    """K runs: their stack, dynamics, inputs and labels, and their best checks.

    Args:
        network: of all.
        dataset: what `data.load` gave for the first of them.
        configs: of the runs.
        state: their tensors.
        teach: where some have teachers, the labels that those give.

    Attributes:
        nearest: of the runs with `stop.snapshot_loss`, the network and its dynamics nearest to that loss.
        early: what early stopping would have given, see `RecordConfig.early_stop`.
    """

    def __init__(
        self,
        network: Network,
        dataset: data.Dataset,
        configs: list[RunConfig],
        state: StackState,
        teach: data.TeacherLabels | None = None,
    ) -> None:
        self.network, self.data, self.teach = network, dataset, teach
        self.stack = Stack(network, configs, state)
        self.device = dataset.train.labels.device
        bias = network.first_bias_columns
        self.dynamics = Dynamics(state.parameters, bias.stop - bias.start)
        self.inputs: dict[str, data.Inputs] = {}
        self.labels: Tensors = {}
        self.order, self.draws = (
            torch.empty(len(configs), 0),
            StackGenerator([config.seed for config in configs], "", 0),
        )
        self.forget_checks()

    def __len__(self) -> int:
        return len(self.stack)

    @property
    def configs(self) -> list[RunConfig]:
        """Of the runs."""
        return self.stack.configs

    def forget_checks(self) -> None:
        """As at the start of a phase."""
        self.nearest, self.early = BestCheckpoint(len(self), self.device), BestCheckpoint(len(self), self.device)

    def load_splits(self, splits: Sequence[str], phases: Sequence[Phase], epoch: int) -> None:
        """Take the inputs and labels of these splits, as every run sees them in its phase and epoch."""
        for name in splits if self.configs else ():
            self.inputs[name] = data.inputs_of(self.data, self.configs, name, epoch, phases[0].name)
            self.labels[name] = data.labels_of(self.data, self.configs, phases, name, epoch, self.teach)

    def begin_epoch(self, order: Tensor, draws: StackGenerator) -> None:
        """Take the order `(K, n)` of the examples in the coming epoch, and what layers will draw in it."""
        self.order, self.draws = order, draws
        self.dynamics.begin_epoch()

    def train(self, steps: slice, batch_size: int, epoch: int, size: int, kernel: Kernel) -> Tensor:
        """Train all runs for some steps of the epoch that has begun, and take what happened into the dynamics.

        Args:
            steps: of the epoch.
            batch_size: examples per step.
            epoch: its number in the phase, from 0.
            size: how many runs train in one program.
            kernel: how to compute the logits.

        Returns:
            the loss `(K,)` of every run, mean over these steps, in float64.
        """
        inputs, labels = self.inputs["train"], self.labels["train"]
        order, traces = self.order[:, steps.start * batch_size : steps.stop * batch_size], []
        for first, part in zip(range(0, len(self), size), self.stack.slices(size), strict=True):
            own = slice(first, first + size)
            draws = self.draws.pick(range(len(self))[own])
            examples = (inputs.pick(own), labels[own], order[own], batch_size)
            gradients = self.dynamics.state["total"][own]
            traces.append(part.train_epoch(*examples, epoch, kernel, draws, steps.start, gradients))
        trace = StepStatistics.join(traces)
        self.dynamics.add(trace, epoch, steps.start, -(-labels.shape[1] // batch_size))
        return trace.loss.double().mean(0).cpu()

    def evaluate(self, split: str, kernel: Kernel, index: Tensor | None = None) -> Tensors:
        """What `Stack.evaluate` says of all runs, or of those in `index`; with the test split, of the population."""
        stack, inputs, labels = self.stack, self.inputs[split], self.labels[split]
        if index is not None:
            stack, inputs, labels = stack.pick(index), inputs.pick(index), labels[index]
        found = stack.evaluate(inputs, labels, kernel)
        return found | population_outcomes(stack) if split == "test" else found

    def statistics(self, epoch: int) -> Tensors:
        """Every statistic of the path, of which the last step was in the `epoch`-th epoch (from 0)."""
        rates = [learning_rate(config.optimizer, epoch) for config in self.configs]
        state, bias = self.stack.state, self.network.first_bias_columns
        lr = torch.tensor(rates, dtype=torch.float64).to(self.device)
        return self.dynamics.statistics(state.parameters, state.initial, state.start, bias, lr)

    @property
    def path_lengths(self) -> Tensor:
        """Of the paths from the initialization on, `(K,)`."""
        return self.dynamics.state["path_before"] + self.dynamics.state["path"]

    def record_nearest(self, distances: Tensor, step: int) -> None:
        """Keep the networks of those runs whose distance from the loss asked for is the least so far."""

        def rows(index: Tensor) -> Tensors:
            kept = {f"stack/{name}": getattr(self.stack.state, name)[index] for name in NETWORK}
            kept |= {f"dynamics/{name}": value[index] for name, value in self.dynamics.state.items()}
            return kept | {"step": torch.full_like(index, step)}

        self.nearest.record(distances, rows)

    def restore_nearest(self, index: Tensor) -> None:
        """Make runs what they were where they were nearest to the loss asked for."""
        for key, value in self.nearest.state.items():
            part, _, name = key.partition("/")
            if name:
                (self.stack.state.tensors() if part == "stack" else self.dynamics.state)[name][index] = value[index]

    def record_early_stop(self, validation_losses: Tensor, step: int, kernel: Kernel) -> None:
        """Evaluate on the test split those runs whose validation loss is the least so far."""

        def rows(index: Tensor) -> Tensors:
            test = self.evaluate("test", kernel, index)
            return {"step": torch.full_like(index, step), "loss": test["loss"], "error": test["error"]}

        self.early.record(validation_losses, rows)

    def keep(self, index: Tensor) -> None:
        """Drop every run that is not in `index`."""
        self.stack = self.stack.pick(index)
        for one in (self.dynamics, self.nearest, self.early):
            one.keep(index)
        self.inputs = {name: value.pick(index) for name, value in self.inputs.items()}
        self.labels = {name: value[index] for name, value in self.labels.items()}
        self.order, self.draws = self.order[index], self.draws.pick(index.tolist())

    @property
    def _parts(self) -> dict[str, Tensors]:
        return {
            "stack": self.stack.state.tensors(),
            "dynamics": self.dynamics.state,
            "nearest": self.nearest.state,
            "early": self.early.state,
        }

    def saved(self) -> Tensors:
        """All state as tensors, for `load`."""
        return {f"{part}/{name}": value for part, group in self._parts.items() for name, value in group.items()}

    def load(self, tensors: Tensors) -> None:
        """Go on from what `saved` gave."""
        stack: Tensors = {}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            (stack if part == "stack" else self._parts[part])[name] = value.to(self.device)
        self.stack.state = StackState.from_tensors(stack)
