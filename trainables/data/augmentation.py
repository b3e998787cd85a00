"""Images changed at random at every step of training, from each run's own draws."""

import torch
from torch import Tensor
from torch.nn import functional

from trainables.data.config import Augment
from trainables.streams import Draws

#: Pixels that an image is moved by at most.
SHIFT = 4


def augmented(images: Tensor, method: Augment, draws: Draws) -> Tensor:
    """Images as a training step sees them (He et al. 2015, section 4.2).

    - `shift`: moved by up to 4 pixels up or down and left or right, all shifts equally likely; what is not in the image
      is zero, after normalisation. The same as a random crop of an image with a border of 4.
    - `flip`: mirrored, left to right, with probability one half.
    - `shift_flip`: both.

    Args:
        images: `(K, N, channels, height, width)`.
        method: which.
        draws: of the K runs.

    Returns:
        images of the same shape.
    """
    if method == "none":
        return images
    stack, count, _, height, width = images.shape
    image = torch.arange(stack * count, device=images.device).view(-1, 1, 1)
    rows = torch.arange(height, device=images.device).expand(stack, count, -1)
    columns = torch.arange(width, device=images.device).expand(stack, count, -1)
    if "flip" in method:
        columns = torch.where(draws.uniform(count, 1) < 0.5, columns, columns.flip(-1))
    if "shift" in method:
        images = functional.pad(images, [SHIFT] * 4)
        rows = rows + (draws.uniform(count, 1) * (2 * SHIFT + 1)).long()
        columns = columns + (draws.uniform(count, 1) * (2 * SHIFT + 1)).long()
    picked = images.flatten(0, 1)[image, :, rows.reshape(-1, height, 1), columns.reshape(-1, 1, width)]
    return picked.movedim(-1, 1).contiguous().unflatten(0, (stack, count))
