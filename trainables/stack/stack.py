"""K networks of one architecture, held as one set of tensors with a leading axis K and trained by one program."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Inputs, augmented
from benevolent.trainables.rng import StackGenerator
from benevolent.trainables.stack.layers import EVAL, Mode
from benevolent.trainables.stack.network import Kernel, Network
from benevolent.trainables.stack.state import StackState
from benevolent.trainables.stack.subspace import Projection, Subspaces
from benevolent.trainables.training.least_squares import solution
from benevolent.trainables.training.losses import LOSSES, Loss, mistakes, summary
from benevolent.trainables.training.optimizers import OPTIMIZERS, LeastSquares
from benevolent.trainables.training.step_statistics import StepStatistics, sampled_steps

#: Bytes of inputs gathered at once: a step of few examples would otherwise cost as much as picking them.
GATHERED_BYTES = 2**18
#: (network, example) pairs that are evaluated at once at most, to stay in the processor's cache, and activations that
#: they have at most, to stay in memory.
PAIRS, PAIRED_VALUES = 2**13, 2**26


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
        projections: dict[int, Projection] | None = None,
    ) -> None:
        self.network = network
        self.configs = list(configs)
        self.state = state
        self.projections = {} if projections is None else projections

    @property
    def subspaces(self) -> Subspaces | None:
        """The subspaces that the runs train in; None where they use all of their parameters."""
        config = self.configs[0].subspace
        if config.dimension is None:
            return None
        seeds = [one.seed for one in self.configs]
        return Subspaces(config, seeds, self.network.parameters.filled(), self.state.parameters, self.projections)

    def __len__(self) -> int:
        return len(self.configs)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by name, each `(K, ...)`, sharing the stack's memory."""
        layout = self.network.parameters
        parameters = layout.named(layout.views(self.state.parameters))
        return parameters | self.network.buffers.named(self.buffers)

    @property
    def masks(self) -> dict[str, Tensor]:
        """Masks of the weights by name, booleans `(K, ...)`, False where pruned; empty if no run is pruned."""
        if self.state.mask is None:
            return {}
        layout = self.network.parameters
        named = layout.named(layout.views(self.state.mask))
        return {name: mask.bool() for name, mask in named.items() if len(layout.shapes[name]) >= 2}

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The buffers in their stored form."""
        return self.network.buffers.views(self.state.buffers)

    @property
    def loss(self) -> Loss:
        """What is minimized."""
        config = self.configs[0].loss
        return LOSSES[config.name].having(config.margin)

    @property
    def dropout(self) -> Tensor | None:
        """The rate of every run `(K,)`; None where the network's layers have their own."""
        if "dropout" in self.configs[0].model.shared_fields():
            return None
        rates = [getattr(config.model, "dropout", None) for config in self.configs]
        return None if None in rates else torch.tensor(rates, dtype=torch.float64).to(self.state.parameters.device)

    def start_phase(self) -> None:
        """Hold masked weights at zero, remember where the phase starts, and empty the optimizer's memory."""
        state = self.state
        if state.mask is not None:
            state.parameters.mul_(state.mask)
        state.start = state.parameters.clone()
        width = self.configs[0].subspace.dimension or state.parameters.shape[1]
        slots = OPTIMIZERS[self.configs[0].optimizer.name].slots
        state.optimizer = {slot: state.parameters.new_zeros(len(self), width) for slot in slots}

    def pick(self, index: Tensor) -> "Stack":
        """Return a copy of the runs in `index`."""
        configs = [self.configs[i] for i in index.tolist()]
        return Stack(self.network, configs, self.state.pick(index), self.projections)

    def slices(self, size: int) -> "list[Stack]":
        """Return the stack cut into stacks of at most `size` runs, which share its memory."""
        parts = []
        for start in range(0, len(self), size):
            stop = start + size
            part = Stack(self.network, self.configs[start:stop], self.state.slice(start, stop), self.projections)
            parts.append(part)
        return parts

    def train_epoch(
        self,
        inputs: Inputs,
        labels: Tensor,
        order: Tensor,
        batch_size: int,
        epoch: int,
        kernel: Kernel,
        draws: StackGenerator | None = None,
        step: int = 0,
        gradients: Tensor | None = None,
    ) -> StepStatistics:
        """Train every network once on each example of an epoch, or on those of some of its steps.

        Args:
            inputs: N of each network.
            labels: `(K, N)`, each network's own.
            order: `(K, n)`, each network's own permutation of the examples; n < N for a part of an epoch.
            batch_size: examples per step; the last batch takes what is left.
            epoch: how many epochs the phase has behind it.
            kernel: how to compute the logits, see `Network.logits`.
            draws: random numbers of layers and augmentation in this epoch, where they are not the first of their own.
            step: how many steps the epoch has behind it.
            gradients: `(K, P)`, to which those of some steps are added, for the gradient noise scale.

        Returns:
            what happened at each step.
        """
        network, parameters, mask = self.network, self.state.parameters, self.state.mask
        views = network.parameters.views(parameters)
        leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
        draws = draws or StackGenerator([config.seed for config in self.configs], "layers", epoch, parameters.device)
        buffers, mode = self.buffers, Mode(training=True, draws=draws, dropout=self.dropout)
        optimizer = OPTIMIZERS[self.configs[0].optimizer.name](self.configs, parameters, epoch)
        gradient = torch.zeros_like(parameters)
        places, wanted = list(network.parameters.views(gradient).values()), list(leaves.values())
        batches = labels.gather(1, order).split(batch_size, 1)
        loss, columns = self.loss.function, network.first_bias_columns
        every = sampled_steps(labels.shape[1], batch_size)
        sampled = range(every.start - step, every.stop - step, every.step)
        sizes = [batch.shape[1] for batch in batches]
        trace = StepStatistics(sizes, network.outputs, parameters, gradient, columns, sampled, gradients)
        subspaces, before = self.subspaces, epoch * -(-labels.shape[1] // batch_size) + step
        for made, (batch_inputs, batch_labels) in enumerate(
            zip(_gathered(inputs, order, batch_size), batches, strict=True)
        ):
            batch_inputs = augmented(batch_inputs, self.configs[0].data.augment, draws, inputs.border)
            logits = network.logits(leaves, buffers, batch_inputs, kernel, mode)
            out = loss(logits.detach(), batch_labels, trace.out(batch_labels.shape[1]))
            # A number whose gradient by the logits is the derivative of the mean loss. (Given to autograd as an
            # output gradient, the derivative would make torch import sympy: two seconds in every worker.)
            derivative = out[1].flatten() if batch_labels.shape[1] == 1 else out[1].flatten() / batch_labels.shape[1]
            # One call for all copies: with one example a step they would take as long as a layer.
            torch._foreach_copy_(places, torch.autograd.grad(logits.flatten().dot(derivative), wanted))
            if mask is not None:
                gradient *= mask
            slope = optimizer.slope(gradient, parameters)
            if isinstance(optimizer, LeastSquares):
                solved = solution(network, self.tensors, batch_inputs, batch_labels)
                update = parameters - solved
                parameters.copy_(solved)
            elif subspaces is None:
                update = optimizer.direction(slope, self.state.optimizer, before + made)
                parameters.addcmul_(update, optimizer.learning_rate, value=-1)
            else:
                inside = optimizer.direction(subspaces.pull(slope), self.state.optimizer, before + made)
                update = subspaces.push(inside)
                parameters.addcmul_(update, optimizer.learning_rate, value=-1)
            trace.record(out, update)
        return trace.close(optimizer.learning_rate.squeeze(1))

    @torch.no_grad()
    def evaluate(self, inputs: Inputs, labels: Tensor, kernel: Kernel) -> dict[str, Tensor]:
        """Loss, its variance over the examples, and error of every network on a whole split.

        Args:
            inputs: N of each network.
            labels: `(K, N)`.
            kernel: how to compute the logits.

        Returns:
            `loss` (mean over the examples), `loss_variance` and `error` (fraction wrong; mean absolute error where
            targets are real numbers), each `(K,)` in float64.
        """
        # Of the network alone, so that a run is evaluated in the same pieces in any company.
        pairs = pairs_at_once(self.network.activations(inputs.shape))
        size = max(1, pairs // inputs.examples)
        columns = []
        for start, part in zip(range(0, len(self), size), self.slices(size), strict=True):
            own = slice(start, start + len(part))
            losses, wrong = part._judged(inputs.pick(own), labels[own], kernel, pairs)
            columns.append(summary(losses, wrong))
        return {name: torch.cat([part[name] for part in columns]) for name in columns[0]}

    def _judged(self, inputs: Inputs, labels: Tensor, kernel: Kernel, rows: int) -> tuple[Tensor, Tensor]:
        """Losses and mistakes `(K, N)` in float64, of so many examples at once."""
        views, buffers = self.network.parameters.views(self.state.parameters), self.buffers
        losses, wrong = [], []
        for start in range(0, inputs.examples, rows):
            logits = self.network.logits(views, buffers, inputs.rows(start, start + rows), kernel, EVAL)
            own = labels[:, start : start + rows]
            losses.append(self.loss.function(logits, own, None)[0].double())
            wrong.append(mistakes(logits, own))
        return torch.cat(losses, 1), torch.cat(wrong, 1)


def pairs_at_once(activations: int) -> int:
    """How many (network, example) pairs `Stack.evaluate` computes at once, each of so many activations.

    >>> pairs_at_once(100), pairs_at_once(2**20)
    (8192, 64)
    """
    return max(1, min(PAIRS, PAIRED_VALUES // activations))


def _gathered(inputs: Inputs, order: Tensor, batch_size: int) -> Iterator[Tensor]:
    """The inputs of every batch `(K, B, ...)`, images with their border, small batches several at once."""
    batch_bytes = len(order) * batch_size * inputs.stored[0, 0].numel() * inputs.dtype.itemsize
    block = max(1, GATHERED_BYTES // batch_bytes) * batch_size
    for part in order.split(block, 1):
        whole = part.shape[1] - part.shape[1] % batch_size
        if whole:
            yield from inputs.gather(part[:, :whole].unflatten(1, (-1, batch_size)).transpose(0, 1), whole=True)
        if whole < part.shape[1]:
            yield inputs.gather(part[:, whole:], whole=True)
