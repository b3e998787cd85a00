"""Of each run, what it was at the best of its checks: a snapshot, or where early stopping would have stopped."""

from collections.abc import Callable

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class BestCheckpoint:
    """Some rows of each of K runs, from the check with the lowest score; of equal ones the first.

    All state is in `state`, tensors with leading axis K: the `score`, infinite before the first check, and the rows.

    >>> best = BestCheckpoint(2)
    >>> for epoch, score in enumerate(([3.0, 1.0], [2.0, 1.0])):
    ...     best.record(torch.tensor(score), lambda index: {"epoch": torch.full((len(index),), epoch)})
    >>> best.state["score"].tolist(), best.state["epoch"].tolist()
    ([2.0, 1.0], [1, 0])
    """

    def __init__(self, runs: int, device: torch.device | str = "cpu") -> None:
        self.state: Tensors = {"score": torch.full((runs,), torch.inf, dtype=torch.float64, device=device)}

    @property
    def found(self) -> Tensor:
        """Which runs have had a check, `(K,)`."""
        return self.state["score"].isfinite()

    def record(self, scores: Tensor, rows: Callable[[Tensor], Tensors]) -> None:
        """Take in a check.

        Args:
            scores: `(K,)`; a run without a check now has NaN.
            rows: what to keep of the runs in an index, asked for those only that are better than before.
        """
        index = (scores.to(self.state["score"]) < self.state["score"]).nonzero().flatten()
        if not len(index):
            return
        for name, value in {"score": scores.to(self.state["score"])[index], **rows(index)}.items():
            if name not in self.state:
                self.state[name] = value.new_zeros(len(scores), *value.shape[1:])
            self.state[name][index] = value

    def keep(self, index: Tensor) -> None:
        """Drop every run that is not in `index`."""
        self.state = {name: value[index] for name, value in self.state.items()}
