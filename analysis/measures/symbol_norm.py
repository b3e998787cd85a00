"""Norms of convolutions on large images, by their symbols: with an error bound that holds for certain.

With zeros around an image a convolution is a part of the one on an endless image, so that its norm is at most that of
the largest symbol. Any vector gives a lower bound; on large images the wave with the largest symbol, fading to the
edges, gives one that is near.
"""

import math
from collections.abc import Callable

from torch import Tensor, nn

from benevolent.analysis.measures.eigenvalues import eigenvalues
from benevolent.analysis.measures.lanczos import tridiagonal_matrix
from benevolent.analysis.measures.symbol import Symbol
from benevolent.analysis.measures.symbol_bound import largest_symbol
from benevolent.analysis.measures.three_term_lanczos import three_term_lanczos

#: Lanczos iteration from the wave takes at least this many steps, since the first few gain most, and at most `STEPS`.
LEAST_STEPS = 4
STEPS = 20
#: The symbol is not tried where the gap to its norm may be this many times the tolerance (see `_largest_gap`).
HOPELESS = 4
#: Nor where the smaller side of its matrix exceeds this fraction of the number of pixels: it costs more than it saves.
SIDE_PER_PIXEL = 1 / 64
#: Relative error of rounding that the lower bound may have.
ROUNDING = 1e-5


def norm_near_symbol(
    conv: nn.Conv2d,
    weight: Tensor,
    shape: tuple[int, ...],
    outputs: tuple[int, ...],
    product: Callable[[Tensor], Tensor],
    tolerance: float,
) -> Tensor | None:
    """Return a lower bound on the norm of a convolution A, if the largest symbol shows that it is near enough.

    Args:
        conv: the layer, for its settings.
        weight: its weight.
        shape: `(C, H, W)`, of one input.
        outputs: the same, of one output.
        product: maps vectors `(n, C H W)` in float64, on the device of the weight, to A^T A times each.
        tolerance: relative error of the lower bound, at most.

    Returns:
        scalar in float64; None if the two bounds are further apart, or the largest symbol is hard to find.
    """
    if tolerance < 2 * ROUNDING or not _is_part_of_endless(conv, shape, outputs):
        return None
    symbol = Symbol.of(conv, weight)
    pixels = math.prod(outputs[1:])
    if min(symbol.taps.shape[2:]) > SIDE_PER_PIXEL * pixels or _largest_gap(symbol, shape) > HOPELESS * tolerance:
        return None
    found = largest_symbol(symbol.largest_at, symbol.degrees)
    if found is None:
        return None
    wave = symbol.wave(found.frequency, shape).flatten().to(weight.device)
    enough = found.bound / (1 + tolerance - ROUNDING)
    for diagonal, off_diagonal in three_term_lanczos(product, wave.unsqueeze(0), STEPS):
        step = len(diagonal)
        norm = eigenvalues(tridiagonal_matrix(diagonal, off_diagonal[:-1])).amax().clamp(min=0).sqrt()
        if norm >= enough and (step >= LEAST_STEPS or norm == 0 or off_diagonal[-1].item() == 0):
            return norm
    return None


def _is_part_of_endless(conv: nn.Conv2d, shape: tuple[int, ...], outputs: tuple[int, ...]) -> bool:
    """Return True if a convolution has at most the norm of its largest symbol."""
    if conv.padding_mode == "zeros":
        return True
    if conv.padding_mode != "circular":
        return False
    axes = zip(shape[1:], outputs[1:], conv.stride, strict=True)
    # An image that is continued periodically is an endless one, of which no output may count twice.
    return all(length % stride == 0 and count * stride <= length for length, count, stride in axes)


def _largest_gap(symbol: Symbol, shape: tuple[int, ...]) -> float:
    """Return the largest relative difference of the norm of an image and of an endless one, to second order.

    The symbol falls at most as a cosine beside its maximum, and half a wave of a sine has the squared frequency
    (pi / n)^2.
    """
    gap = 0.0
    for length, degree, step in zip(shape[1:], symbol.degrees, symbol.steps, strict=True):
        places = math.ceil(length / step)
        gap += (math.pi * degree / (2 * places)) ** 2 / 2
    return gap
