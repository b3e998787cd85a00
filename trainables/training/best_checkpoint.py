"""State of each run at the best of its checks: a snapshot, or where early stopping would have stopped."""

from collections.abc import Callable

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class BestCheckpoint:
    """Some tensors of each of K runs, from the check with the lowest score; of equal ones the first.

    All state is in `state`, tensors with leading axis K: the `score`, infinite before the first check, and what
    `record` was given.

    >>> best = BestCheckpoint(2)
    >>> for epoch, score in enumerate(([3.0, 1.0], [2.0, 1.0])):
    ...     best.record(torch.tensor(score), lambda index: {"epoch": torch.full((len(index),), epoch)})
    >>> best.state["score"].tolist(), best.state["epoch"].tolist()
    ([2.0, 1.0], [1, 0])
    """

    def __init__(self, runs: int, device: torch.device | str = "cpu") -> None:
        self.state: Tensors = {"score": torch.full((runs,), torch.inf, dtype=torch.float64, device=device)}

    @property
    def has_check(self) -> Tensor:
        """Mask `(K,)` of the runs that have had a check."""
        return self.state["score"].isfinite()

    def record(self, scores: Tensor, rows: Callable[[Tensor], Tensors]) -> None:
        """Take a check into account.

        Args:
            scores: `(K,)`; NaN for a run without a check now.
            rows: returns what to keep of the runs in an index; called only for those that are better than before.
        """
        new = scores.to(self.state["score"])
        index = (new < self.state["score"]).nonzero().flatten()
        if not len(index):
            return
        for name, value in {"score": new[index], **rows(index)}.items():
            if name not in self.state:
                self.state[name] = value.new_zeros(len(scores), *value.shape[1:])
            self.state[name][index] = value

    def keep(self, index: Tensor) -> None:
        """Drop every run that is not in `index`."""
        self.state = {name: value[index] for name, value in self.state.items()}
