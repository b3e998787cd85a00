"""Comparison of a gradient with differences of the function."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

#: Rounding errors of a function of many layers, in units of rounding of its value.
ROUNDINGS = 100


@dataclass(frozen=True)
class Agreement:
    """Result of a comparison at one point.

    Attributes:
        is_right: True if the gradient is that of the function, as far as the point shows.
        is_certain: False if the point shows nothing: the function does not change there by more than rounding, or has a
            kink, with the gradient of one of its sides or of a mixture.
    """

    is_right: bool
    is_certain: bool


def agreement(
    slopes: Tensor, direction: Tensor, along: Callable[[float], Tensor], length: float, tolerance: float
) -> Agreement:
    """Compare a gradient with the central difference of a function along a direction.

    Args:
        slopes: the gradient, `(P,)` in float64.
        direction: `(P,)` in float64.
        along: the function, a scalar, at a distance along the direction.
        length: half the length of the difference.
        tolerance: disagreement that counts as rounding, relative to the sizes of the slopes along each axis.

    >>> ones = torch.ones(1, dtype=torch.float64)
    >>> agreement(ones, ones, lambda distance: ones[0] * distance, 1e-6, 1e-3)
    Agreement(is_right=True, is_certain=True)
    >>> agreement(0 * ones, ones, lambda distance: ones[0], 1e-6, 1e-3)
    Agreement(is_right=True, is_certain=False)
    >>> agreement(ones, ones, lambda distance: abs(ones[0] * distance), 1e-6, 1e-3)
    Agreement(is_right=False, is_certain=False)
    """
    each = slopes * direction
    exact = each.sum()
    ahead = along(length)
    behind = along(-length)
    difference = (ahead.double() - behind.double()) / (2 * length)
    size = torch.maximum(each.norm(), difference.abs())
    value = torch.maximum(ahead.abs(), behind.abs()).double()
    unit = min(torch.finfo(ahead.dtype).eps, torch.finfo(torch.float32).eps)
    rounding = ROUNDINGS * unit * value / length
    if size <= rounding:
        return Agreement(is_right=True, is_certain=False)
    if not torch.isfinite(size) or (exact - difference).abs() <= tolerance * size:
        return Agreement(is_right=True, is_certain=True)
    if (exact - difference).abs() <= rounding:
        return Agreement(is_right=True, is_certain=False)
    here = along(0.0).double()
    sides = torch.stack([here - behind, ahead - here]) / length
    slack = tolerance * size + rounding
    at_kink = sides.amin() - slack <= exact <= sides.amax() + slack
    return Agreement(is_right=False, is_certain=not at_kink)
