"""Optimisers of a stack: one update of K networks, with learning rate, momentum and weight decay of each."""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.config import OptimizerConfig, RunConfig


class Sgd:
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`: `v = mu v + g`, `theta = theta - alpha v`.

    Args:
        configs: of the K runs.
        like: a tensor of the dtype and device of the parameters.
        epoch: how many epochs the phase has behind it.
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

    def decayed(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        """The gradient with weight decay, `g + lambda theta`."""
        return gradient if self.weight_decay is None else gradient + self.weight_decay * parameters

    def direction(self, gradient: Tensor, memory: Mapping[str, Tensor], steps: int) -> Tensor:
        """Where to go: the update, but for its sign and the learning rate.

        Args:
            gradient: `(K, P)`, of the loss, with weight decay.
            memory: the optimiser's own, `slot -> (K, P)`, zero at first, changed in place.
            steps: how many steps were made before this one.
        """
        if self.momentum is None:
            return gradient
        return torch.addcmul(gradient, memory["velocity"], self.momentum, out=memory["velocity"])


class Adam(Sgd):
    """Adam (Kingma and Ba 2015, algorithm 1) with betas 0.9 and 0.999 and epsilon 1e-8, as `torch.optim.Adam`."""

    slots = ("first", "second")

    def direction(self, gradient: Tensor, memory: Mapping[str, Tensor], steps: int) -> Tensor:
        """As `Sgd.direction`."""
        first, second = memory["first"], memory["second"]
        first.lerp_(gradient, 1 - 0.9)
        second.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        denominator = second.div(1 - 0.999 ** (steps + 1)).sqrt_().add_(1e-8)
        return first / denominator.mul_(1 - 0.9 ** (steps + 1))


class LeastSquares(Sgd):
    """The whole way to the solution in one step; the stack knows where that is (`trainables.least_squares`)."""

    slots = ()

    def __init__(self, configs: list[RunConfig], like: Tensor, epoch: int = 0) -> None:
        super().__init__(configs, like, epoch)
        self.learning_rate = torch.ones_like(self.learning_rate)


OPTIMIZERS: dict[str, type[Sgd]] = {"sgd": Sgd, "adam": Adam, "least_squares": LeastSquares}


def learning_rate(optimizer: OptimizerConfig, epoch: int) -> float:
    """The learning rate after `epoch` epochs of a phase.

    >>> [round(learning_rate(OptimizerConfig(lr=1.0, decay=0.5, decay_every=2), epoch), 3) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return optimizer.lr * optimizer.decay ** (epoch // optimizer.decay_every)
