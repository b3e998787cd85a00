"""Processes that train one network together, each on its own examples of every step."""

import datetime
from typing import Literal, Self, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.training.watched_derivatives import DerivativeSums

#: How long a process waits for the others to begin to watch, or to come to the same step.
LONGEST_WAIT = datetime.timedelta(minutes=5)


class WatchedProcesses:
    """The processes of `DistributedDataParallel`, which averages gradients, and so minimizes the mean of their losses.

    Raises:
        BadInput: not all of them watch.
    """

    def __init__(self) -> None:
        self._count = distributed.get_world_size()
        try:
            # A group of its own: the collectives of the loop stay in their order.
            self._group = cast(distributed.ProcessGroup, distributed.new_group(timeout=LONGEST_WAIT))
        except RuntimeError as error:
            raise BadInput(f"watch: every process has to watch ({one_line(error)})") from None

    @classmethod
    def of(cls, module: nn.Module, reduction: Literal["mean", "sum"]) -> Self | None:
        """Return the processes that train a module; None if this one trains it alone.

        Raises:
            BadInput: they do so in another way than by `DistributedDataParallel` and means of losses.
        """
        if not distributed.is_available() or not distributed.is_initialized():
            return None
        count = distributed.get_world_size()
        if count == 1:
            return None
        if not any(isinstance(part, DistributedDataParallel) for part in module.modules()):
            raise BadInput(
                f"watch: {type(module).__name__} in one of {count} processes; expected the DistributedDataParallel "
                "around it, or a module that one process trains"
            )
        if reduction == "sum":
            raise BadInput("reduction: 'sum', and DistributedDataParallel averages over processes; expected 'mean'")
        return cls()

    def together(self, losses: Tensor, sums: DerivativeSums) -> tuple[Tensor, DerivativeSums]:
        """Return losses `(S,)` and derivatives of steps whose examples are those of all processes."""
        own = sums.scaled(torch.full_like(losses, 1 / self._count))
        columns = [losses / self._count, own.count, own.norm, own.square]
        numbers = torch.cat([torch.stack(columns, 1), own.vector], 1).contiguous()
        distributed.all_reduce(numbers, group=self._group)
        loss, count, norm, square = numbers[:, :4].unbind(1)
        return loss, DerivativeSums(count, norm, square, numbers[:, 4:])

    def end(self) -> None:
        """Forget the other processes."""
        distributed.destroy_process_group(self._group)
