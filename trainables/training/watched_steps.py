"""Numbers of the steps of one network, copied as they come and reduced together, some steps at a time.

A copy is one operation, and a step of a small network takes only some tens of them: reductions of every step by itself
would cost more than the step.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from benevolent.trainables.training.reduced_steps import ReducedSteps
from benevolent.trainables.training.watched_derivatives import DerivativeSums

#: Most steps that are reduced together.
BLOCK_STEPS = 32
#: Most numbers of parameters that are kept for that, beside those of the last step: 1 MiB of float32.
BLOCK_NUMBERS = 2**18


class WatchedSteps:
    """Parameters, gradients, losses and derivatives of the last steps of one network.

    Args:
        parameters: those that are trained, all on one device.
        first_bias: position of the first layer's bias among them; None if there is none, or it is not trained.
        reduction: of the loss over the examples of a batch.

    Attributes:
        steps: number of steps since the last reduction.
        bias: columns of the first layer's bias in `now`; empty if there is none.
    """

    def __init__(
        self, parameters: Sequence[Tensor], first_bias: int | None, reduction: Literal["mean", "sum"] = "mean"
    ) -> None:
        self.parameters = [value.detach() for value in parameters]  # these share their memory
        self.reduction = reduction
        self.steps = 0
        lengths = [value.numel() for value in self.parameters]
        self.bias = slice(0, 0)
        self._bias_position = first_bias
        if first_bias is not None:
            start = sum(lengths[:first_bias])
            self.bias = slice(start, start + lengths[first_bias])
        self._size = min(BLOCK_STEPS, max(1, BLOCK_NUMBERS // sum(lengths)))
        like = self.parameters[0]
        dtype = torch.promote_types(like.dtype, torch.float32)  # half precision is too coarse for norms
        kept_gradients = sum(lengths) if self._size > 1 else 0
        self._rows = torch.zeros(self._size + 1, sum(lengths), dtype=dtype, device=like.device)
        self._gradients = self._rows.new_zeros(self._size, kept_gradients)
        self._row_views = [self.named(row) for row in self._rows]
        self._gradient_views = [self.named(row) for row in self._gradients] if kept_gradients else []
        self._gradient_norms = self._rows.new_zeros(self._size)
        self._bias_gradients = self._rows.new_zeros(self._size, self.bias.stop - self.bias.start)
        self._losses = self._rows.new_zeros(self._size)
        self._loss_places = self._losses.unbind()
        self._inverse_scales: list[Tensor] = []
        self._derivatives: list[Tensor | DerivativeSums] = []
        self._copy(self._row_views[0], self.parameters)

    @property
    def full(self) -> bool:
        """True if the steps have to be reduced before the next one."""
        return self.steps == self._size

    @property
    def now(self) -> Tensor:
        """The parameters `(1, P)` after the last step that was reduced."""
        return self._rows[:1]

    def named(self, row: Tensor) -> list[Tensor]:
        """Return the parameters in a row `(P,)`, in order; they share its memory."""
        parts = row.split([value.numel() for value in self.parameters])
        return [part.view(value.shape) for part, value in zip(parts, self.parameters, strict=True)]

    def read_gradients(self, gradients: Sequence[Tensor | None]) -> None:
        """Keep the gradients of the coming step; those that were kept for it before are forgotten."""
        dense = [value.to_dense() if value is not None and value.is_sparse else value for value in gradients]
        if self._gradient_views:
            pairs = zip(dense, self.parameters, strict=True)
            filled = [value.new_zeros(()).expand_as(value) if given is None else given for given, value in pairs]
            self._copy(self._gradient_views[self.steps], filled)
            return
        # Of a large network, a norm right away is cheaper than a copy.
        given = [value for value in dense if value is not None]
        norm = torch.nn.utils.get_total_norm([value.to(self._rows.dtype) for value in given])
        self._gradient_norms[self.steps] = norm
        if self._bias_position is not None:
            bias = dense[self._bias_position]
            self._bias_gradients[self.steps] = 0 if bias is None else bias.flatten()

    def add(
        self, loss: Tensor | float, derivatives: Tensor | DerivativeSums, inverse_scale: Tensor | None = None
    ) -> None:
        """Add a step, after the optimizer has changed the parameters.

        Args:
            loss: of the batch.
            derivatives: of the loss by the logits `(B, C)`, or their sums.
            inverse_scale: what gradients and derivatives have to be multiplied by; by default 1.
        """
        self._copy(self._row_views[self.steps + 1], self.parameters)
        if isinstance(loss, Tensor):
            self._loss_places[self.steps].copy_(loss, non_blocking=True)
        else:
            self._loss_places[self.steps].fill_(loss)
        self._derivatives.append(derivatives)
        if inverse_scale is not None:
            self._inverse_scales.append(inverse_scale)
        self.steps += 1

    def reduce(self) -> ReducedSteps:
        """Return the statistics of the steps since the last reduction."""
        steps = self.steps
        updates = self._rows[:steps] - self._rows[1 : steps + 1]
        gradient, bias_gradient = self._reduced_gradients()
        loss = self._losses[:steps].clone()
        sums = _joined(self._derivatives)
        if self._inverse_scales:
            scales = torch.stack(self._inverse_scales).to(gradient)
            gradient *= scales
            bias_gradient *= scales
            sums = sums.scaled(scales)
        if self.reduction == "sum":
            gradient /= sums.count
            bias_gradient /= sums.count
            loss /= sums.count
        derivative, noise, signal = sums.statistics(self.reduction)
        bias = self._rows[1 : steps + 1, self.bias].double()
        bias_updates = updates[:, self.bias].double()
        products = bias_updates.new_zeros(steps)
        products[1:] = (bias_updates[1:] * bias_updates[:-1]).sum(1)
        reduced = ReducedSteps(
            loss=loss.unsqueeze(1),
            derivative=derivative.unsqueeze(1),
            noise=noise.unsqueeze(1),
            signal=signal.unsqueeze(1),
            gradient=gradient.unsqueeze(1),
            update=torch.linalg.vector_norm(updates, dim=1).unsqueeze(1),
            bias_gradient=bias_gradient.unsqueeze(1),
            bias_update=torch.linalg.vector_norm(bias_updates, dim=1).unsqueeze(1),
            bias_product=products.unsqueeze(1),
            bias_mean=bias.mean(0, keepdim=True),
            bias_deviation=(bias - bias.mean(0)).square().sum().unsqueeze(0),
            bias_first=bias_updates[:1],
            bias_last=bias_updates[-1:],
            count=steps,
        )
        self._start_again()
        return reduced

    def _reduced_gradients(self) -> tuple[Tensor, Tensor]:
        """Return the norms `(steps,)` of the gradients, and of those of the first layer's bias."""
        steps = slice(self.steps)
        if not self._gradient_views:
            bias_norms = torch.linalg.vector_norm(self._bias_gradients[steps], dim=1)
            return self._gradient_norms[steps].clone(), bias_norms
        gradients = self._gradients[steps]
        bias_norms = torch.linalg.vector_norm(gradients[:, self.bias], dim=1)
        return torch.linalg.vector_norm(gradients, dim=1), bias_norms

    def _start_again(self) -> None:
        """Begin with the parameters of the last step."""
        self._rows[0].copy_(self._rows[self.steps])
        if not self.full:  # gradients may have been read for the coming step
            self._gradients[0].copy_(self._gradients[self.steps])
        self._derivatives.clear()
        self._inverse_scales.clear()
        self.steps = 0

    @staticmethod
    def _copy(to: list[Tensor], values: Sequence[Tensor]) -> None:
        torch._foreach_copy_(to, list(values))


def _joined(derivatives: Sequence[Tensor | DerivativeSums]) -> DerivativeSums:
    """Return the sums of all steps, those of successive batches of one shape computed together."""

    def shape(step: Tensor | DerivativeSums) -> torch.Size | None:
        return step.shape if isinstance(step, Tensor) else None

    parts = []
    for of_shape, steps in itertools.groupby(derivatives, shape):
        if of_shape is None:
            parts += [step for step in steps if isinstance(step, DerivativeSums)]
        else:
            batches = [step for step in steps if isinstance(step, Tensor)]
            parts.append(DerivativeSums.of(torch.stack(batches)))
    return DerivativeSums.joined(parts)
