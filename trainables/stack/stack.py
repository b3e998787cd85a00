"""K networks of one architecture, held as one set of tensors with a leading axis K and trained by one program."""

import torch
from torch import Tensor

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Inputs
from benevolent.trainables.optimization.losses import LOSSES, Loss
from benevolent.trainables.optimization.optimizers import OPTIMIZERS, LeastSquares, Sgd
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.batches import Batches
from benevolent.trainables.stack.layers import EVAL, Mode
from benevolent.trainables.stack.network import Kernel, Network
from benevolent.trainables.stack.scores import Scores, example_scores, summary
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.stack.step_statistics import StepStatistics
from benevolent.trainables.stack.subspace import Projections, Subspaces
from benevolent.trainables.stack.training_step import TrainingStep
from benevolent.trainables.stack.updates import LeastSquaresUpdate, SubspaceUpdate, Update

#: Largest number of (network, example) pairs that are evaluated at once, to stay in the processor's cache.
PAIRS = 2**13
#: The same on other devices, which a few pairs would not keep busy.
DEVICE_PAIRS = 2**20
#: Largest number of activations of those pairs, to stay in memory.
PAIRED_VALUES = 2**26


class Stack:
    """K networks in training.

    Args:
        network: the architecture.
        configs: of the K runs.
        state: their tensors; changed in place.
        projections: of runs that train in a subspace, by seed; shared with the stacks that are cut from this one.
    """

    def __init__(
        self,
        network: Network,
        configs: list[RunConfig],
        state: StackState,
        projections: Projections | None = None,
    ) -> None:
        self.network = network
        self.configs = list(configs)
        self.state = state
        self.projections = {} if projections is None else projections
        self._optimizers: dict[int, Sgd] = {}  # of the epoch that was asked for last

    @property
    def subspaces(self) -> Subspaces | None:
        """The subspaces that the runs train in; None where they use all of their parameters."""
        config = self.configs[0].subspace
        if config.dimension is None:
            return None
        seeds = [run.seed for run in self.configs]
        filled = self.network.parameters.filled()
        return Subspaces(config, seeds, filled, self.state.parameters, self.projections)

    def __len__(self) -> int:
        return len(self.configs)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, each `(K, ...)`, sharing the stack's memory."""
        return self.state.named(self.network)

    @property
    def masks(self) -> dict[str, Tensor]:
        """Masks of the weights by name, booleans `(K, ...)`, False where pruned; empty if no run is pruned."""
        return self.state.named_masks(self.network)

    @property
    def _views(self) -> dict[str, Tensor]:
        """The parameters in their stored form."""
        return self.network.parameters.views(self.state.parameters)

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The buffers in their stored form."""
        return self.network.buffers.views(self.state.buffers)

    @property
    def loss(self) -> Loss:
        """The minimized loss."""
        config = self.configs[0].loss
        return LOSSES[config.name].having(config.margin)

    @property
    def dropout(self) -> list[float] | None:
        """The rate of every run; None where the network's layers have their own."""
        if "dropout" in self.configs[0].model.shared_fields():
            return None
        rates = [getattr(config.model, "dropout", None) for config in self.configs]
        known = [float(rate) for rate in rates if rate is not None]
        return known if len(known) == len(rates) else None

    def start_phase(self) -> None:
        """Hold masked weights at zero, remember where the phase starts, and empty the optimizer's memory."""
        state = self.state
        if state.mask is not None:
            state.parameters.mul_(state.mask)
        state.start = state.parameters.clone()
        config = self.configs[0]
        width = config.subspace.dimension or state.parameters.shape[1]
        optimizer = OPTIMIZERS[config.optimizer.name]
        state.optimizer = {slot: state.parameters.new_zeros(len(self), width) for slot in optimizer.slots}

    def pick(self, index: Tensor) -> "Stack":
        """Return a copy of the runs in `index`."""
        configs = [self.configs[i] for i in index.tolist()]
        return Stack(self.network, configs, self.state.pick(index), self.projections)

    def slices(self, size: int) -> "list[Stack]":
        """Return the stack cut into stacks of at most `size` runs, which share its memory: itself if it fits."""
        if len(self) <= size:
            return [self]
        parts = []
        for start in range(0, len(self), size):
            stop = start + size
            configs = self.configs[start:stop]
            state = self.state.slice(start, stop)
            parts.append(Stack(self.network, configs, state, self.projections))
        return parts

    def statistics(self, sizes: list[int]) -> StepStatistics:
        """Return the empty statistics of coming steps with so many examples each."""
        parameters = self.state.parameters
        gradient = torch.zeros_like(parameters)
        bias = self.network.first_bias_columns
        return StepStatistics(sizes, self.network.outputs, parameters, gradient, bias)

    def optimizer(self, epoch: int) -> Sgd:
        """Return the optimizer of all runs in an epoch of the phase; its memory is in `state`."""
        if epoch not in self._optimizers:
            kind = OPTIMIZERS[self.configs[0].optimizer.name]
            self._optimizers = {epoch: kind(self.configs, self.state.parameters, epoch)}
        return self._optimizers[epoch]

    def train(self, batches: Batches, kernel: Kernel, statistics: StepStatistics, generator: StackGenerator) -> None:
        """Train every network for one step on each batch.

        Args:
            batches: of the K networks.
            kernel: way to compute the logits, see `Network.logits`.
            statistics: the place to record each step.
            generator: random numbers of layers and augmentation.
        """
        step = self.step(batches, kernel, statistics.gradient_rows, generator, batches.steps_before)
        for inputs, labels in batches:
            out = statistics.out(labels.shape[1])
            update = step(inputs, labels, out)
            statistics.record(out, update)

    def step(
        self, batches: Batches, kernel: Kernel, gradient: Tensor, generator: StackGenerator, steps_before: int | Tensor
    ) -> TrainingStep:
        """Return the step that trains the networks on a batch.

        Args:
            batches: of the K networks, in an epoch.
            kernel: way to compute the logits, see `Network.logits`.
            gradient: `(K, P)`, the place for the gradient.
            generator: random numbers of layers and augmentation.
            steps_before: see `Update`.
        """
        rates = self.dropout
        dropout = None
        if rates is not None:
            dropout = torch.tensor(rates, dtype=torch.float64).to(self.state.parameters.device)
        mode = Mode(training=True, draws=generator, dropout=dropout, dropout_rates=rates)
        return TrainingStep(
            network=self.network,
            parameters=self._views,
            buffers=self.buffers,
            mask=self.state.mask,
            gradient=gradient,
            loss=self.loss.function,
            augment=self.configs[0].data.augment,
            border=batches.inputs.border,
            kernel=kernel,
            mode=mode,
            update_rule=self._update_rule(batches.epoch, steps_before),
        )

    @property
    def recordable(self) -> bool:
        """True if a step of the networks is the same operations on the same tensors each time."""
        config = self.configs[0]
        return config.optimizer.name != "least_squares" and config.subspace.dimension is None

    def _update_rule(self, epoch: int, steps_before: int | Tensor) -> Update:
        optimizer = self.optimizer(epoch)
        subspaces = self.subspaces
        if isinstance(optimizer, LeastSquares):
            return LeastSquaresUpdate(self.state, optimizer, steps_before, self.network)
        if subspaces is not None:
            return SubspaceUpdate(self.state, optimizer, steps_before, subspaces)
        return Update(self.state, optimizer, steps_before)

    def train_epoch(self, batches: Batches, kernel: Kernel, generator: StackGenerator | None = None) -> StepStatistics:
        """Train on all batches in one piece, for benchmarks and for the choice of a kernel; see `train`."""
        seeds = [config.seed for config in self.configs]
        generator = generator or StackGenerator(seeds, "layers", batches.epoch, self.state.parameters.device)
        statistics = self.statistics(batches.sizes)
        self.train(batches, kernel, statistics, generator)
        optimizer = self.optimizer(batches.epoch)
        return statistics.close(optimizer.learning_rate.squeeze(1))

    @torch.no_grad()
    def evaluate(
        self, inputs: Inputs, labels: Tensor, kernel: Kernel, probabilistic: bool = False
    ) -> dict[str, Tensor]:
        """Return the outcomes of every network on a whole split.

        Args:
            inputs: N of each network.
            labels: `(K, N)`.
            kernel: way to compute the logits.
            probabilistic: score the predicted probabilities too.

        Returns:
            `loss` (mean over the examples), `loss_variance` and `error` (fraction wrong; mean absolute error where
            targets are real numbers), and what else `summary` gives, each `(K,)` in float64.
        """
        # Of the network alone, so that the pieces do not depend on the other runs of the stack.
        pairs = pairs_at_once(self.network.activations(inputs.shape), labels.device.type)
        size = max(1, pairs // inputs.examples)
        columns: dict[str, list[Tensor]] = {}
        start = 0
        for part in self.slices(size):
            runs = slice(start, start + len(part))
            scores = part._scores(inputs.pick(runs), labels[runs], kernel, pairs, probabilistic)
            for name, values in summary(scores).items():
                columns.setdefault(name, []).append(values)
            start += len(part)
        return {name: torch.cat(parts) for name, parts in columns.items()}

    def _scores(self, inputs: Inputs, labels: Tensor, kernel: Kernel, rows: int, probabilistic: bool) -> Scores:
        """Return the scores of all examples, computed `rows` examples at once."""
        views = self._views
        buffers = self.buffers
        loss = self.loss
        pieces: dict[str, list[Tensor]] = {}
        for start in range(0, inputs.examples, rows):
            stop = start + rows
            logits = self.network.logits(views, buffers, inputs.rows(start, stop), kernel, EVAL)
            scores = example_scores(logits, labels[:, start:stop], loss, probabilistic)
            for name, values in scores.items():
                pieces.setdefault(name, []).append(values)
        return {name: torch.cat(parts, 1) for name, parts in pieces.items()}


def pairs_at_once(activations: int, device: str = "cpu") -> int:
    """Return the number of (network, example) pairs that `Stack.evaluate` computes at once.

    Args:
        activations: of one pair.
        device: type of the device.

    >>> pairs_at_once(100), pairs_at_once(2**20)
    (8192, 64)
    """
    most = PAIRS if device == "cpu" else DEVICE_PAIRS
    fitting = min(most, PAIRED_VALUES // activations)
    return max(1, fitting)
