"""Interventions on data: wrong labels, and inputs without the structure of images. All are drawn from a run's seed."""

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.config.data import Corruption, Pixels
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator


def corrupt(labels: Tensor, classes: int, fraction: float, method: Corruption, seed: int, stream: str) -> Tensor:
    """Labels of which a fraction is wrong at random (Zhang et al. 2017; Liao et al. 2018).

    Exactly `round(fraction * N)` labels are chosen; those of a smaller fraction are among those of a larger one.
    `redraw` draws each anew from all classes, `swap` moves each to one of the other classes.

    Args:
        labels: `(N,)` integers.
        classes: how many classes there are; 0 for real targets, which can only stay as they are.
        fraction: in [0, 1].
        method: `redraw` or `swap`.
        seed: the run's seed.
        stream: tells the corruption of one phase or split from that of another.

    Returns:
        New labels `(N,)`.

    Raises:
        BadInput: real targets are to be corrupted.

    >>> int((corrupt(torch.zeros(100, dtype=torch.long), 10, 0.3, "swap", 0, "data") != 0).sum())
    30
    """
    if not fraction:
        return labels
    if not classes:
        raise BadInput(f"label_corruption = {fraction}: these targets are no classes")
    draw = generator(seed, f"corruption/{stream}")
    chosen = chosen_first(draw, len(labels), fraction)
    shift = draw.integers(1, classes, len(labels)) if method == "swap" else draw.integers(0, classes, len(labels))
    old = labels.cpu().numpy()
    new = np.where(chosen, (old + shift) % classes, old)
    return torch.from_numpy(new).to(labels.device)


def chosen_first(draw: np.random.Generator, count: int, fraction: float) -> np.ndarray:
    """Which of `count` examples are the first `round(fraction * count)` of a random order, as booleans."""
    chosen = np.zeros(count, dtype=bool)
    chosen[draw.permutation(count)[: round(fraction * count)]] = True
    return chosen


def replace_pixels(inputs: Tensor, method: Pixels, fraction: float, seed: int, stream: str) -> Tensor:
    """Inputs of which a fraction is replaced (Zhang et al. 2017, section 2.1; Arpit et al. 2017, randX).

    Exactly `round(fraction * N)` inputs are chosen; those of a smaller fraction are among those of a larger one.

    - `permuted`: one permutation of the positions, the same for every image and every split.
    - `shuffled`: a permutation for each image.
    - `gaussian`: independent normal values of the mean and the deviation of each channel over these inputs.

    The channels of a position move together.

    Args:
        inputs: `(N, channels, height, width)`; floats for `gaussian`.
        method: which.
        fraction: in [0, 1].
        seed: the run's seed.
        stream: tells the splits apart.

    Returns:
        New inputs of the same shape.
    """
    if method == "none" or not fraction:
        return inputs
    draw = generator(seed, f"pixels/{stream}")
    chosen = torch.from_numpy(chosen_first(draw, len(inputs), fraction)).view(-1, 1, 1, 1).to(inputs.device)
    if method == "gaussian":
        noise = torch.from_numpy(draw.standard_normal(inputs.shape, dtype=np.float32)).to(inputs.device, inputs.dtype)
        mean, deviation = inputs.mean((0, 2, 3), keepdim=True), inputs.std((0, 2, 3), correction=0, keepdim=True)
        return torch.where(chosen, noise * deviation + mean, inputs)
    together = method == "permuted"
    positions = np.arange(inputs[0, 0].numel())
    alike = torch.from_numpy(generator(seed, "pixels/permutation").permutation(positions)[None, None])
    new = []
    for some in inputs.flatten(2).split(1000):  # at once, the positions would take eight times the memory of bytes
        own = alike if together else torch.from_numpy(draw.permuted(np.tile(positions, (len(some), 1, 1)), axis=2))
        new.append(some.gather(2, own.to(some.device).expand(some.shape)))
    return torch.where(chosen, torch.cat(new).view_as(inputs), inputs)
