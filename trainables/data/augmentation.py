"""Augmentation: images changed at random at every training step, from each run's own draws."""

from __future__ import annotations

from benevolent.trainables.config.data import Augment
from benevolent.trainables.lazy_torch import Tensor, nn, torch
from benevolent.trainables.rng import StackGenerator

#: Largest number of pixels that an image is moved by.
SHIFT = 4


def augmented(images: Tensor, method: Augment, draws: StackGenerator, border: int = 0) -> Tensor:
    """Return images as a training step sees them (He et al. 2015, section 4.2).

    - `shift`: moved by up to 4 pixels up or down and left or right, all shifts equally likely; pixels from outside
      of the image are zero, after normalization. The same as a random crop of an image with a border of 4.
    - `flip`: mirrored, left to right, with probability one half.
    - `window`: a window of the image, all places equally likely (Zhang et al. 2017 cut 28 x 28 out of 32 x 32).
    - `shift_flip`, `window_flip`: both.

    Args:
        images: `(K, N, channels, height, width)`.
        method: one of those above, or `none`.
        draws: of the K runs.
        border: pixels at each side that a window leaves out when it is in the center.

    Returns:
        images of the same shape, less twice the border.
    """
    if method == "none":
        return images
    stack, count, _, height, width = images.shape
    height -= 2 * border
    width -= 2 * border
    device = images.device
    image = torch.arange(stack * count, device=device).view(-1, 1, 1)
    rows = torch.arange(height, device=device).expand(stack, count, -1)
    columns = torch.arange(width, device=device).expand(stack, count, -1)
    if "flip" in method:
        stays = draws.uniform(count, 1) < 0.5
        columns = torch.where(stays, columns, columns.flip(-1))
    reach = SHIFT if "shift" in method else border
    if "shift" in method:
        images = nn.functional.pad(images, [SHIFT] * 4)
    if reach:
        rows = rows + _offsets(draws, count, reach)
        columns = columns + _offsets(draws, count, reach)
    row_index = rows.reshape(-1, height, 1)
    column_index = columns.reshape(-1, 1, width)
    picked = images.flatten(0, 1)[image, :, row_index, column_index]
    return picked.movedim(-1, 1).contiguous().unflatten(0, (stack, count))


def _offsets(draws: StackGenerator, count: int, reach: int) -> Tensor:
    """Draw an offset from 0 to `2 reach` for each of `count` images of every run, `(K, count, 1)`."""
    places = 2 * reach + 1
    return (draws.uniform(count, 1) * places).long()
