"""Dynamics of a training loop that is not ours: the same statistics of the path as a sweep records."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.module_structure import first_layer
from benevolent.trainables.stack.parameter_layout import ParameterLayout
from benevolent.trainables.stack.step_statistics import StepStatistics
from benevolent.trainables.training.dynamics import Dynamics

#: Steps whose statistics are gathered before they are added up.
BLOCK_STEPS = 32


def watch(
    module: nn.Module,
    optimizer: Optimizer,
    steps_per_epoch: int,
    *,
    epochs: Literal["log"] | list[int] = "log",
    initial: Mapping[str, Tensor] | None = None,
    reduction: Literal["mean", "sum"] = "mean",
) -> "WatchedTraining":
    """Record the training-dynamics statistics of a module in any training loop.

    The statistics are those of `dynamics_names.DYNAMICS` that a sweep records, but for those that need the validation
    split or a target. Hooks on the module's forward pass and on the optimizer's step read what they need; the loop says
    the loss of every step. It takes the memory of a few copies of the parameters.

    A step is one call of `optimizer.step()`. Gradients are read right before it, after any clipping. A step may take
    several batches of equal size, if each loss is divided by their number. Losses that are scaled for half precision
    (`torch.amp.GradScaler`) give scaled derivatives, so statistics divided by these are wrong. Parameters that do not
    require gradients when the watch begins are left out.

    Args:
        module: gives logits `(B, C)`, or an output with an attribute `logits`.
        optimizer: of the module's parameters.
        steps_per_epoch: number of steps in an epoch, `len(loader)`; losses are summed in units of epochs.
        epochs: after which a row is recorded: a list, or `log` for 0, 1, 2, 4, 8, ...
        initial: `name -> tensor`, the parameters at the random initialization if the module has been trained before;
            by default those it has when the watch begins.
        reduction: of the loss over the examples of a batch.

    Raises:
        BadInput: the module has nothing to train, `steps_per_epoch` is not positive, or `initial` lacks a parameter.

    >>> module = nn.Linear(3, 2)
    >>> optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    >>> with watch(module, optimizer, steps_per_epoch=1) as path:
    ...     for _ in range(4):
    ...         loss = nn.functional.cross_entropy(module(torch.eye(3)), torch.tensor([0, 1, 0]))
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...         path.step(loss)
    >>> path.table["epoch"].tolist()
    [0, 1, 2, 4]
    """
    return WatchedTraining(module, optimizer, steps_per_epoch, RecordConfig(epochs=epochs), initial, reduction)


class WatchedTraining:
    """A training loop that is watched, see `watch`.

    Attributes:
        steps: number of steps so far.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: Optimizer,
        steps_per_epoch: int,
        record: RecordConfig,
        initial: Mapping[str, Tensor] | None,
        reduction: Literal["mean", "sum"],
    ) -> None:
        if steps_per_epoch < 1:
            raise BadInput(f"steps_per_epoch: {steps_per_epoch}; expected a positive number")
        self.module = module
        self.optimizer = optimizer
        self.steps_per_epoch = steps_per_epoch
        self.record = record
        self.reduction = reduction
        self.steps = 0
        self._trained = {name: value for name, value in module.named_parameters() if value.requires_grad}
        if not self._trained:
            raise BadInput(f"{type(module).__name__}: has no parameters to train")
        self._layout = ParameterLayout({name: value.shape for name, value in self._trained.items()})
        self._first_bias = _first_bias(module, self._layout)
        self._parameters = self._row(self._trained)
        self._start = self._parameters.clone()
        self._initial = self._start if initial is None else self._row(_complete(initial, self._trained))
        self._gradient = torch.zeros_like(self._parameters)
        self._learning_rate = 0.0
        self._derivatives: list[Tensor] = []
        self._waits_for_loss = False
        self._block: StepStatistics | None = None
        self._dynamics = Dynamics(self._parameters, self._first_bias.stop - self._first_bias.start)
        self._rows: list[dict[str, Any]] = []
        self._hooks: list[Any] = []

    # ---- the block in which the loop is watched

    def __enter__(self) -> Self:
        self._hooks = [
            self.module.register_forward_hook(self._after_forward),
            self.optimizer.register_step_pre_hook(self._before_update),
            self.optimizer.register_step_post_hook(self._after_update),
        ]
        self._record_if_due()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        if not self._rows or self._rows[-1]["step"] != self.steps:
            self._append_row()

    def step(self, loss: Tensor | float) -> None:
        """Say the loss of the batch, once after every `optimizer.step()`.

        Raises:
            BadInput: there was no step since the last call, or the module did not run in training before it.
        """
        if not self._waits_for_loss:
            raise BadInput("watch: step() is called once after every optimizer.step()")
        if not self._derivatives:
            raise BadInput("watch: the module gave no logits in training mode before this step")
        self._waits_for_loss = False
        self._write_step(torch.as_tensor(loss).detach())
        self.steps += 1
        if self._block is not None and self._block.full:
            self._close_block()
        self._record_if_due()

    # ---- results

    @property
    def table(self) -> pd.DataFrame:
        """One row per recorded step: `step`, `epoch` and every statistic, as in `Results.dynamics`."""
        return pd.DataFrame(self._rows)

    def statistics(self) -> dict[str, float]:
        """Return every statistic now; NaN where it is not defined."""
        self._close_block()
        learning_rate = torch.full((1,), self._learning_rate, dtype=torch.float64, device=self._parameters.device)
        values = self._dynamics.statistics(
            self._parameters, self._initial, self._start, self._first_bias, learning_rate
        )
        return {name: float(value) for name, value in values.items()}

    # ---- hooks

    def _after_forward(self, module: nn.Module, arguments: Any, output: Any) -> None:
        """Ask autograd for the derivatives of the loss by the logits, if this pass is one of training."""
        logits = getattr(output, "logits", output)
        if module.training and isinstance(logits, Tensor) and logits.requires_grad:
            logits.register_hook(self._derivatives.append)

    def _before_update(self, *arguments: Any) -> None:
        gradients = {}
        for name, value in self._trained.items():
            gradients[name] = torch.zeros_like(value) if value.grad is None else value.grad
        self._gradient.copy_(self._row(gradients))
        self._learning_rate = float(self.optimizer.param_groups[0]["lr"])

    def _after_update(self, *arguments: Any) -> None:
        self._waits_for_loss = True

    # ---- steps

    def _write_step(self, loss: Tensor) -> None:
        derivatives = torch.cat(self._derivatives)
        self._derivatives.clear()
        examples = len(derivatives)
        if self.reduction == "mean":
            derivatives = derivatives * examples
        else:
            loss = loss / examples
            self._gradient /= examples
        block = self._block or self._new_block(derivatives)
        now = self._row(self._trained)
        update = self._parameters - now
        self._parameters.copy_(now)
        losses, place = block.out(examples)
        losses.copy_(loss)
        place.copy_(derivatives.view_as(place))
        block.record((losses, place), update)

    def _new_block(self, derivatives: Tensor) -> StepStatistics:
        done = self.steps % self.steps_per_epoch
        sizes = [len(derivatives)] * min(BLOCK_STEPS, self.steps_per_epoch - done)
        outputs = derivatives.shape[1]
        self._block = StepStatistics(sizes, outputs, self._parameters, self._gradient, self._first_bias)
        return self._block

    def _close_block(self) -> None:
        """Add the steps of the block to the dynamics; the next step begins a new one."""
        if self._block is None:
            return
        made = self._block.step
        epoch, before = divmod(self.steps - made, self.steps_per_epoch)
        closed = self._block.close(self._parameters.new_ones(1))
        self._dynamics.add(closed, epoch, before, self.steps_per_epoch)
        self._block = None

    def _record_if_due(self) -> None:
        epoch, rest = divmod(self.steps, self.steps_per_epoch)
        if not rest and self.record.is_due(epoch, self.steps):
            self._append_row()

    def _append_row(self) -> None:
        epoch: int | float = self.steps / self.steps_per_epoch
        epoch = int(epoch) if epoch == int(epoch) else epoch
        self._rows.append({"step": self.steps, "epoch": epoch, **self.statistics()})

    def _row(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return self._layout.rows({name: value.detach().unsqueeze(0) for name, value in tensors.items()})


def _first_bias(module: nn.Module, layout: ParameterLayout) -> slice:
    """Return the columns of the first layer's bias; an empty slice where there is none, or it is not trained."""
    layer = first_layer(module)
    if layer is None:
        return slice(0, 0)
    name = f"{layer}.bias" if layer else "bias"
    return layout.columns(name) if name in layout.shapes else slice(0, 0)


def _complete(initial: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name, value in trained.items():
        if name not in initial or initial[name].shape != value.shape:
            raise BadInput(f"initial: parameter {name!r} of shape {tuple(value.shape)} is missing or has another shape")
    return {name: initial[name].to(value) for name, value in trained.items()}
