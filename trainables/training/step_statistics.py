"""What is noted at each training step, with as few operations a step as can be.

Losses, derivatives and first-layer biases are gathered for a block of steps and then reduced; the biases by the
recurrence of Welford 1962 for blocks (Chan, Golub and LeVeque 1983): memory is O(parameters) whatever the number of
steps.
"""

import torch
from torch import Tensor

from benevolent.trainables.training.losses import Out

#: Steps whose biases are kept before they are reduced: a fixed number, so that the sums have one order in any company.
BIAS_STEPS = 32
#: Numbers of a block of losses and derivatives at most: it is to stay in the processor's cache.
BLOCK_NUMBERS = 2**17
#: Steps of an epoch, at most, whose gradients are added up for the gradient noise: all would take some percent longer.
NOISE_STEPS = 4


class StepStatistics:
    """One epoch of K runs.

    Args:
        batches: how many examples each step has.
        outputs: C, of the network.
        parameters: `(K, P)`, the tensor that the optimizer changes in place.
        gradient: `(K, P)`, the tensor that holds the gradient of every step.
        first_bias: which columns of both are the first layer's bias; empty if there is none.
        sampled: the steps whose gradients are added up, see `sampled_steps`.
        total: `(K, P)`, what they are added to.

    Attributes:
        loss: `(steps, K)`, mean loss of the batch.
        derivative: mean over the batch of ||d loss / d logits||.
        gradient: norm of the batch's gradient.
        update: norm of the update.
        bias_gradient, bias_update: the same of the first layer's bias.
        bias_product: in float64, of its update with the one of the step before; of the first step here 0.
        bias_first, bias_last: `(K, d)` in float64, the first of its updates and the last.
        bias_mean, bias_deviation: `(K, d)` and `(K,)` in float64: mean and summed squared deviation of the bias.
        squares: `(K,)` in float64, the sum of squared norms of the sampled gradients.
        samples: how many they are.
    """

    def __init__(
        self,
        batches: list[int],
        outputs: int,
        parameters: Tensor,
        gradient: Tensor,
        first_bias: slice,
        sampled: range = range(0),
        total: Tensor | None = None,
    ) -> None:
        runs, steps, examples = len(parameters), len(batches), batches[0]
        self.columns, self.examples = first_bias, examples
        self.slope, self.now, self.bias = gradient[:, first_bias], gradient, parameters[:, first_bias]
        self.loss, self.derivative, self.gradient, self.update, self.bias_gradient, self.bias_update = (
            parameters.new_zeros(6, steps, runs)
        )
        self.bias_product = torch.zeros_like(self.loss, dtype=torch.float64)
        block = min(steps, max(1, BLOCK_NUMBERS // (runs * examples * outputs)))
        self.losses = parameters.new_zeros(block, runs, examples)
        self.derivatives = parameters.new_zeros(block, runs, examples, outputs)
        size = self.bias.shape[1]
        self.block = parameters.new_zeros(min(steps, BIAS_STEPS) if size else 0, 3, runs, size)
        # Views made once: an index per step would cost as much as what is written there.
        self.outs = list(zip(self.losses.unbind(), self.derivatives.unbind(), strict=True))
        self.norms = list(zip(self.gradient.unbind(), self.update.unbind(), strict=True))
        self.slots = [slot.unbind() for slot in self.block.unbind()]
        self.sampled, self.total = sampled if total is not None else range(0), total
        self.step = self.taken = self.count = 0
        self.plain = False
        self.bias_mean = torch.zeros_like(self.bias, dtype=torch.float64)
        self.bias_deviation = self.bias_mean.new_zeros(runs)
        self.bias_first, self.bias_last = torch.zeros_like(self.bias_mean), torch.zeros_like(self.bias_mean)

    def out(self, examples: int) -> Out:
        """Where the losses `(K, B)` of the coming step of B examples, and their derivatives `(K, B, C)`, are to be."""
        losses, derivatives = self.outs[self.step - self.taken]
        if examples == self.examples:
            return losses, derivatives
        return losses.new_zeros(len(losses), examples), derivatives.new_zeros(
            len(losses), examples, derivatives.shape[2]
        )

    def record(self, out: Out, update: Tensor) -> None:
        """Note one step, after it was made.

        Args:
            out: as `out` gave it, filled.
            update: `(K, P)`, but for its sign and a factor per run, see `close`.
        """
        gradient_norm, update_norm = self.norms[self.step]
        torch.linalg.vector_norm(self.now, dim=1, out=gradient_norm)
        if self.total is not None and self.step in self.sampled:
            self.total += self.now
        self.plain = update is self.now
        if not self.plain:
            torch.linalg.vector_norm(update, dim=1, out=update_norm)
        if self.slots:
            bias, bias_gradient, bias_update = self.slots[self.step % len(self.slots)]
            bias.copy_(self.bias)
            bias_gradient.copy_(self.slope)
            bias_update.copy_(update[:, self.columns])
        if out[0].shape[1] != self.examples:  # a shorter batch, the last of an epoch
            self._reduce_losses()
            self._take_losses(1, out[0].unsqueeze(0), out[1].unsqueeze(0))
        self.step += 1
        if self.step - self.taken == len(self.outs):
            self._reduce_losses()
        if self.slots and self.step % len(self.slots) == 0:
            self._reduce_biases(len(self.slots))

    def close(self, update_scale: Tensor) -> "StepStatistics":
        """End the epoch; `update_scale` `(K,)` makes updates of what was noted."""
        self._reduce_losses()
        if self.slots:
            self._reduce_biases(self.step % len(self.slots))
        self.update = (self.gradient if self.plain else self.update) * update_scale
        self.bias_update *= update_scale
        scale = update_scale.double()
        self.bias_product *= scale.square()
        self.bias_first *= scale.unsqueeze(1)
        self.bias_last *= scale.unsqueeze(1)
        noted = [step for step in range(self.step) if step in self.sampled]
        self.samples, self.squares = len(noted), over_steps(self.gradient[noted]).square().sum(1)
        return self

    @classmethod
    def join(cls, parts: "list[StepStatistics]") -> "StepStatistics":
        """The trace of a stack from those of its slices."""
        whole = object.__new__(cls)
        for name in ("step", "count", "samples", "examples"):
            setattr(whole, name, getattr(parts[0], name))
        for name in ("loss", "derivative", "gradient", "update", "bias_gradient", "bias_update", "bias_product"):
            setattr(whole, name, torch.cat([getattr(part, name) for part in parts], 1))
        for name in ("bias_mean", "bias_deviation", "bias_first", "bias_last", "squares"):
            setattr(whole, name, torch.cat([getattr(part, name) for part in parts]))
        return whole

    def _reduce_losses(self) -> None:
        """Take in the steps of the block."""
        if steps := self.step - self.taken:
            self._take_losses(steps, self.losses[:steps], self.derivatives[:steps])

    def _take_losses(self, steps: int, losses: Tensor, derivatives: Tensor) -> None:
        done = slice(self.taken, self.taken + steps)
        self.loss[done] = losses.mean(2)
        self.derivative[done] = torch.linalg.vector_norm(derivatives, dim=3).mean(2)
        self.taken += steps

    def _reduce_biases(self, steps: int) -> None:
        """Take in the first `steps` slots of the block."""
        if not steps:
            return
        bias, gradient, update = self.block[:steps].unbind(1)
        done = slice(self.step - steps, self.step)
        self.bias_gradient[done] = torch.linalg.vector_norm(gradient, dim=2)
        self.bias_update[done] = torch.linalg.vector_norm(update, dim=2)
        self._add_products(update.double(), done)
        values, total = bias.double(), self.count + steps
        mean = values.mean(0)
        shift = mean - self.bias_mean
        self.bias_deviation += over_steps((values - mean).square().sum(2)).sum(1)
        self.bias_deviation += shift.square().sum(1) * (self.count * steps / total)
        self.bias_mean += shift * (steps / total)
        self.count = total

    def _add_products(self, updates: Tensor, done: slice) -> None:
        """Take in how the updates `(steps, K, d)` of the bias go on as the ones before them."""
        if done.start:
            self.bias_product[done.start] = (updates[0] * self.bias_last).sum(1)
        else:
            self.bias_first.copy_(updates[0])
        self.bias_product[done.start + 1 : done.stop] = (updates[1:] * updates[:-1]).sum(2)
        self.bias_last.copy_(updates[-1])


def over_steps(values: Tensor) -> Tensor:
    """Numbers `(steps, K)` as rows `(K, steps)` in float64, so that sums over them have one order for any K."""
    return values.double().t().contiguous()


def sampled_steps(examples: int, batch_size: int) -> range:
    """The steps of an epoch whose gradients tell of their noise: of whole batches, `NOISE_STEPS` or fewer.

    >>> list(sampled_steps(1000, 32))
    [0, 8, 16, 24]
    """
    whole = examples // batch_size
    return range(0, whole, -(-whole // NOISE_STEPS))
