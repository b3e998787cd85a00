"""What is noted at each training step, with as few operations a step as can be.

First-layer biases are gathered for a block of steps and then reduced, by the recurrence of Welford 1962 for blocks
(Chan, Golub and LeVeque 1983): memory is O(parameters) whatever the number of steps.
"""

import torch
from torch import Tensor

#: Steps whose biases are kept before they are reduced.
BLOCK_STEPS = 32


class Trace:
    """One epoch of K runs.

    Args:
        steps: of the epoch.
        parameters: `(K, P)`, the tensor that the optimiser changes in place.
        first_bias: which columns of it are the first layer's bias; empty if there is none.

    Attributes:
        loss: `(steps, K)`, mean loss of the batch.
        derivative: mean over the batch of ||d loss / d logits||.
        gradient: norm of the batch's gradient.
        update: norm of the update.
        bias_gradient, bias_update: the same of the first layer's bias.
        bias_mean, bias_deviation: `(K, d)` and `(K,)` in float64: mean and summed squared deviation of the bias.
    """

    def __init__(self, steps: int, parameters: Tensor, first_bias: slice) -> None:
        self.bias, self.columns = parameters[:, first_bias], first_bias
        runs, size = self.bias.shape
        self.loss, self.derivative, self.gradient, self.update, self.bias_gradient, self.bias_update = (
            parameters.new_zeros(6, steps, runs)
        )
        self.block = parameters.new_zeros(min(steps, BLOCK_STEPS) if size else 0, 3, runs, size)
        # Views made once: an index per step would cost as much as what is written there.
        noted = (self.loss, self.derivative, self.gradient, self.update)
        self.places = list(zip(*(values.unbind() for values in noted), strict=True))
        self.slots = [slot.unbind() for slot in self.block.unbind()]
        self.step = self.count = 0
        self.bias_mean = torch.zeros_like(self.bias, dtype=torch.float64)
        self.bias_deviation = self.bias_mean.new_zeros(runs)

    def note(self, losses: Tensor, derivatives: Tensor, gradient: Tensor, update: Tensor) -> None:
        """Note one step, after it was made.

        Args:
            losses: `(K, B)` of the batch.
            derivatives: `(K, B, C)` of the losses by the logits.
            gradient: `(K, P)` of the mean loss.
            update: `(K, P)`, but for its sign and a factor per run, see `close`.
        """
        loss, derivative, gradient_norm, update_norm = self.places[self.step]
        torch.mean(losses, 1, out=loss)
        torch.mean(torch.linalg.vector_norm(derivatives, dim=2), 1, out=derivative)
        torch.linalg.vector_norm(gradient, dim=1, out=gradient_norm)
        torch.linalg.vector_norm(update, dim=1, out=update_norm)
        self.step += 1
        if self.slots:
            bias, bias_gradient, bias_update = self.slots[(self.step - 1) % len(self.slots)]
            bias.copy_(self.bias)
            bias_gradient.copy_(gradient[:, self.columns])
            bias_update.copy_(update[:, self.columns])
            if self.step % len(self.slots) == 0:
                self._reduce(len(self.slots))

    def close(self, update_scale: Tensor) -> "Trace":
        """End the epoch; `update_scale` `(K,)` makes updates of what was noted."""
        if self.slots:
            self._reduce(self.step % len(self.slots))
        self.update *= update_scale
        self.bias_update *= update_scale
        return self

    @classmethod
    def join(cls, parts: "list[Trace]") -> "Trace":
        """The trace of a stack from those of its slices."""
        whole = object.__new__(cls)
        whole.step, whole.count = parts[0].step, parts[0].count
        for name in ("loss", "derivative", "gradient", "update", "bias_gradient", "bias_update"):
            setattr(whole, name, torch.cat([getattr(part, name) for part in parts], 1))
        for name in ("bias_mean", "bias_deviation"):
            setattr(whole, name, torch.cat([getattr(part, name) for part in parts]))
        return whole

    def _reduce(self, steps: int) -> None:
        """Take in the first `steps` slots of the block."""
        if not steps:
            return
        bias, gradient, update = self.block[:steps].unbind(1)
        done = slice(self.step - steps, self.step)
        self.bias_gradient[done] = torch.linalg.vector_norm(gradient, dim=2)
        self.bias_update[done] = torch.linalg.vector_norm(update, dim=2)
        values, total = bias.double(), self.count + steps
        mean = values.mean(0)
        shift = mean - self.bias_mean
        self.bias_deviation += over_steps((values - mean).square().sum(2)).sum(1)
        self.bias_deviation += shift.square().sum(1) * (self.count * steps / total)
        self.bias_mean += shift * (steps / total)
        self.count = total


def over_steps(values: Tensor) -> Tensor:
    """Numbers `(steps, K)` as rows `(K, steps)` in float64, so that sums over them have one order for any K."""
    return values.double().t().contiguous()
