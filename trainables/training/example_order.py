"""Order in which runs see their training examples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.rng import RandomStream, StackGenerator


def training_order(seed: int, phase: str, epoch: int, examples: int) -> np.ndarray[Any, Any]:
    """Return the permutation `(examples,)` of the training examples in one epoch of one phase of a run.

    Batch i of the epoch holds the examples at positions `i * batch_size` to `(i + 1) * batch_size - 1`.

    Args:
        seed: of the run.
        phase: name of the phase, such as `train`.
        epoch: number of the epoch within the phase, from 0.
        examples: number of training examples that the run sees.

    >>> training_order(0, "train", 0, 5).tolist()
    [2, 3, 4, 1, 0]
    """
    return RandomStream(seed, _stream(phase), epoch).permutation(examples)


def training_orders(
    seeds: Sequence[int], phase: str, epoch: int, examples: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Return `training_order` of K runs, `(K, examples)`, drawn on the device where it is needed.

    >>> orders = training_orders([0, 3, 0], "train", 0, 5)
    >>> torch.equal(orders[0], orders[2]), orders[1].tolist() == training_order(3, "train", 0, 5).tolist()
    (True, True)
    """
    distinct = list(dict.fromkeys(seeds))
    orders = StackGenerator(distinct, _stream(phase), epoch, device).permutations(examples)
    if len(distinct) == len(seeds):
        return orders
    place = {seed: position for position, seed in enumerate(distinct)}
    index = torch.tensor([place[seed] for seed in seeds], device=orders.device)
    return orders[index]


def _stream(phase: str) -> str:
    return f"order/{phase}"
