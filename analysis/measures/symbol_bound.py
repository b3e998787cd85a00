"""The largest symbol of a convolution over all frequencies, to a stated error.

A singular value of the symbol is the largest of the functions Re u^* F(theta) v of unit vectors u and v, whose
frequencies along an axis lie within an interval of length d, the degree of the kernel. If such a function is at most M
everywhere and M cos(a) somewhere, it is at most M cos(a - d t / 2) at a distance t along the axis (Duffin and Schaeffer
1938, "Some properties of functions of exponential type"). So the values at the centers of cells bound those inside.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from benevolent.analysis.measures.time_budget import check_time

#: Relative difference of the bound from the largest singular value that was found.
SLACK = 5e-5
#: Largest angle d t / 2 from the center of a cell of the first grid to its side.
FIRST_ANGLE = 0.4
#: The search ends without a result at a grid of more cells: the symbol is about as large at many frequencies.
CELLS = 2**13


class LargestSymbol(NamedTuple):
    """The frequency of the largest singular value that was found, and an upper bound on those at all frequencies.

    Attributes:
        frequency: `(2,)`.
        bound: 1 + `SLACK` times the largest singular value there.
    """

    frequency: Tensor
    bound: float


def largest_symbol(values_at: Callable[[Tensor], Tensor], degrees: tuple[int, int]) -> LargestSymbol | None:
    """Return the frequency with the largest singular value of a symbol, up to a factor of 1 + `SLACK`.

    The symbol is that of real weights, whose singular values are the same at opposite frequencies: half of these are
    covered by a grid. The cells that may have a larger value, by more than this factor, are divided until none is left.

    Args:
        values_at: maps frequencies `(n, 2)` to the largest singular values `(n,)` there.
        degrees: of the kernel, per axis.

    Returns:
        None if there are too many cells, or if values are not finite.

    >>> found = largest_symbol(lambda frequencies: 3 + frequencies[:, 0].cos() + frequencies[:, 1].sin(), (2, 2))
    >>> 5 <= found.bound <= 5.001
    True
    """
    centers, halves = _first_grid(degrees)
    speeds = torch.tensor(degrees, dtype=torch.float64) / 2
    frequency = centers[0]
    best = 0.0
    ceiling = math.inf  # on the values everywhere
    while 0 < len(centers) <= CELLS:
        check_time()
        values = values_at(centers)
        place = int(values.argmax())
        largest = float(values[place])
        if not math.isfinite(largest):
            return None
        if largest > best:
            best = largest
            frequency = centers[place]
        enough = best * (1 + SLACK)
        angle = float(halves @ speeds)
        ceiling = min(ceiling, max(largest / math.cos(angle), enough))
        if ceiling == 0:
            break
        angles = torch.acos((values / ceiling).clamp(max=1))
        bounds = ceiling * (angles - angle).clamp(min=0).cos()
        ceiling = max(float(bounds.max()), enough)
        centers, halves = _divided(centers[bounds > enough], halves)
    return LargestSymbol(frequency, best * (1 + SLACK)) if len(centers) <= CELLS else None


def _first_grid(degrees: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the centers `(n, 2)` of cells that cover half of all frequencies, and half of their sides `(2,)`."""
    lengths = (2 * math.pi, math.pi)
    axes = []
    halves = []
    for length, degree in zip(lengths, degrees, strict=True):
        count = max(1, math.ceil(length * degree / (4 * FIRST_ANGLE)))
        side = length / count
        axes.append((torch.arange(count, dtype=torch.float64) + 0.5) * side)
        halves.append(side / 2)
    centers = torch.cartesian_prod(*axes).view(-1, 2)
    return centers, torch.tensor(halves, dtype=torch.float64)


def _divided(centers: Tensor, halves: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centers of the quarters of cells, and half of their sides."""
    signs = torch.tensor(list(itertools.product([-0.5, 0.5], repeat=2)), dtype=torch.float64)
    quarters = centers.unsqueeze(1) + signs * halves
    return quarters.view(-1, 2), halves / 2
