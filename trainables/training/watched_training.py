"""A training loop that is watched: what `watch` returns."""

import itertools
import warnings
from types import TracebackType
from typing import Any, Literal, Self

import pandas as pd
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from benevolent.trainables.arguments import check_argument, checked_arguments
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.dynamics import Dynamics
from benevolent.trainables.training.loop_hooks import LoopHooks, at_end_of_backward
from benevolent.trainables.training.watched_parameters import WatchedParameters
from benevolent.trainables.training.watched_processes import WatchedProcesses
from benevolent.trainables.training.watched_run import WatchedRun
from benevolent.trainables.training.watched_steps import WatchedSteps


class WatchedTraining:
    """A training loop that is watched, see `watch`.

    Attributes:
        steps: number of steps so far.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: Optimizer,
        parameters: WatchedParameters,
        steps_per_epoch: int,
        record: RecordConfig,
        reduction: Literal["mean", "sum"],
        scaler: GradScaler | None,
        run: WatchedRun | None,
    ) -> None:
        self.steps = 0
        self._module = module
        self._optimizer = optimizer
        self._parameters = parameters
        self._steps_per_epoch = steps_per_epoch
        self._record = record
        self._scaler = scaler
        self._run = run
        self._processes = WatchedProcesses.of(module, reduction)
        self._block = WatchedSteps(parameters.values, parameters.first_bias, reduction, self._processes)
        self._start = self._block.now.clone()
        self._initial = self._start
        if parameters.initial is not None:
            self._initial = torch.empty_like(self._start)
            torch._foreach_copy_(self._block.named(self._initial[0]), list(parameters.initial))
        self._dynamics = Dynamics(self._start, self._block.bias.stop - self._block.bias.start)
        self._inverse_scale: Tensor | None = None
        self._moved: Tensor | None = None  # True: parameters changed, unseen by autograd, before a later pass
        self._hooks: LoopHooks | None = None  # the last ones, also after they were removed
        self._watches = False
        self._rows: list[dict[str, Any]] = []

    # ---- the block in which the loop is watched

    def __enter__(self) -> Self:
        self._hooks = LoopHooks(
            self._module,
            self._optimizer,
            self._parameters.values,
            self._parameters.group,
            self._read_gradients if self._processes is None else self._read_averages,
            self._compare_parameters,
        )
        self._watches = True
        if not self._rows and self._record.is_due(0, 0):
            self._append_row()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hooks is None or not self._watches:
            return
        self._watches = False
        self._hooks.remove()
        if self._hooks.updated and error is None:
            warnings.warn(
                "watch: the last optimizer.step() was not followed by step(), and is not recorded", stacklevel=2
            )
        is_recorded = bool(self._rows) and self._rows[-1]["step"] == self.steps
        # A row needs all processes, and after an error in this one the others do not take part.
        if not is_recorded and (error is None or self._processes is None):
            self._append_row()
        if self._processes is not None:
            self._processes.end()
        if error is None:
            self._check_passes()

    def step(self, loss: Tensor | float | None = None) -> None:
        """Say the loss of the batch, once after every `optimizer.step()`.

        Args:
            loss: the mean, or sum, over the examples of the step. A module whose output has an attribute `loss`, which
                is minimized, needs none.

        Raises:
            BadInput: there was no step since the last call, or the module did not run in training before it.
        """
        if self._hooks is None or not self._watches:
            raise BadInput("watch: step() is called in the block that begins with `with watch(...)`")
        updated = self._hooks.updated
        if not updated and self._scaler is None:
            name = type(self._optimizer).__name__
            raise BadInput(
                f"watch: step() is called once after every step() of the optimizer, {name}; if another one makes its "
                "steps, as the `base_optimizer` of SAM, watch that"
            )
        batches = self._hooks.take()
        if batches is None:
            raise BadInput(
                "watch: the module gave no logits in training mode before this step; expected a tensor, or an output "
                "with an attribute `logits`"
            )
        if not updated:  # the scaler skipped this step
            return
        if loss is None:
            loss = batches.loss
            if loss is None:
                raise BadInput("watch: the module gave no loss that was minimized; say it, step(loss)")
            if self._inverse_scale is not None:
                loss = loss * self._inverse_scale
        if not isinstance(loss, Tensor):
            check_argument("loss", loss, float)
        elif loss.ndim:
            if loss.numel() != 1:
                raise BadInput(f"step: a loss of shape {tuple(loss.shape)}; expected one number")
            loss = loss.detach().view(())
        self._block.add(loss, batches.derivatives, self._inverse_scale)
        self.steps += 1
        if self._block.full:
            self._reduce()
        epoch, further = divmod(self.steps, self._steps_per_epoch)
        if not further and self._record.is_due(epoch, self.steps):
            self._check_passes()
            self._append_row()

    # ---- results

    @property
    def table(self) -> pd.DataFrame:
        """One row per recorded step: `step`, `epoch` and every statistic, as in `Results.dynamics`."""
        return pd.DataFrame(self._rows)

    @property
    def initial(self) -> dict[str, Tensor]:
        """The parameters at the random initialization, as `measure_network` takes them."""
        initial = {name: value.detach().clone() for name, value in self._module.named_parameters()}
        tensors = self._block.named(self._initial[0])
        for name, tensor in zip(self._parameters.names, tensors, strict=True):
            initial[name] = tensor.to(initial[name].dtype)
        return initial

    def statistics(self) -> dict[str, float]:
        """Return every statistic now; NaN where it is not defined.

        Raises:
            BadInput: it is unknown which backward passes of a step were made at the parameters that it began with.
        """
        self._check_passes()
        return self._statistics()

    def _check_passes(self) -> None:
        if self._moved is not None and self._moved:
            raise BadInput(
                "watch: in a step of several backward passes, parameters were changed after step(), or through `.data` "
                "between the passes; change them before step(), and in torch.no_grad()"
            )

    def _statistics(self) -> dict[str, float]:
        self._reduce()
        rate = 0.0 if self._hooks is None else float(self._hooks.learning_rate)
        now = self._block.now
        learning_rate = torch.full((1,), rate, dtype=torch.float64, device=now.device)
        values = self._dynamics.statistics(now, self._initial, self._start, self._block.bias, learning_rate)
        return dict(zip(values, torch.cat(list(values.values())).tolist(), strict=True))

    @checked_arguments
    def finish(
        self, *, converged: bool = True, measures: pd.DataFrame | None = None, **outcomes: float | Tensor
    ) -> str:
        """End the watch and write the run into the results folder, whole or not at all.

        Args:
            converged: False if the loop ended at its limit, without having reached what it trains for.
            measures: of the trained module, as `measure_network` returns them.
            outcomes: `test_loss`, `test_error`, `train_loss`, `train_error` and others of these splits and of
                `validation`; larger is worse. A run with a loss that is not finite has the status `diverged`.

        Returns:
            the id of the run.

        Raises:
            BadInput: the watch has no `save_to`, an outcome has an unknown name, is no number or out of its range (an
                error in percent), or the folder has got other results of this run meanwhile.
        """
        self.__exit__(None, None, None)
        if self._run is None:
            raise BadInput("finish: the watch began without save_to")
        return self._run.write(self._rows, outcomes, measures, converged, self._block.outputs)

    # ---- steps

    def _read_averages(self) -> None:
        """Read the gradients after they were averaged over processes, which ends this pass, too."""
        at_end_of_backward(self._read_gradients)

    def _read_gradients(self) -> None:
        """Read the gradients at the end of a backward pass, and the scale that it had."""
        self._block.read_gradients([value.grad for value in self._parameters.values])
        if self._scaler is not None:
            one = torch.ones((), device=self._start.device)
            self._inverse_scale = self._scaler.scale(one).reciprocal()

    def _compare_parameters(self) -> None:
        """Look for changes of the parameters that autograd has not seen, at a further backward pass of a step."""
        moved = self._block.moved()
        self._moved = moved if self._moved is None else self._moved | moved

    def _reduce(self) -> None:
        """Add the steps since the last reduction to the dynamics, those of each epoch by themselves."""
        if not self._block.steps:
            return
        whole = self._steps_per_epoch
        start = self.steps - self._block.steps
        ends = [*range(start - start % whole + whole, self.steps, whole), self.steps]
        counts = [end - before for before, end in itertools.pairwise([start, *ends])]
        for end, part in zip(ends, self._block.reduce(counts), strict=True):
            epoch, before = divmod(end - part.count, whole)
            self._dynamics.add(part, epoch, before, whole)

    def _append_row(self) -> None:
        epoch: int | float = self.steps / self._steps_per_epoch
        epoch = int(epoch) if epoch == int(epoch) else epoch
        self._rows.append({"step": self.steps, "epoch": epoch, **self._statistics()})
