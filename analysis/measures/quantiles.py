"""Quantiles in operations that `vmap` maps: of `torch.quantile` it makes a loop, and warns of that."""

import math

import torch
from torch import Tensor


def quantile(values: Tensor, fraction: float) -> Tensor:
    """The quantile of values `(N,)`, linear between neighbors as that of numpy and torch; NaN if one of them is.

    >>> quantile(torch.tensor([3.0, 1.0, 2.0, 4.0]), 0.5).item()
    2.5
    >>> quantile(torch.tensor([1.0, torch.inf, 0.0]), 0.5).item()
    1.0
    """
    place = fraction * (len(values) - 1)
    low, high = math.floor(place), math.ceil(place)  # of infinite values, too, the one at a whole place is taken
    ordered = values.sort().values  # NaN last
    return torch.where(ordered[-1].isnan(), ordered[-1], torch.lerp(ordered[low], ordered[high], place - low))
