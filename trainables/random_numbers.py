"""Numbers from the words of a random stream, by the same formulas on every device.

Words are a numpy array of uint64 `(..., n)`, or a tensor of int64 with the same bits. What is made of integers alone
(uniform numbers, integers, permutations) is equal on all devices; normal numbers may differ in the last digit, because
logarithms and cosines do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benevolent.trainables.lazy_torch import Tensor, torch

#: A numpy array of uint64, or a tensor of int64.
Words = Any
#: Floating-point numbers from the same library.
Numbers = Any

SINGLE_BITS = 24
DOUBLE_BITS = 53
#: Largest number of values of `integers`: with more, products of 32 bits and their number would not fit into int64.
LARGEST_RANGE = 2**31


def words_for(numbers: int, single: bool) -> int:
    """Return how many words `uniform` and `normal` need for so many numbers.

    >>> words_for(3, single=True), words_for(3, single=False)
    (2, 4)
    """
    pairs = -(-numbers // 2)
    return pairs if single else 2 * pairs


def uniform(words: Words, single: bool) -> Numbers:
    """Return numbers uniform on [0, 1).

    Args:
        words: `(..., n)`.
        single: float32, multiples of 2^-24, `(..., 2 n)`: each word gives two, its lower half the first. Otherwise
            float64, multiples of 2^-53, `(..., n)`.

    >>> uniform(np.array([2**63 + 2**30], np.uint64), single=True).tolist()
    [0.25, 0.5]
    """
    if _are_in_a_tensor(words):
        if single:
            return _top_bits(words.view(torch.int32), 32, SINGLE_BITS).to(torch.float32).mul_(2.0**-SINGLE_BITS)
        return _top_bits(words, 64, DOUBLE_BITS).to(torch.float64).mul_(2.0**-DOUBLE_BITS)
    if single:
        numbers = (words.view(np.uint32) >> np.uint32(32 - SINGLE_BITS)).astype(np.float32)
        numbers *= np.float32(2.0**-SINGLE_BITS)
        return numbers
    return (words >> np.uint64(64 - DOUBLE_BITS)) * 2.0**-DOUBLE_BITS


def normal(words: Words, single: bool) -> Numbers:
    """Return standard normal numbers.

    Source: Box and Muller 1958. The first half u and the second half v of the uniform numbers give
    sqrt(-2 ln(u')) cos(2 pi v), and then sqrt(-2 ln(u')) sin(2 pi v), where u' is u plus the smallest step, in (0, 1].

    Args:
        words: `(..., n)`, n even unless `single`.
        single: as in `uniform`, which also has the shape of the result.
    """
    library: Any = torch if _are_in_a_tensor(words) else np
    fractions = uniform(words, single)
    pairs = fractions.shape[-1] // 2
    radius = fractions[..., :pairs] + 2.0 ** -(SINGLE_BITS if single else DOUBLE_BITS)
    library.log(radius, out=radius)
    radius *= -2
    library.sqrt(radius, out=radius)
    angle = fractions[..., pairs:] * (2 * math.pi)
    return library.concatenate([radius * library.cos(angle), radius * library.sin(angle)], -1)


def integers(words: Words, values: int) -> Words:
    """Return integers 0 to `values` - 1, `(..., 2 n)` in int64: floor(values * h / 2^32) of each half h of the words.

    Their probabilities differ by 2^-32 at most.

    Args:
        words: `(..., n)`.
        values: their number, up to `LARGEST_RANGE`.

    Raises:
        ValueError: `values` is larger.

    >>> integers(np.array([2**63 + 2**30], np.uint64), 10).tolist()
    [2, 5]
    """
    if values > LARGEST_RANGE:
        raise ValueError(f"values = {values}: allowed up to {LARGEST_RANGE}")
    if _are_in_a_tensor(words):
        halves: Any = words.view(torch.int32).to(torch.int64) & 0xFFFFFFFF
        return (halves * values) >> 32
    halves = words.view(np.uint32).astype(np.int64)
    return (halves * values) >> 32


def permutations(words: Words) -> Words:
    """Return a permutation of 0 to n - 1 along the last axis, `(..., n)` in int64.

    It is the order of keys, the upper bits of the words; the position, in the lower bits, decides between equal keys.

    >>> permutations(np.array([3, 1, 2], np.uint64) << np.uint64(60)).tolist()
    [1, 2, 0]
    """
    count = words.shape[-1]
    position_bits = 2 ** (count - 1).bit_length() - 1
    key_bits = (2**63 - 1) - position_bits
    if _are_in_a_tensor(words):
        positions = torch.arange(count, device=words.device)
        keys = ((words >> 1) & key_bits) | positions
        return keys.sort(-1).values & position_bits
    keys = (words >> np.uint64(1)).view(np.int64)
    keys &= key_bits
    keys |= np.arange(count)
    keys.sort(-1)
    keys &= position_bits
    return keys


def seeds(words: Words) -> Words:
    """Return the words without their upper bit, as numbers below 2^63."""
    bits = words if _are_in_a_tensor(words) else words.view(np.int64)
    return bits & (2**63 - 1)


def _are_in_a_tensor(words: Words) -> bool:
    return not isinstance(words, np.ndarray)


def _top_bits(words: Tensor, width: int, kept: int) -> Tensor:
    """Return the upper bits of signed words as numbers that are not negative."""
    return (words >> (width - kept)) & (2**kept - 1)
