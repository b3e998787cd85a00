"""Interventions on data: wrong labels, and inputs without the structure of images, drawn from a run's seed."""

from __future__ import annotations

import numpy as np

from benevolent.trainables.config.data import Corruption, Pixels
from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.rng import RandomStream

#: Images whose pixels are moved at once: positions of all would take eight times the memory of bytes.
PIXEL_BLOCK = 1000


def corrupt(labels: Tensor, classes: int, fraction: float, method: Corruption, seed: int, stream: str) -> Tensor:
    """Return labels, a fraction of them replaced at random (Zhang et al. 2017; Liao et al. 2018).

    Exactly `round(fraction * N)` labels are chosen; those of a smaller fraction are among those of a larger one.
    `redraw` draws each anew from all classes, `swap` moves each to one of the other classes.

    Args:
        labels: `(N,)` integers.
        classes: number of classes; 0 for real targets, which cannot be corrupted.
        fraction: in [0, 1].
        method: `redraw` or `swap`.
        seed: the run's seed.
        stream: name of the phase or split, so that each is corrupted in its own way.

    Returns:
        labels `(N,)`; the given ones if nothing is corrupted.

    Raises:
        BadInput: the targets are real.

    >>> int((corrupt(torch.zeros(100, dtype=torch.long), 10, 0.3, "swap", 0, "data") != 0).sum())
    30
    """
    if not fraction:
        return labels
    if not classes:
        raise BadInput(f"label_corruption = {fraction}: these targets are not classes")
    rng = RandomStream(seed, f"corruption/{stream}")
    chosen = chosen_first(rng, len(labels), fraction)
    smallest_shift = 1 if method == "swap" else 0
    shift = rng.integers(smallest_shift, classes, len(labels))
    old = labels.cpu().numpy()
    shifted = (old + shift) % classes
    new = np.where(chosen, shifted, old)
    return torch.from_numpy(new).to(labels.device)


def chosen_first(rng: RandomStream, count: int, fraction: float) -> np.ndarray:
    """Return booleans `(count,)`: the first `round(fraction * count)` examples of a random order."""
    chosen = np.zeros(count, dtype=bool)
    order = rng.permutation(count)
    number = round(fraction * count)
    chosen[order[:number]] = True
    return chosen


def replace_pixels(inputs: Tensor, method: Pixels, fraction: float, seed: int, stream: str) -> Tensor:
    """Return inputs, a fraction of them replaced (Zhang et al. 2017, section 2.1; Arpit et al. 2017, randX).

    Exactly `round(fraction * N)` inputs are chosen; those of a smaller fraction are among those of a larger one.

    - `permuted`: one permutation of the positions, the same for every image and every split.
    - `shuffled`: a permutation for each image.
    - `gaussian`: independent normal values of the mean and the deviation of each channel over these inputs.

    The channels of a position move together.

    Args:
        inputs: `(N, channels, height, width)`; floats for `gaussian`.
        method: one of those above, or `none`.
        fraction: in [0, 1].
        seed: the run's seed.
        stream: name of the split.

    Returns:
        inputs of the same shape; the given ones if nothing is replaced.
    """
    if method == "none" or not fraction:
        return inputs
    rng = RandomStream(seed, f"pixels/{stream}")
    chosen_images = torch.from_numpy(chosen_first(rng, len(inputs), fraction))
    chosen = chosen_images.view(-1, 1, 1, 1).to(inputs.device)
    if method == "gaussian":
        return torch.where(chosen, _gaussian_like(inputs, rng), inputs)
    shared = RandomStream(seed, "pixels/permutation") if method == "permuted" else None
    return torch.where(chosen, _moved_pixels(inputs, rng, shared), inputs)


def _moved_pixels(inputs: Tensor, rng: RandomStream, shared: RandomStream | None) -> Tensor:
    """Return images with permuted positions: by one permutation drawn from `shared`, or by one each from `rng`."""
    count = inputs[0, 0].numel()
    permutation = None if shared is None else shared.permutation(count)[None]
    blocks = []
    for block in inputs.flatten(2).split(PIXEL_BLOCK):
        order = rng.permutations(len(block), count) if permutation is None else permutation
        index = torch.from_numpy(order).unsqueeze(1).to(block.device)
        blocks.append(block.gather(2, index.expand(block.shape)))
    return torch.cat(blocks).view_as(inputs)


def _gaussian_like(inputs: Tensor, rng: RandomStream) -> Tensor:
    """Return independent normal values of the mean and the deviation of each channel of the inputs."""
    numbers = rng.standard_normal(tuple(inputs.shape), single=True)
    noise = torch.from_numpy(numbers).to(inputs.device, inputs.dtype)
    mean = inputs.mean((0, 2, 3), keepdim=True)
    deviation = inputs.std((0, 2, 3), correction=0, keepdim=True)
    return noise * deviation + mean
