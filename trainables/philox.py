"""Philox4x64-10, the counter-based generator of Salmon et al. 2011, 'Parallel random numbers: as easy as 1, 2, 3'.

A block of four 64-bit words is a function of a counter and a key, so any block can be computed without the ones before
it, on any device. The functions here take arrays of numpy and tensors of torch alike, as signed 64-bit integers whose
bits are the words: torch has no unsigned arithmetic. On CPUs numpy's own `Philox` gives the same words faster.
"""

from __future__ import annotations

from typing import Any

from benevolent.trainables.lazy_torch import Tensor, torch

#: A numpy array of int64, or a tensor of int64.
Integers = Any

ROUNDS = 10
#: Words of a block.
BLOCK = 4
LOW_HALF = 0xFFFFFFFF
#: Multipliers of the first and the third word, and what is added to the key from round to round (Salmon et al. 2011).
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def philox(counter: tuple[Integers, ...], key: tuple[Integers, ...]) -> tuple[Integers, ...]:
    """Return the block of four words that belongs to a counter and a key.

    Source: Salmon et al. 2011, section 3.3 (Philox-4x64 with ten rounds).

    Args:
        counter: four words, each an array or tensor; they broadcast.
        key: two words.

    Returns:
        four words of the broadcast shape.

    >>> import numpy as np
    >>> zeros = (np.zeros(1, np.int64),) * 4
    >>> [f"{int(word[0]) % 2**64:016x}" for word in philox(zeros, zeros[:2])][:2]
    ['16554d9eca36314c', 'db20fe9d672d0fdc']
    """
    first, second, third, fourth = counter
    first_key, second_key = key
    for number in range(ROUNDS):
        round_key = first_key + _signed(number * KEY_STEPS[0])
        other_key = second_key + _signed(number * KEY_STEPS[1])
        new_first = _high_product(third, MULTIPLIERS[1]) ^ second ^ round_key
        new_third = _high_product(first, MULTIPLIERS[0]) ^ fourth ^ other_key
        second = third * _signed(MULTIPLIERS[1])
        fourth = first * _signed(MULTIPLIERS[0])
        first = new_first
        third = new_third
    return first, second, third, fourth


def tensor_words(keys: Tensor, starts: Tensor | int, blocks: int) -> Tensor:
    """Return consecutive words of K streams, equal to those of `numpy.random.Philox(key=...)` bit by bit.

    numpy counts from 1: block b of a stream belongs to the counter b + 1.

    Args:
        keys: `(K, 2)`, the key of each stream.
        starts: number of the first block, `(K,)` or the same for all.
        blocks: number of blocks.

    Returns:
        `(K, 4 blocks)` int64 on the device of the keys.

    >>> import numpy as np
    >>> words = np.random.Philox(key=7).random_raw(8).view(np.int64)
    >>> bool((tensor_words(torch.tensor([[7, 0]]), 0, 2)[0].numpy() == words).all())
    True
    """
    numbers = torch.arange(1, blocks + 1, device=keys.device)
    if not isinstance(starts, int):
        starts = starts[:, None]
    low = numbers + torch.zeros_like(keys[:, :1]) + starts
    zero = torch.zeros_like(low)
    block = philox((low, zero, zero, zero), (keys[:, :1], keys[:, 1:]))
    return torch.stack(block, -1).flatten(1)


def _high_product(words: Integers, factor: int) -> Integers:
    """Return the upper 64 bits of the 128-bit products of unsigned words and an unsigned factor."""
    factor_low = factor & LOW_HALF
    factor_high = factor >> 32
    low = words & LOW_HALF
    high = _upper_half(words)
    crossed = low * factor_high
    other_crossed = high * factor_low
    carry = _upper_half(low * factor_low) + (crossed & LOW_HALF) + (other_crossed & LOW_HALF)
    return high * factor_high + _upper_half(crossed) + _upper_half(other_crossed) + (carry >> 32)


def _upper_half(words: Integers) -> Integers:
    return (words >> 32) & LOW_HALF


def _signed(word: int) -> int:
    """Return the signed integer with the bits of an unsigned word."""
    word %= 2**64
    return word - 2**64 if word >= 2**63 else word
