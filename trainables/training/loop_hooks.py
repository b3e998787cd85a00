"""Hooks on a module and its optimizer that read a training loop: logits, losses, the ends of backward passes, steps."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benevolent.trainables.errors import BadInput
from benevolent.trainables.training.watched_derivatives import DerivativeSums

#: Calls a function at the end of the backward pass that is being made.
at_end_of_backward = torch.autograd.Variable._execution_engine.queue_callback

#: Derivatives of more numbers than this are summed at once instead of kept until some steps are reduced.
MOST_NUMBERS = 2**13


class TrainedBatches(NamedTuple):
    """What was read in the backward passes of one step.

    Attributes:
        derivatives: of the loss by the logits `(B, C)`, or their sums.
        loss: the module's own, summed over the passes; None if it gave none.
    """

    derivatives: Tensor | DerivativeSums
    loss: Tensor | None


class LoopHooks:
    """The hooks of one watched loop.

    The passes of a step that count are those at the parameters of its first one. Others are left out: the second one of
    sharpness-aware minimization (SAM), and those of the line search of LBFGS.

    Args:
        module: gives logits `(B, C)`; or an output with an attribute `logits`, `(B, C)` or `(B, T, C)`, and perhaps one
            of name `loss`.
        optimizer: of the module's parameters.
        parameters: that are watched.
        group: number of the group of parameters whose learning rate is read.
        after_backward: called at the end of every backward pass that counts.
        before_more: called before every further pass that counts.

    Attributes:
        learning_rate: of the last step.
        updated: True if the optimizer has made a step since `take`.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: Optimizer,
        parameters: Sequence[Tensor],
        group: int,
        after_backward: Callable[[], None],
        before_more: Callable[[], None],
    ) -> None:
        self.learning_rate: float | Tensor = 0.0
        self.updated = False
        self._optimizer = optimizer
        self._parameters = parameters
        self._group = group
        self._read_gradients = after_backward
        self._before_more = before_more
        self._groups = len(optimizer.param_groups)
        self._derivatives: list[Tensor | DerivativeSums] = []
        self._losses: list[Tensor] = []
        self._versions: list[int] = []  # of the parameters, at the first pass of the step
        self._in_backward = False
        self._evaluations: int | None = None  # backward passes within the optimizer's step; None outside of it
        self._hooks = [
            module.register_forward_hook(self._after_forward),
            optimizer.register_step_pre_hook(self._before_update),
            optimizer.register_step_post_hook(self._after_update),
        ]

    def remove(self) -> None:
        """Remove all hooks."""
        for hook in self._hooks:
            hook.remove()

    def take(self) -> TrainedBatches | None:
        """Return what was read in the backward passes of a step, and forget it; None if no pass reached the logits."""
        derivatives, self._derivatives = self._derivatives, []
        self.updated = False
        if not derivatives:
            return None
        loss = torch.stack(self._losses).sum() if self._losses else None
        self._losses = []
        if len(derivatives) == 1:
            return TrainedBatches(derivatives[0], loss)
        total, *others = [part if isinstance(part, DerivativeSums) else _sums(part) for part in derivatives]
        for part in others:
            total = total + part
        return TrainedBatches(total, loss)

    # ---- forward and backward

    def _after_forward(self, module: nn.Module, arguments: Any, output: Any) -> None:
        """Ask autograd for the derivatives of the loss by the logits, if this pass is one of training."""
        if not module.training:
            return
        self._in_backward = False  # also after a backward pass that raised an error
        logits, most_axes = (output, 2) if isinstance(output, Tensor) else (getattr(output, "logits", None), 3)
        if not isinstance(logits, Tensor) or not logits.requires_grad:
            return
        if not 1 <= logits.ndim <= most_axes:
            raise BadInput(
                f"watch: the module gives logits of shape {tuple(logits.shape)}; expected (B, C), or (B, T, C) from an "
                "output with an attribute `logits`"
            )
        if not self._counts():
            return
        logits.register_hook(self._take_derivatives)
        if logits is output:
            return
        loss = getattr(output, "loss", None)
        if isinstance(loss, Tensor) and loss.requires_grad:
            loss.register_hook(functools.partial(self._take_loss, loss.detach().clone()))

    def _counts(self) -> bool:
        """Return True if the parameters are those of the first pass of this step."""
        versions = [value._version for value in self._parameters]  # rises with every change that autograd sees
        if not self._derivatives:
            self._versions = versions
            return True
        if versions != self._versions:
            return False
        self._before_more()
        return True

    def _take_derivatives(self, derivatives: Tensor) -> None:
        self._derivatives.append(_kept(derivatives.detach()))
        if not self._in_backward:
            self._in_backward = True
            # Gradients are read when this pass has ended, so before the loop clips or unscales them.
            at_end_of_backward(self._after_backward)

    def _take_loss(self, loss: Tensor, factor: Tensor) -> None:
        """Keep a loss as it counts in the sum that is minimized: divided by the number of batches, for example."""
        self._losses.append((loss * factor.detach()).sum())

    def _after_backward(self) -> None:
        self._in_backward = False
        if self._evaluations is not None:
            self._evaluations += 1
        self._read_gradients()

    # ---- the optimizer

    def _before_update(self, *arguments: Any) -> None:
        if self.updated:  # two steps would be taken for one
            self.updated = False
            raise BadInput("watch: the last optimizer.step() was not followed by step()")
        groups = self._optimizer.param_groups
        if len(groups) != self._groups:
            raise BadInput("watch: the optimizer has got a new group of parameters; begin to watch after that")
        rate = groups[self._group]["lr"]
        self.learning_rate = rate.detach().clone() if isinstance(rate, Tensor) else rate
        self._evaluations = 0

    def _after_update(self, *arguments: Any) -> None:
        if self._evaluations is not None and self._evaluations > 1:
            name = type(self._optimizer).__name__
            raise BadInput(
                f"watch: {name} evaluates the loss {self._evaluations} times in a step at the same parameters; a step "
                "of a sweep has one gradient"
            )
        self._evaluations = None
        self.updated = not self._overflowed()

    def _overflowed(self) -> bool:
        """Return True if a fused optimizer left the parameters as they were, since scaled gradients overflowed."""
        found = getattr(self._optimizer, "found_inf", None)  # set by `GradScaler` for the time of the step
        return isinstance(found, Tensor) and bool(found)


def _kept(derivatives: Tensor) -> Tensor | DerivativeSums:
    """Return what is kept of derivatives `(B, C)`, `(B,)` or `(B, T, C)`."""
    if derivatives.ndim == 3:
        return DerivativeSums.of(derivatives.flatten(0, 1).unsqueeze(0), only_counted=True)
    rows = derivatives if derivatives.ndim == 2 else derivatives.unsqueeze(1)
    if rows.numel() > MOST_NUMBERS:
        return _sums(rows)
    return rows.clone()  # the loop may change them in place, and captured graphs write into the same memory again


def _sums(derivatives: Tensor) -> DerivativeSums:
    return DerivativeSums.of(derivatives.unsqueeze(0))
