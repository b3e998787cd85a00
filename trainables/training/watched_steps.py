"""Numbers of the steps of one network, copied as they come and reduced together, some steps at a time.

A copy of all parameters is one operation, and a step of a small network takes only some tens of them: reductions of
every step by itself would cost more than the step.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from benevolent.trainables.stack.step_statistics import PER_STEP
from benevolent.trainables.training.reduced_steps import ReducedSteps
from benevolent.trainables.training.watched_derivatives import DerivativeSums, sums_of_steps
from benevolent.trainables.training.watched_processes import WatchedProcesses

#: Most steps that are reduced together, whatever their epochs.
BLOCK_STEPS = 128
#: Most numbers of parameters, and of gradients, that are kept until their norms are taken: 1 MiB of float32, so that
#: they stay in the cache of most processors.
BLOCK_NUMBERS = 2**18


class WatchedSteps:
    """Parameters, gradients, losses and derivatives of the last steps of one network.

    Args:
        parameters: those that are trained, all on one device.
        first_bias: position of the first layer's bias among them; None if there is none, or it is not trained.
        reduction: of the loss over the examples of a batch.
        processes: that have further examples of every step.

    Attributes:
        steps: number of steps since the last reduction.
        bias: columns of the first layer's bias in `now`; empty if there is none.
        outputs: C, of the network; 0 before any step was reduced.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        first_bias: int | None,
        reduction: Literal["mean", "sum"] = "mean",
        processes: WatchedProcesses | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.reduction = reduction
        self.processes = processes
        self.steps = 0
        self.outputs = 0
        self.bias = slice(0, 0)
        self._lengths = [value.numel() for value in self.parameters]
        self._bias_position = first_bias
        if first_bias is not None:
            start = sum(self._lengths[:first_bias])
            self.bias = slice(start, start + self._lengths[first_bias])
        self._size = min(BLOCK_STEPS, max(1, BLOCK_NUMBERS // sum(self._lengths)))  # steps whose numbers are kept
        self._normed = 0  # steps since the last reduction whose norms were taken
        self._derivatives: list[Tensor | DerivativeSums] = []
        self._inverse_scales: list[Tensor] = []
        self._allocate()

    def _allocate(self) -> None:
        like = self.parameters[0]
        dtype = torch.promote_types(like.dtype, torch.float32)  # half precision is too coarse for norms
        width = sum(self._lengths)
        self._rows = torch.zeros(self._size + 1, width, dtype=dtype, device=like.device)
        self._gradients = self._rows.new_zeros(self._size, width if self._size > 1 else 0)
        bias_size = self.bias.stop - self.bias.start
        self._gradient_norms, self._update_norms = self._rows.new_zeros(2, BLOCK_STEPS)
        self._bias_gradients = self._rows.new_zeros(BLOCK_STEPS, bias_size)
        self._biases = self._rows.new_zeros(BLOCK_STEPS + 1, bias_size, dtype=torch.float64)
        self._losses = self._rows.new_zeros(BLOCK_STEPS)
        # Views made once: an index per step would cost as much as what is written there.
        self._row_views = [self.named(row) for row in self._rows]
        self._gradient_views = [self.named(row) for row in self._gradients] if self._size > 1 else []
        self._loss_places = self._losses.unbind()
        with torch.no_grad():
            torch._foreach_copy_(self._row_views[0], self.parameters)
        self._biases[0] = self._rows[0, self.bias]

    @property
    def full(self) -> bool:
        """True if the steps have to be reduced before the next one."""
        return self.steps == BLOCK_STEPS

    @property
    def now(self) -> Tensor:
        """The parameters `(1, P)` after the last step that was reduced."""
        return self._rows[:1]

    def named(self, row: Tensor) -> list[Tensor]:
        """Return the parameters in a row `(P,)`, in order; they share its memory."""
        parts = row.split(self._lengths)
        return [part.view(value.shape) for part, value in zip(parts, self.parameters, strict=True)]

    # ---- what every step does

    def read_gradients(self, gradients: list[Any]) -> None:
        """Keep the gradients of the coming step; those that were kept for it before are forgotten."""
        first = gradients[0]
        if first is not None and first.requires_grad:  # `loss.backward(create_graph=True)`
            gradients = [None if value is None else value.detach() for value in gradients]
        if not self._gradient_views:
            self._read_norms(gradients)
            return
        places = self._gradient_views[self.steps - self._normed]
        try:
            torch._foreach_copy_(places, gradients)
        except (TypeError, RuntimeError):  # some are missing or sparse
            for place, value in zip(places, gradients, strict=True):
                place.copy_(torch.zeros_like(place) if value is None else _dense(value))

    def _read_norms(self, gradients: list[Tensor | None]) -> None:
        """Keep norms only: of a large network, a norm right away is cheaper than a copy."""
        given = [_dense(value).to(self._rows.dtype) for value in gradients if value is not None]
        self._gradient_norms[self.steps] = torch.nn.utils.get_total_norm(given)
        if self._bias_position is not None:
            bias = gradients[self._bias_position]
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
        with torch.no_grad():
            torch._foreach_copy_(self._row_views[self.steps - self._normed + 1], self.parameters)
            if isinstance(loss, Tensor):
                self._loss_places[self.steps].copy_(loss, non_blocking=True)
            else:
                self._loss_places[self.steps].fill_(loss)
        self._derivatives.append(derivatives)
        if inverse_scale is not None:
            self._inverse_scales.append(inverse_scale)
        self.steps += 1
        if self.steps - self._normed == self._size:
            self._take_norms()

    def _take_norms(self) -> None:
        """Take the norms of the gradients and updates that are kept, and make room for others."""
        count = self.steps - self._normed
        if not count:
            return
        done = slice(self._normed, self.steps)
        updates = None
        if self._gradient_views:
            updates = self._gradients[:count]  # no longer needed then: their memory is at hand, and in the cache
            torch.linalg.vector_norm(updates, dim=1, out=self._gradient_norms[done])
            self._bias_gradients[done] = updates[:, self.bias]
        updates = torch.sub(self._rows[:count], self._rows[1 : count + 1], out=updates)
        torch.linalg.vector_norm(updates, dim=1, out=self._update_norms[done])
        self._biases[self._normed + 1 : self.steps + 1] = self._rows[1 : count + 1, self.bias]
        self._rows[0].copy_(self._rows[count])
        if count < self._size:
            self._gradients[0].copy_(self._gradients[count])  # one may have been read for the coming step
        self._normed = self.steps

    def moved(self) -> Tensor:
        """Return a truth value: the parameters are others than after the last step. It waits for no GPU."""
        places = self._row_views[self.steps - self._normed]
        are_equal = []
        for value, place in zip(self.parameters, places, strict=True):
            now = value.detach().to(place.dtype)
            are_equal.append(torch.isclose(now, place, rtol=0, atol=0, equal_nan=True).all())
        return ~torch.stack(are_equal).all()

    # ---- what some steps do together

    def reduce(self, counts: Sequence[int]) -> list[ReducedSteps]:
        """Return the statistics of the steps since the last reduction, in parts of so many steps each."""
        self._take_norms()
        biases = self._biases[: self.steps + 1]
        updates = biases[:-1] - biases[1:]
        columns = self._columns(updates).split(counts, 1)
        biases_of_parts = biases[1:].split(counts)
        updates_of_parts = updates.split(counts)
        parts = []
        for part in zip(columns, biases_of_parts, updates_of_parts, strict=True):
            parts.append(_reduced(*part))
        self._start_again()
        return parts

    def _columns(self, bias_updates: Tensor) -> Tensor:
        """Return the numbers of all steps `(9, steps, 1)` in the order of `PER_STEP`, in float64."""
        loss = self._losses[: self.steps]
        gradient = self._gradient_norms[: self.steps]
        update = self._update_norms[: self.steps]
        bias_gradient = torch.linalg.vector_norm(self._bias_gradients[: self.steps], dim=1)
        sums = sums_of_steps(self._derivatives)
        self.outputs = sums.vector.shape[1]
        if self._inverse_scales:
            scales = torch.stack(self._inverse_scales).to(gradient)
            gradient = gradient * scales
            bias_gradient = bias_gradient * scales
            sums = sums.scaled(scales)
        if self.processes is not None:
            loss, sums = self.processes.together(loss, sums)
        if self.reduction == "sum":
            gradient = gradient / sums.count
            bias_gradient = bias_gradient / sums.count
            loss = loss / sums.count
        columns = [loss, *sums.statistics(self.reduction), gradient, update, bias_gradient]
        numbers = bias_updates.new_zeros(len(PER_STEP), self.steps)
        numbers[: len(columns)] = torch.stack(columns)
        numbers[-2] = torch.linalg.vector_norm(bias_updates, dim=1)
        numbers[-1, 1:] = (bias_updates[1:] * bias_updates[:-1]).sum(1)
        return numbers.unsqueeze(2)

    def _start_again(self) -> None:
        """Begin with the parameters of the last step, and with gradients that were read for the coming one."""
        self._biases[0] = self._biases[self.steps]
        if self._size == 1 and not self.full:
            self._gradient_norms[0] = self._gradient_norms[self.steps]
            self._bias_gradients[0] = self._bias_gradients[self.steps]
        self._normed = 0
        self._derivatives.clear()
        self._inverse_scales.clear()
        self.steps = 0


def _reduced(columns: Tensor, biases: Tensor, bias_updates: Tensor) -> ReducedSteps:
    """Return the statistics of some steps of one epoch.

    Args:
        columns: `(9, steps, 1)`, in the order of `PER_STEP`.
        biases: `(steps, d)`, after each step.
        bias_updates: `(steps, d)`.
    """
    columns[-1, 0] = 0  # `Dynamics` adds the product with the step before, of another part
    mean = biases.mean(0, keepdim=True)
    return ReducedSteps(
        **dict(zip(PER_STEP, columns.unbind(), strict=True)),
        bias_mean=mean,
        bias_deviation=(biases - mean).square().sum().unsqueeze(0),
        bias_first=bias_updates[:1],
        bias_last=bias_updates[-1:],
        count=len(biases),
    )


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient
