"""Optimisers of a stack: one update of K networks, with learning rate, momentum and weight decay of each."""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainables.config import RunConfig


class Sgd:
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`: `v = mu v + g`, `theta = theta - alpha v`.

    Args:
        configs: of the K runs.
        like: a tensor of the dtype and device of the parameters.
    """

    slots: tuple[str, ...] = ("velocity",)

    def __init__(self, configs: list[RunConfig], like: Tensor) -> None:
        def column(name: str) -> Tensor:
            values = [getattr(config.optimizer, name) for config in configs]
            return torch.tensor(values, dtype=like.dtype).to(like.device).unsqueeze(1)

        self.learning_rate, self.momentum = column("lr"), column("momentum")
        self.weight_decay = column("weight_decay") if any(c.optimizer.weight_decay for c in configs) else None
        #: `(K,)`: what `step` returns times this is the update.
        self.update_scale = self.learning_rate.squeeze(1)

    def step(self, parameters: Tensor, gradient: Tensor, memory: Mapping[str, Tensor], steps: int) -> Tensor:
        """Move the parameters in place.

        Args:
            parameters: `(K, P)`.
            gradient: `(K, P)`, of the loss.
            memory: the optimiser's own, `slot -> (K, P)`, zero at first, changed in place.
            steps: how many steps were made before this one.

        Returns:
            the update `(K, P)` but for its sign and `update_scale`.
        """
        gradient = self._decayed(gradient, parameters)
        velocity = torch.addcmul(gradient, memory["velocity"], self.momentum, out=memory["velocity"])
        parameters.addcmul_(velocity, -self.learning_rate)
        return velocity

    def _decayed(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        return gradient if self.weight_decay is None else gradient + self.weight_decay * parameters


class Adam(Sgd):
    """Adam (Kingma and Ba 2015, algorithm 1) with betas 0.9 and 0.999 and epsilon 1e-8, as `torch.optim.Adam`."""

    slots = ("first", "second")

    def step(self, parameters: Tensor, gradient: Tensor, memory: Mapping[str, Tensor], steps: int) -> Tensor:
        """As `Sgd.step`."""
        gradient, first, second = self._decayed(gradient, parameters), memory["first"], memory["second"]
        first.lerp_(gradient, 1 - 0.9)
        second.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        denominator = second.div(1 - 0.999 ** (steps + 1)).sqrt_().add_(1e-8)
        update = first / denominator.mul_(1 - 0.9 ** (steps + 1))
        parameters.addcmul_(update, -self.learning_rate)
        return update


OPTIMIZERS: dict[str, type[Sgd]] = {"sgd": Sgd, "adam": Adam}
