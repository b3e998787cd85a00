"""Dynamics of a training loop that is not ours: the same statistics of the path as a sweep records."""

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.watched_parameters import WatchedParameters
from benevolent.trainables.training.watched_run import WatchedRun
from benevolent.trainables.training.watched_training import WatchedTraining


@checked_arguments
def watch(
    module: nn.Module,
    optimizer: Optimizer,
    steps_per_epoch: int,
    *,
    epochs: Literal["log"] | list[int] = "log",
    initial: Mapping[str, Tensor] | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    scaler: GradScaler | None = None,
    save_to: str | Path | Folder | None = None,
    config: Mapping[str, Any] | None = None,
    seed: int | None = None,
    replace: bool = False,
) -> WatchedTraining:
    """Record the training-dynamics statistics of a module in any training loop.

    The statistics are those of `dynamics_names.DYNAMICS` that a sweep records, but for those that need the validation
    split or a target. Hooks on the module's forward pass and on the optimizer's step read what they need; the loop says
    the loss of every step. It takes the memory of a few copies of the parameters, of small networks up to 6 MiB, and
    waits for no GPU.

    A step is one call of `optimizer.step()`. A step may take several batches, if their losses are divided so that the
    gradients add up to the gradient of the mean over all examples. Gradients are read when the backward pass has ended,
    so before they are clipped, as in a sweep. Steps that `torch.amp.GradScaler` skips are no steps. The learning rate
    is that of the group of parameters with the first layer's bias, and the parameters are those that the optimizer has
    and that require gradients when the watch begins; one that is used twice counts once. The first layer is the first
    with weights that the module's constructor makes.

    Every backward pass from an output in training mode belongs to the next step, if it is made at the same parameters
    as the step's first: gradients and derivatives are those at the parameters that the step begins with. So the second
    pass of sharpness-aware minimization (SAM) and the line search of LBFGS are left out.

    Compiled modules are watched like others. With `DistributedDataParallel` every process watches that wrapper, and
    records the statistics of the examples of all of them; one of them calls `finish`. FSDP and shards are refused.

    With `save_to`, `finish` writes the run into a results folder. `load_results` reads it, and several such runs are
    judged and reported as those of a sweep are.

    Args:
        module: gives logits `(B, C)`; or an output with an attribute `logits`, `(B, C)` or `(B, T, C)`, whose examples
            are then the positions that have a derivative.
        optimizer: of the module's parameters.
        steps_per_epoch: number of steps in an epoch, `len(loader)`; losses are summed in units of epochs.
        epochs: after which a row is recorded: a list, or `log` for 0, 1, 2, 4, 8, ...
        initial: `name -> tensor`, the parameters at the random initialization if the module has been trained before;
            by default those it has when the watch begins.
        reduction: of the loss over the examples of a batch.
        scaler: that scales the losses for half precision, if one does.
        save_to: the results folder, a path or a URI; it may hold runs of other loops, and of other processes.
        config: what may differ between runs, `name -> number, text or truth value`; each is a column of the table.
        seed: that tells the runs of one `config` apart.
        replace: take the place of a run of the same `config` and `seed`, instead of refusing to begin.

    Raises:
        BadInput: the module has nothing to train, `steps_per_epoch` is no positive integer, `epochs` or `reduction` is
            not one of the values above, `initial` lacks a parameter, the module is trained by several processes in
            another way than by `DistributedDataParallel`, or the run cannot be saved (see `WatchedRun`).

    >>> import torch
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
    _check_options(steps_per_epoch, reduction)
    record = _record(epochs)
    run = None
    if save_to is not None:
        run = WatchedRun.of(save_to, config or {}, seed, replace)
        run.check_folder()
    elif config is not None or seed is not None or replace:
        raise BadInput("watch: config, seed and replace describe a run that is saved; give save_to, too")
    parameters = WatchedParameters.of(module, optimizer, initial)
    return WatchedTraining(module, optimizer, parameters, steps_per_epoch, record, reduction, scaler, run)


def _check_options(steps_per_epoch: Any, reduction: Any) -> None:
    if not isinstance(steps_per_epoch, Integral) or steps_per_epoch < 1:
        raise BadInput(f"steps_per_epoch: {steps_per_epoch!r}; expected a positive integer")
    if reduction not in ("mean", "sum"):
        raise BadInput(f"reduction: {reduction!r}; expected 'mean' or 'sum'")


def _record(epochs: Any) -> RecordConfig:
    try:
        return RecordConfig(epochs=epochs)
    except ValidationError:
        raise BadInput(f"epochs: {epochs!r}; expected 'log' or a list of different epochs >= 0") from None
