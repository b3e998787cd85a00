"""Configuration of the training: the loss, the optimizer, and when a phase ends."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from benevolent.trainables.config.base import Section
from benevolent.trainables.per_run_fields import PerRun


class LossConfig(Section):
    """The minimized loss (`trainables.optimization.losses`).

    `name`: all but `cross_entropy` have one output for two classes. `squared` is half the squared error, as in Loukas
    et al. 2021. That paper minimizes half of `logistic`, which with SGD is half the learning rate.

    `margin`: of the hinge loss, below which correctly classified examples count (gamma in Brutzkus and Globerson 2019).
    """

    inert: ClassVar = {"margin": ("name", ("cross_entropy", "logistic", "squared"))}

    name: Literal["cross_entropy", "logistic", "squared", "hinge"] = "cross_entropy"
    margin: Annotated[float, Field(gt=0)] = 1.0


def _points(schedule: list[list[float]]) -> list[list[float]]:
    """Check the points of a learning rate schedule."""
    for point in schedule:
        if not _is_point(point):
            raise ValueError("expected points [epoch, factor], of whole epochs >= 0 and factors > 0")
    epochs = [epoch for epoch, _ in schedule]
    if epochs != sorted(set(epochs)):
        raise ValueError("epochs must be strictly increasing")
    return schedule


def _is_point(point: list[float]) -> bool:
    """Return True for a whole epoch >= 0 and a factor > 0."""
    if len(point) != 2:
        return False
    epoch, factor = point
    return epoch >= 0 and epoch == int(epoch) and factor > 0


OptionalPositive = Annotated[float, Field(gt=0)] | None
Count = Annotated[int, Field(ge=1)]
Schedule = Annotated[list[list[float]], Field(examples=[[[100, 0.1], [150, 0.01]]])]


class OptimizerConfig(Section):
    """The method that minimizes the loss.

    `name`: SGD, or Adam (Kingma and Ba 2015, betas 0.9 and 0.999). With `least_squares` there is one step, in which the
    last layer becomes the solution of minimum norm for the features before it, and everything else stays as drawn
    (`trainables.stack.least_squares`); it takes none of the other fields.

    `lr`: the learning rate. `momentum`: of SGD. `weight_decay`: adds this many times the weights to the gradient.

    `decay`: multiplies the learning rate after every `decay_every` epochs of a phase. `decay_every`: epochs of a phase
    from one decay to the next.

    `schedule`: multiplies the learning rate too: points [epoch, factor] with increasing epochs. Before the first point
    the factor comes from 1 at epoch 0, after the last it stays. So [[100, 0.1], [150, 0.01]] are two drops, [[0, 0.1],
    [5, 1]] with `linear` a warm-up, and [[10, 1], [60, 0.01]] with `geometric` a decay that starts and ends.
    `between`: from one point of the schedule to the next the factor stays (`hold`), or changes epoch by epoch in equal
    steps (`linear`) or in equal ratios (`geometric`).

    `clip`: gradients whose norm over all parameters of the network is larger are scaled down to it, before weight decay
    is added (Pascanu, Mikolov and Bengio 2013). `batch_size`: examples of a step; `full` takes all of them (gradient
    descent).

    `arithmetic`: precision of products of float32 numbers in a training step. `tf32` rounds their factors to 10 bits,
    on a GPU only; `bf16` (autocast) to 7 bits. Parameters, their gradients and the optimizer keep `precision`.
    """

    inert: ClassVar = {"momentum": ("name", "adam"), "decay_every": ("decay", 1), "between": ("schedule", [])}

    name: Literal["sgd", "adam", "least_squares"] = "sgd"
    lr: Annotated[float, Field(gt=0), PerRun] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1), PerRun] = 0.0
    weight_decay: Annotated[float, Field(ge=0), PerRun] = 0.0
    decay: Annotated[float, Field(gt=0, le=1), PerRun] = 1.0
    decay_every: Annotated[Count, PerRun] = 1
    schedule: Annotated[Schedule, AfterValidator(_points), PerRun] = []
    between: Annotated[Literal["hold", "linear", "geometric"], PerRun] = "hold"
    clip: Annotated[OptionalPositive, PerRun] = None
    batch_size: Count | Literal["full"] = 32
    arithmetic: Literal["full", "tf32", "bf16"] = "full"

    def examples_per_step(self, seen_size: int) -> int:
        """Return the batch size as a number, of a run that sees so many training examples."""
        whole = self.batch_size == "full" or self.name == "least_squares"
        return seen_size if whole else min(int(self.batch_size), seen_size)


class StopConfig(Section):
    """A phase ends once its targets are reached, or at its limit.

    `train_loss`: a target, the loss on the full training split. `train_error`: a target, the misclassified fraction of
    the full training split; if both are given, both must be reached. `max_epochs`: the limit, in epochs. `max_steps`:
    a limit in steps, which may cut the last epoch short.

    `check_every`: the targets are evaluated every so many epochs. `check_every_steps`: they are evaluated every so many
    steps of the phase instead, and never before the first; so a run may end in the middle of an epoch.

    `snapshot_loss`: the final parameters, outcomes and rows in the tables are those of the check whose loss on the full
    training split was nearest to this value (the first of equal ones), although the run trains on until its stop rule
    ends it (Liao et al. 2018, figure 5). A run that diverges has no snapshot.

    Models that are solved in one step (least squares, forests) reach their target in it, whatever the fields here.
    """

    train_loss: Annotated[Annotated[float, Field(ge=0)] | None, PerRun] = 0.01
    train_error: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, PerRun] = None
    max_epochs: Annotated[Count, PerRun] = 100
    max_steps: Count | None = None
    check_every: Count = 1
    check_every_steps: Count | None = None
    snapshot_loss: Annotated[OptionalPositive, PerRun] = None

    @model_validator(mode="after")
    def _checks_have_one_spelling(self) -> "StopConfig":
        if self.check_every_steps is not None and self.check_every != 1:
            raise ValueError("check_every counts epochs and check_every_steps steps; leave one out")
        return self

    def is_due(self, epoch: int | float, step: int) -> bool:
        """Return True if targets are evaluated after this many epochs and steps of a phase."""
        if self.check_every_steps is not None:
            return step % self.check_every_steps == 0
        return isinstance(epoch, int) and epoch % self.check_every == 0
