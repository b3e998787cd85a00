"""Quantiles in operations that `vmap` maps; it runs `torch.quantile` as a loop, with a warning."""

import math

import torch
from torch import Tensor


def quantile(values: Tensor, fraction: float) -> Tensor:
    """Return the quantile of values `(N,)`, linear between neighbors as in numpy and torch; NaN if a value is.

    >>> quantile(torch.tensor([3.0, 1.0, 2.0, 4.0]), 0.5).item()
    2.5
    >>> quantile(torch.tensor([1.0, torch.inf, 0.0]), 0.5).item()
    1.0
    """
    place = fraction * (len(values) - 1)
    low = math.floor(place)
    high = math.ceil(place)  # equal to `low` at a whole place, so that an infinite neighbor does not matter
    ordered = values.sort().values  # NaN last
    largest = ordered[-1]
    between = torch.lerp(ordered[low], ordered[high], place - low)
    return torch.where(largest.isnan(), largest, between)
