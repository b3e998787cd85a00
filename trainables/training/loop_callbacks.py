"""`watch` as a callback of PyTorch Lightning and of Hugging Face's `Trainer`, which are imported when one is made."""

import importlib
import math
import sys
from typing import Any, Self

from torch import Tensor

from benevolent.trainables.arguments import check_options, checked_arguments
from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.watch import watch
from benevolent.trainables.training.watched_training import WatchedTraining

#: Packages with the callback class of Lightning; both may be installed.
LIGHTNING = ("lightning.pytorch", "pytorch_lightning")


class WatchCallback:
    """What the callbacks of all frameworks have in common.

    Attributes:
        path: the watched training, from when it begins.
    """

    @checked_arguments
    def __init__(self, *, steps_per_epoch: int | None = None, **options: Any) -> None:
        check_options(watch, options)
        self._steps_per_epoch = steps_per_epoch
        self._options = options
        self._path: WatchedTraining | None = None

    @property
    def path(self) -> WatchedTraining:
        """The watched training, see `watch`; `BadInput` if none has begun."""
        if self._path is None:
            raise BadInput(f"{type(self).__name__}: no training has begun")
        return self._path

    def finish(self, **results: Any) -> str:
        """Write the run into the results folder; see `WatchedTraining.finish`."""
        return self.path.finish(**results)

    def _begin(
        self, module: Any, optimizer: Any, batches: float, batches_per_step: int, steps: int, **found: Any
    ) -> None:
        """Begin to watch.

        Args:
            module: gives logits.
            optimizer: of its parameters.
            batches: number of batches of an epoch; infinite if nobody knows.
            batches_per_step: number of batches whose gradients are added up for a step.
            steps: number of steps that were made before.
            found: further arguments of `watch`.
        """
        name = type(self).__name__
        if steps:
            raise BadInput(f"{name}: training goes on after {steps} steps, and the path up to there is not known")
        if self._steps_per_epoch is None and not math.isfinite(batches):
            raise BadInput(f"{name}: the number of batches of an epoch is not known; give steps_per_epoch")
        steps_per_epoch = self._steps_per_epoch or math.ceil(batches / batches_per_step)
        self._path = watch(module, optimizer, steps_per_epoch, **{**found, **self._options}).__enter__()

    def _end(self) -> None:
        if self._path is not None:
            self._path.__exit__(None, None, None)


class LightningWatch(WatchCallback):
    """`watch` as a callback of a Lightning `Trainer` (packages `lightning` and `pytorch_lightning`).

    Losses are those that `training_step` returns.

    Args:
        module: name of the submodule that gives the logits and is watched, if it is not the `LightningModule` itself:
            `net` if `training_step` calls `self.net(inputs)`.
        options: further arguments of `watch`, such as `save_to`, `config` and `seed`.

    Raises:
        BadInput: Lightning is not installed; when training begins, there are several optimizers, or it goes on from a
            checkpoint, and in any case of `watch`.

    Example::

        watcher = LightningWatch(save_to="results/own", config={"lr": 0.1}, seed=0)
        trainer = Trainer(callbacks=[watcher])
        trainer.fit(model, train_loader)
        watcher.finish(**{name: trainer.test(model, test_loader)[0][name] for name in ("test_loss", "test_error")})
    """

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Return an instance that is a callback of Lightning, too."""
        loaded = [name for name in LIGHTNING if name in sys.modules]
        return object.__new__(_with_base(cls, (*loaded, *LIGHTNING), "Callback", "lightning"))

    @checked_arguments
    def __init__(self, module: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._module = module
        self._loss: Tensor | float = 0.0
        self._steps = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        if len(trainer.optimizers) != 1:
            raise BadInput(f"LightningWatch: the module has {len(trainer.optimizers)} optimizers; expected one")
        module = pl_module.get_submodule(self._module)
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        batches = trainer.num_training_batches
        per_step = trainer.accumulate_grad_batches
        self._begin(module, trainer.optimizers[0], batches, per_step, trainer.global_step, scaler=scaler)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Add the loss of the batch, and say it after a step."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is None:
            raise BadInput("LightningWatch: training_step returns no loss")
        self._loss = self._loss + loss.detach()
        if trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        self.path.step(self._loss)
        self._loss = 0.0

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the watch."""
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the watch."""
        self._end()


class TrainerWatch(WatchCallback):
    """`watch` as a callback of `transformers.Trainer`.

    Losses are those that the model's output has, as they are minimized; a loss that the trainer computes apart, as with
    label smoothing, cannot be seen. The examples of a language model are the positions that have a label.

    Args:
        options: further arguments of `watch`, such as `save_to`, `config` and `seed`.

    Raises:
        BadInput: `transformers` is not installed; when training begins, it goes on from a checkpoint, and in any case
            of `watch`.

    Example::

        watcher = TrainerWatch(save_to="results/own", config={"lr": 1e-4}, seed=0)
        trainer = Trainer(model, arguments, train_dataset=train, eval_dataset=test, callbacks=[watcher])
        trainer.train()
        watcher.finish(test_loss=trainer.evaluate()["eval_loss"])
    """

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Return an instance that is a callback of `transformers`, too."""
        return object.__new__(_with_base(cls, ("transformers",), "TrainerCallback", "transformers"))

    def on_train_begin(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Begin to watch."""
        optimizer = now["optimizer"]
        scaler = getattr(optimizer, "scaler", None)
        batches = _batches(now["train_dataloader"])
        per_step = args.gradient_accumulation_steps
        inner = getattr(optimizer, "optimizer", optimizer)  # the one that `accelerate` has wrapped
        self._begin(now["model"], inner, batches, per_step, state.global_step, scaler=scaler)

    def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """Record the step."""
        self.path.step()

    def on_train_end(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        """End the watch."""
        self._end()


def _batches(loader: Any) -> float:
    """Return the number of batches of an epoch; infinite if the data set does not know its length."""
    try:
        return len(loader)
    except TypeError:
        return math.inf


def _with_base(cls: type, modules: tuple[str, ...], name: str, extra: str) -> Any:
    """Return a class that also has the base `name` of the first of these modules that is installed."""
    for module in modules:
        try:
            base = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:
            continue
        return cls if issubclass(cls, base) else type(cls.__name__, (cls, base), {"__module__": cls.__module__})
    raise BadInput(f"{cls.__name__}: needs a package that is missing; pip install 'benevolent[{extra}]'")
