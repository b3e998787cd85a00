"""Phases: the stretches of training that a run consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benevolent.trainables.config.data import Corruption
from benevolent.trainables.lazy_torch import Tensor, torch


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own labels, limits and targets.

    Attributes:
        name: `pretrain`, `train`, `prune1`, ..., or `reset`.
        label_corruption: fraction of corrupted training labels.
        corruption: kind of the corruption.
        max_epochs: the phase ends after so many epochs at the latest.
        max_steps: or after so many steps, if given.
        train_loss: target: the phase ends once the loss on the training split is this small.
        train_error: target for the fraction of wrong training examples; if both are given, both must be met.
        snapshot_loss: the run ends as it was when its training loss was nearest to this.
        solves: the phase has one step, which finds the solution; that is its target.
    """

    name: str
    label_corruption: float
    corruption: Corruption
    max_epochs: int
    max_steps: int | None = None
    train_loss: float | None = None
    train_error: float | None = None
    snapshot_loss: float | None = None
    solves: bool = False

    @property
    def has_target(self) -> bool:
        """Return True if the phase can end before its limit."""
        return self.solves or self.train_loss is not None or self.train_error is not None

    def reached(self, train: Mapping[str, Tensor]) -> Tensor:
        """Return `(K,)`, True for runs whose training outcomes are at every target; False if there is no target.

        Args:
            train: `loss` and `error` on the training split, each `(K,)`.
        """
        reached = torch.full_like(train["loss"], self.has_target, dtype=torch.bool)
        for name, target in (("loss", self.train_loss), ("error", self.train_error)):
            limit = torch.inf if target is None else target
            reached &= train[name] <= limit  # never for a loss that is not finite
        return reached
