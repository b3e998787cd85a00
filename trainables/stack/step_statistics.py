"""Statistics of every training step, with as few operations per step as possible.

Losses, derivatives and first-layer biases are gathered for a block of steps and then reduced; the biases by the
recurrence of Welford 1962 for blocks (Chan, Golub and LeVeque 1983): memory is O(parameters) whatever the number of
steps.
"""

import torch
from torch import Tensor

from benevolent.trainables.optimization.losses import Out

#: Steps whose biases are kept before they are reduced: a fixed number, so that no other run changes their order.
BIAS_STEPS = 32
#: Largest block of losses and derivatives, in numbers, so that it stays in the processor's cache.
BLOCK_NUMBERS = 2**17
#: The same on other devices, where each reduction costs its launch.
DEVICE_BLOCK_NUMBERS = 2**24

#: What has one number per step and run (the order matters where these are rows of one tensor), and what has one row per
#: run.
PER_STEP = (
    "loss",
    "derivative",
    "noise",
    "signal",
    "gradient",
    "update",
    "bias_gradient",
    "bias_update",
    "bias_product",
)
PER_RUN = ("bias_mean", "bias_deviation", "bias_first", "bias_last")


class StepStatistics:
    """Some consecutive steps of one epoch of K runs.

    Args:
        batches: number of examples in each step.
        outputs: C, of the network.
        parameters: `(K, P)`, the tensor that the optimizer changes in place.
        gradient_rows: `(K, P)`, the tensor that holds the gradient of every step.
        first_bias: columns of the first layer's bias in both; empty if there is none.

    Attributes:
        loss: `(steps, K)`, mean loss of the batch.
        derivative: mean over the batch of ||d loss / d logits||.
        noise, signal: tr Cov(d) and ||E d||^2 of single examples, d = d loss / d logits, see `noise_and_signal`; 0 for
            a batch of one example.
        gradient: norm of the batch's gradient.
        update: norm of the update.
        bias_gradient, bias_update: the same of the first layer's bias.
        bias_product: in float64, of its update with the one of the step before; of the first step here 0.
        bias_first, bias_last: `(K, d)` in float64, the first of its updates and the last.
        bias_mean, bias_deviation: `(K, d)` and `(K,)` in float64: mean and summed squared deviation of the bias.
    """

    def __init__(
        self,
        batches: list[int],
        outputs: int,
        parameters: Tensor,
        gradient_rows: Tensor,
        first_bias: slice,
    ) -> None:
        runs, steps, examples = len(parameters), len(batches), batches[0]
        self.examples = examples
        self.columns = first_bias
        self.observe(parameters, gradient_rows)
        self.step = 0  # steps recorded
        self.reduced = 0  # steps whose losses are reduced
        self.count = 0  # steps whose biases are reduced
        self.update_is_gradient = False
        self._allocate(runs, steps, examples, outputs)

    def observe(self, parameters: Tensor, gradient_rows: Tensor) -> None:
        """Read parameters and gradients of the coming steps, each `(K, P)`, from these tensors."""
        self.gradient_rows = gradient_rows
        self.bias_gradient_now = gradient_rows[:, self.columns]
        self.bias_now = parameters[:, self.columns]

    def _allocate(self, runs: int, steps: int, examples: int, outputs: int) -> None:
        like, size = self.gradient_rows, self.bias_now.shape[1]
        norms = like.new_zeros(8, steps, runs)
        self.loss, self.derivative, self.noise, self.signal, *rest = norms
        self.gradient, self.update, self.bias_gradient, self.bias_update = rest
        self.bias_product = torch.zeros_like(self.loss, dtype=torch.float64)
        self.bias_mean = torch.zeros_like(self.bias_now, dtype=torch.float64)
        self.bias_first = torch.zeros_like(self.bias_mean)
        self.bias_last = torch.zeros_like(self.bias_mean)
        self.bias_deviation = self.bias_mean.new_zeros(runs)
        most = BLOCK_NUMBERS if like.device.type == "cpu" else DEVICE_BLOCK_NUMBERS
        block = min(steps, max(1, most // (runs * examples * outputs)))
        self.losses = like.new_zeros(block, runs, examples)
        self.derivatives = like.new_zeros(block, runs, examples, outputs)
        self.bias_block = like.new_zeros(min(steps, BIAS_STEPS) if size else 0, 3, runs, size)
        # Views made once: an index per step would cost as much as what is written there.
        self.outs = list(zip(self.losses.unbind(), self.derivatives.unbind(), strict=True))
        self.norm_slots = list(zip(self.gradient.unbind(), self.update.unbind(), strict=True))
        self.bias_slots = [slot.unbind() for slot in self.bias_block.unbind()]

    def out(self, examples: int) -> Out:
        """Return where to write the losses `(K, B)` of the coming step of B examples, and derivatives `(K, B, C)`."""
        losses, derivatives = self.outs[self.step - self.reduced]
        if examples == self.examples:
            return losses, derivatives
        runs, outputs = len(losses), derivatives.shape[2]
        return losses.new_zeros(runs, examples), derivatives.new_zeros(runs, examples, outputs)

    def record(self, out: Out, update: Tensor) -> None:
        """Record one step, after it was made.

        Args:
            out: as `out` gave it, filled.
            update: `(K, P)`, but for its sign and a factor per run, see `close`.
        """
        gradient_norm, update_norm = self.norm_slots[self.step]
        torch.linalg.vector_norm(self.gradient_rows, dim=1, out=gradient_norm)
        self.update_is_gradient = update is self.gradient_rows
        if not self.update_is_gradient:
            torch.linalg.vector_norm(update, dim=1, out=update_norm)
        if self.bias_slots:
            slots = self.bias_slots[self.step % len(self.bias_slots)]
            bias_update = self.bias_gradient_now if self.update_is_gradient else update[:, self.columns]
            torch._foreach_copy_(slots, (self.bias_now, self.bias_gradient_now, bias_update))
        if out[0].shape[1] != self.examples:  # a shorter batch, the last of an epoch
            self._reduce_losses()
            self._store_losses(1, out[0].unsqueeze(0), out[1].unsqueeze(0))
        self.step += 1
        if self.step - self.reduced == len(self.outs):
            self._reduce_losses()
        if self.bias_slots and self.step % len(self.bias_slots) == 0:
            self._reduce_biases(len(self.bias_slots))

    @property
    def full(self) -> bool:
        """True if all steps are recorded."""
        return self.step == len(self.loss)

    def close(self, update_scale: Tensor) -> "StepStatistics":
        """Reduce what is left, scale updates, and leave out the steps that were not made.

        Args:
            update_scale: `(K,)`, the learning rate.
        """
        self._reduce_losses()
        if self.bias_slots:
            self._reduce_biases(self.step % len(self.bias_slots))
        self.update = (self.gradient if self.update_is_gradient else self.update) * update_scale
        self.bias_update *= update_scale
        scale = update_scale.double()
        self.bias_product *= scale.square()
        self.bias_first *= scale.unsqueeze(1)
        self.bias_last *= scale.unsqueeze(1)
        if not self.full:
            for name in PER_STEP:
                setattr(self, name, getattr(self, name)[: self.step])
        return self

    def state(self) -> dict[str, Tensor]:
        """Return all that `load` needs to go on recording in another process, to the same bits."""
        self._reduce_losses()
        tensors = {name: getattr(self, name) for name in (*PER_STEP, *PER_RUN, "bias_block")}
        tensors["progress"] = torch.tensor([self.step, self.count, self.update_is_gradient])
        return tensors

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave, for the same steps."""
        for name in (*PER_STEP, *PER_RUN, "bias_block"):
            getattr(self, name).copy_(tensors[name])
        self.step, self.count, update_is_gradient = tensors["progress"].tolist()
        self.reduced = self.step
        self.update_is_gradient = bool(update_is_gradient)

    @classmethod
    def join(cls, parts: "list[StepStatistics]") -> "StepStatistics":
        """Return the statistics of a stack from those of its slices, all closed."""
        if len(parts) == 1:
            return parts[0]
        whole = object.__new__(cls)
        for name in ("step", "count"):
            setattr(whole, name, getattr(parts[0], name))
        for name in PER_STEP:
            setattr(whole, name, torch.cat([getattr(part, name) for part in parts], 1))
        for name in PER_RUN:
            setattr(whole, name, torch.cat([getattr(part, name) for part in parts]))
        return whole

    def _reduce_losses(self) -> None:
        """Reduce the steps of the block."""
        if steps := self.step - self.reduced:
            self._store_losses(steps, self.losses[:steps], self.derivatives[:steps])

    def _store_losses(self, steps: int, losses: Tensor, derivatives: Tensor) -> None:
        done = slice(self.reduced, self.reduced + steps)
        self.loss[done] = losses.mean(2)
        norms = torch.linalg.vector_norm(derivatives, dim=3)
        self.derivative[done] = norms.mean(2)
        if derivatives.shape[2] > 1:
            self.noise[done], self.signal[done] = noise_and_signal(norms, derivatives)
        self.reduced += steps

    def _reduce_biases(self, steps: int) -> None:
        """Reduce the first `steps` slots of the block."""
        if not steps:
            return
        bias, gradient, update = self.bias_block[:steps].unbind(1)
        done = slice(self.step - steps, self.step)
        self.bias_gradient[done] = torch.linalg.vector_norm(gradient, dim=2)
        self.bias_update[done] = torch.linalg.vector_norm(update, dim=2)
        self._add_products(update.double(), done)
        values = bias.double()
        total = self.count + steps
        mean = values.mean(0)
        shift = mean - self.bias_mean
        self.bias_deviation += over_steps((values - mean).square().sum(2)).sum(1)
        self.bias_deviation += shift.square().sum(1) * (self.count * steps / total)
        self.bias_mean += shift * (steps / total)
        self.count = total

    def _add_products(self, updates: Tensor, done: slice) -> None:
        """Add the products of the bias's updates `(steps, K, d)` with the ones before them."""
        if done.start:
            self.bias_product[done.start] = (updates[0] * self.bias_last).sum(1)
        else:
            self.bias_first.copy_(updates[0])
        self.bias_product[done.start + 1 : done.stop] = (updates[1:] * updates[:-1]).sum(2)
        self.bias_last.copy_(updates[-1])


def over_steps(values: Tensor) -> Tensor:
    """Return numbers `(steps, K)` as rows `(K, steps)` in float64, so that sums over them have one order for any K."""
    return values.double().t().contiguous()


def noise_and_signal(norms: Tensor, derivatives: Tensor) -> tuple[Tensor, Tensor]:
    """Estimate tr Cov(d) and ||E d||^2 of the derivative d of single examples from batches of B of them.

    These are the two-batch-size estimators of McCandlish et al. 2018 (appendix A.1) with the sizes 1 and B in one
    batch: `||E d||^2 = (B ||mean d||^2 - mean ||d||^2) / (B - 1)`, and `tr Cov(d)` is what is left of `mean ||d||^2`.
    Both are unbiased for examples drawn independently, at the parameters of the step, so that their sums over many
    steps may be divided. (Gradients of different steps tell less: a step lowers the next gradients along itself, so
    that the mean over an epoch is nearly 0 even where no single expected gradient is.)

    Args:
        norms: `(steps, K, B)`, of the derivatives.
        derivatives: `(steps, K, B, C)`; B is at least 2.

    Returns:
        tr Cov(d) and ||E d||^2, each `(steps, K)`.

    >>> d = torch.tensor([[[[1.0], [3.0]]]])
    >>> noise_and_signal(d.squeeze(3), d)
    (tensor([[2.]]), tensor([[3.]]))
    """
    size = derivatives.shape[2]
    mean_square = norms.square().mean(2)
    square_of_mean = derivatives.mean(2).square().sum(2)
    signal = (size * square_of_mean - mean_square) / (size - 1)
    return mean_square - signal, signal
