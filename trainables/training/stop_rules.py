"""Stop rules of all runs at one step: which are evaluated, and which of them stop."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benevolent.trainables.config.optimization import StopConfig
from benevolent.trainables.config.phase import Phase


@dataclass(frozen=True)
class StopCheck:
    """The stop rules of K runs at one step of a phase, each `(K,)`.

    A run is checked where its own rule says, even if its loss is evaluated for the records or for another run. So it
    stops at the same step whatever other runs are in the cohort.

    Attributes:
        at_limit: runs that have no epochs or steps left.
        scheduled: runs whose rule is applied now.
        needs_loss: True for runs among them whose rule depends on the training loss or error.
        snapshot_loss: `stop.snapshot_loss` in float64, NaN where there is none.
    """

    at_limit: Tensor
    scheduled: Tensor
    needs_loss: Tensor
    snapshot_loss: Tensor

    @classmethod
    def of(
        cls, phases: Sequence[Phase], stop: StopConfig, epoch: int | float, step: int, out_of_steps: bool
    ) -> "StopCheck":
        """Return the check at one step.

        Args:
            phases: the present phase of every run.
            stop: the part of the stop rule that the runs share.
            epoch: epochs made, an integer at the end of one.
            step: steps made.
            out_of_steps: True if the phase has no further step.
        """
        at_limit = torch.tensor([epoch >= phase.max_epochs or out_of_steps for phase in phases])
        has_target = torch.tensor([phase.has_target for phase in phases])
        losses = [phase.snapshot_loss or torch.nan for phase in phases]
        snapshot_loss = torch.tensor(losses, dtype=torch.float64)
        scheduled = at_limit | stop.is_due(epoch, step)
        needs_loss = scheduled & (at_limit | has_target | snapshot_loss.isfinite())
        return cls(at_limit, scheduled, needs_loss, snapshot_loss)

    @property
    def all_at_limit(self) -> bool:
        """True if no run has epochs or steps left."""
        return bool(self.at_limit.all())

    def snapshot_distances(self, losses: Tensor) -> Tensor:
        """Return how far training losses `(K,)` are from `stop.snapshot_loss`; NaN for runs that are not checked."""
        return (losses - self.snapshot_loss).abs().where(self.needs_loss, torch.nan)


def reached_targets(phases: Sequence[Phase], train: dict[str, Tensor]) -> Tensor:
    """Return which runs `(K,)` meet the targets of their phase with these training outcomes, each `(K,)`."""
    on_cpu = {name: train[name].cpu() for name in ("loss", "error")}
    rows_of: dict[Phase, list[int]] = {}
    for row, phase in enumerate(phases):
        rows_of.setdefault(phase, []).append(row)
    reached = torch.zeros(len(phases), dtype=torch.bool)
    for phase, rows in rows_of.items():
        reached[rows] = phase.reached({name: value[rows] for name, value in on_cpu.items()})
    return reached
