"""Optimizers of a stack: one update of K networks, with learning rate, momentum and weight decay of each."""

from collections.abc import Mapping

import torch
from torch import Tensor

from benevolent.trainables.config.optimization import OptimizerConfig
from benevolent.trainables.config.run import RunConfig

#: Numbers whose squares are summed first, for a norm that steers training: torch sums a long row by as many threads as
#: there are, but only where it is alone, so that a run would differ from itself in a stack.
BLOCK = 1024


class Sgd:
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`: `v = mu v + g`, `theta = theta - alpha v`.

    Args:
        configs: of the K runs.
        like: a tensor of the dtype and device of the parameters.
        epoch: number of epochs that have passed in the phase.
    """

    slots: tuple[str, ...] = ("velocity",)

    def __init__(self, configs: list[RunConfig], like: Tensor, epoch: int = 0) -> None:
        def column(values: list[float]) -> Tensor | None:
            return torch.tensor(values, dtype=like.dtype).to(like.device).unsqueeze(1) if any(values) else None

        optimizers = [config.optimizer for config in configs]
        rates = [learning_rate(given, epoch) for given in optimizers]
        self.learning_rate = torch.tensor(rates, dtype=like.dtype).to(like.device).unsqueeze(1)
        self.momentum = column([given.momentum for given in optimizers])
        self.weight_decay = column([given.weight_decay for given in optimizers])
        clips = [given.clip for given in optimizers]
        self.clip = column([torch.inf if clip is None else clip for clip in clips]) if any(clips) else None

    def slope(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """Return the gradient, clipped and with weight decay: `min(1, c / ||g||) g + lambda theta`."""
        if self.clip is not None:  # as `torch.nn.utils.clip_grad_norm_` does it
            factors = (self.clip / (norms(gradient) + 1e-6)).clamp(max=1)
            gradient = gradient * factors.to(gradient.dtype)
        return gradient if self.weight_decay is None else gradient + self.weight_decay * parameters

    def direction(self, gradient: Tensor, memory: Mapping[str, Tensor], steps: int | Tensor) -> Tensor:
        """Return the update without its sign and the learning rate.

        Args:
            gradient: `(K, P)`, of the loss, with weight decay.
            memory: the optimizer's own, `slot -> (K, P)`, zero at first, changed in place.
            steps: number of steps before this one.
        """
        if self.momentum is None:
            return gradient
        return torch.addcmul(gradient, memory["velocity"], self.momentum, out=memory["velocity"])


class Adam(Sgd):
    """Adam (Kingma and Ba 2015, algorithm 1) with betas 0.9 and 0.999 and epsilon 1e-8, as `torch.optim.Adam`."""

    slots = ("first", "second")

    def direction(self, gradient: Tensor, memory: Mapping[str, Tensor], steps: int | Tensor) -> Tensor:
        """As `Sgd.direction`."""
        first = memory["first"]
        second = memory["second"]
        first.lerp_(gradient, 1 - 0.9)
        second.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        denominator = second.div(1 - 0.999 ** (steps + 1)).sqrt_().add_(1e-8)
        return first / denominator.mul_(1 - 0.9 ** (steps + 1))


class LeastSquares(Sgd):
    """One step to the solution, which the stack computes (`trainables.stack.least_squares`)."""

    slots = ()

    def __init__(self, configs: list[RunConfig], like: Tensor, epoch: int = 0) -> None:
        super().__init__(configs, like, epoch)
        self.learning_rate = torch.ones_like(self.learning_rate)


OPTIMIZERS: dict[str, type[Sgd]] = {"sgd": Sgd, "adam": Adam, "least_squares": LeastSquares}


def learning_rate(optimizer: OptimizerConfig, epoch: int) -> float:
    """Return the learning rate after `epoch` epochs of a phase.

    >>> [round(learning_rate(OptimizerConfig(lr=1.0, decay=0.5, decay_every=2), epoch), 3) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    >>> warm_up = OptimizerConfig(lr=1.0, schedule=[[0, 0.1], [3, 1]], between="linear")
    >>> [round(learning_rate(warm_up, epoch), 3) for epoch in range(5)]
    [0.1, 0.4, 0.7, 1.0, 1.0]
    """
    return optimizer.lr * optimizer.decay ** (epoch // optimizer.decay_every) * _factor(optimizer, epoch)


def _factor(optimizer: OptimizerConfig, epoch: int) -> float:
    """Return the factor of the schedule, which starts from 1 at epoch 0 unless it has a point there."""
    points = [(0.0, 1.0), *((at, factor) for at, factor in optimizer.schedule)]
    reached = max(index for index, (at, _) in enumerate(points) if at <= epoch)
    start, before = points[reached]
    if optimizer.between == "hold" or reached + 1 == len(points):
        return before
    end, after = points[reached + 1]
    part = (epoch - start) / (end - start)
    return before + part * (after - before) if optimizer.between == "linear" else before * (after / before) ** part


def norms(rows: Tensor) -> Tensor:
    """Return norms `(K, 1)` in float64 of rows `(K, P)`: sums of blocks, then of those, in one order for any K."""
    squares = torch.nn.functional.pad(rows.double().square(), (0, -rows.shape[1] % BLOCK))
    return squares.unflatten(1, (-1, BLOCK)).sum(2).sum(1, keepdim=True).sqrt()
