"""Order in which a run sees its training examples."""

import numpy as np

from benevolent.trainables.rng import generator


def training_order(seed: int, phase: str, epoch: int, examples: int) -> np.ndarray:
    """Return the permutation `(examples,)` of the training examples in one epoch of one phase of a run.

    Batch i of the epoch holds the examples at positions `i * batch_size` to `(i + 1) * batch_size - 1`.

    Args:
        seed: of the run.
        phase: name of the phase, such as `train`.
        epoch: number of the epoch within the phase, from 0.
        examples: size of the training split.

    >>> training_order(0, "train", 0, 5).tolist()
    [2, 4, 3, 1, 0]
    """
    return generator(seed, f"order/{phase}", epoch).permutation(examples)
