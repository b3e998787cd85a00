"""Operator norms of linear maps: of matrices exactly, of convolutions to a stated error."""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import vjp

from benevolent.analysis.measures.certain_eigenvalue import certain_eigenvalue, start_vectors
from benevolent.analysis.measures.limits import (
    LARGE_NORM_TOLERANCE,
    NORM_BUDGET,
    NORM_TOLERANCE,
    SMALL_INPUTS,
)
from benevolent.analysis.measures.matrix_norm import matrix_norm
from benevolent.analysis.measures.symbol_norm import norm_near_symbol

#: The matrix of a convolution is formed if one side is at most this long and it has at most this many entries: Lanczos
#: iteration would cost as much.
MATRIX_SIDE = 128
MATRIX_NUMBERS = 2**20


def convolution_norm(conv: nn.Conv2d, weight: Tensor, shape: tuple[int, ...], vmapped: bool = False) -> Tensor:
    """Return the largest singular value of the linear map of a convolution on inputs of a shape, its bias left out.

    It is the norm of the map A with its stride, padding, dilation and groups, not that of the reshaped kernel. Exact
    where A has few inputs or outputs, or looks at single pixels. Else it is found from below, and is at most
    `norm_tolerance` too small, relatively: on large images for certain, by the convolution on endless ones (see
    `norm_near_symbol`); else with a probability of 1 - 1e-6 over random start vectors, by Lanczos iteration on A^T A
    (see `certain_eigenvalue`). On a CPU the convolutions of large inputs are in float32, which is faster.

    Args:
        conv: the layer, for its settings.
        weight: its weight, or another of the same shape.
        shape: `(C, H, W)`, of one input.
        vmapped: see `certain_eigenvalue`.

    Returns:
        scalar in float64; NaN where the error may still be larger after `NORM_BUDGET` products.

    >>> conv = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    >>> round(convolution_norm(conv, torch.ones(1, 1, 3, 3, dtype=torch.float64), (1, 6, 6)).item(), 6)
    9.0
    """
    if conv.kernel_size == (1, 1) and conv.padding in ((0, 0), "same", "valid"):
        return matrix_norm(weight.view(conv.groups, -1, weight.shape[1])).amax()
    inputs = math.prod(shape)

    def convolve(vectors: Tensor) -> Tensor:
        return conv._conv_forward(vectors.unflatten(-1, shape), weight.to(vectors.dtype), None)

    output_shape = tuple(convolve(weight.new_zeros(1, inputs)).shape[1:])
    outputs = math.prod(output_shape)
    if min(inputs, outputs) > MATRIX_SIDE or inputs * outputs > MATRIX_NUMBERS:
        return _norm_by_products(conv, weight, shape, output_shape, vmapped)
    return matrix_norm(_matrix(lambda vectors: convolve(vectors).flatten(1), inputs, outputs, weight))


def norm_tolerance(shape: tuple[int, ...]) -> float:
    """Return the relative error of the norm of a convolution on inputs of a shape `(C, H, W)`, an upper bound.

    >>> norm_tolerance((16, 8, 8)), norm_tolerance((64, 56, 56))
    (5e-07, 0.0005)
    """
    return LARGE_NORM_TOLERANCE if _is_large(shape) else NORM_TOLERANCE


def _is_large(shape: tuple[int, ...]) -> bool:
    return math.prod(shape) > SMALL_INPUTS


def _matrix(convolve: Callable[[Tensor], Tensor], inputs: int, outputs: int, like: Tensor) -> Tensor:
    """Return the matrix `(inputs, outputs)` of a map, or its transpose."""
    if inputs <= outputs:
        return convolve(torch.eye(inputs, dtype=like.dtype, device=like.device))
    transposed = vjp(convolve, like.new_zeros(outputs, inputs))[1]
    unit: Tensor = torch.eye(outputs, dtype=like.dtype, device=like.device)
    (matrix,) = transposed(unit)
    return matrix


def _norm_by_products(
    conv: nn.Conv2d, weight: Tensor, shape: tuple[int, ...], outputs: tuple[int, ...], vmapped: bool
) -> Tensor:
    """Return the norm of a convolution of inputs of a shape, given the shape of its outputs, by products with it."""
    scale = weight.abs().amax().clamp(min=torch.finfo(weight.dtype).tiny)
    # On a GPU convolutions in float32 may be rounded to ten bits, and those in float64 are fast.
    precision = torch.float32 if _is_large(shape) and weight.device.type == "cpu" else weight.dtype
    scaled = (weight / scale).to(precision)
    if precision == torch.float32:  # those in float64 are slower with the channels of a pixel side by side
        scaled = scaled.contiguous(memory_format=torch.channels_last)

    def convolve(vectors: Tensor) -> Tensor:
        return conv._conv_forward(vectors.unflatten(-1, shape), scaled, None)

    @functools.cache
    def transposed(count: int) -> Callable[[Tensor], tuple[Tensor]]:
        # The map is linear, so that its transpose is the same at all inputs.
        return vjp(convolve, scaled.new_zeros(count, math.prod(shape)))[1]

    def product(vectors: Tensor) -> Tensor:
        (images,) = transposed(len(vectors))(convolve(vectors.to(precision)))
        return images.double()  # float32 is too coarse for sums over a large image

    like = torch.empty(math.prod(shape), dtype=torch.float64, device=weight.device)
    if not vmapped:
        norm = norm_near_symbol(conv, scaled, shape, outputs, product, norm_tolerance(shape))
        if norm is not None:
            return scale * norm
    starts = start_vectors(like)
    squared = certain_eigenvalue(product, starts, 2 * norm_tolerance(shape), NORM_BUDGET, vmapped)
    return scale * squared.sqrt()
