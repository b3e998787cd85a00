"""Exact errors of pattern detectors on the XOR detection problem, and what their filters explore and cluster around.

The task `xord` of Brutzkus and Globerson 2019 has four patterns. A detector (`model.family: xord`) takes the maximum of
each filter over the patterns of an input, so its output depends only on which of the four patterns the input has: one
of 15 sets. Errors are sums over these sets, and need no sample of test examples.
"""

import itertools
import math

import torch
from torch import Tensor

from benevolent.trainables.models.modules import PatternDetector

#: The patterns, `(4, 2)`: the two that make an input positive, then the two that do not.
PATTERNS = torch.tensor([[1, 1], [-1, -1], [1, -1], [-1, 1]], dtype=torch.float64)
POSITIVE = 2
#: Every set of patterns that an input may have, `(15, 4)`: True for those that it has.
SETS = torch.tensor([row for row in itertools.product([False, True], repeat=4) if any(row)])


def set_labels() -> Tensor:
    """Return the label of each of `SETS`, `(15,)`: 1 if it has a positive pattern.

    >>> set_labels().sum().item()
    12
    """
    return SETS[:, :POSITIVE].any(1).long()


def set_outputs(filters: Tensor) -> Tensor:
    """Return the outputs of detectors `(..., 15)` for inputs with each of `SETS`.

    Args:
        filters: `(..., 2 k, 2)`, those that count for label 1 first, as in `PatternDetector`.

    >>> perfect = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.2, -0.2], [-0.2, 0.2]])
    >>> (set_outputs(perfect) > 0).long().equal(set_labels())
    True
    """
    products = PATTERNS @ filters.double().transpose(-1, -2)
    absent = ~SETS.unsqueeze(-1)
    per_set = products.relu().unsqueeze(-3).masked_fill(absent, 0)
    return PatternDetector.signed(per_set).squeeze(-1)


def set_probabilities(dimension: int, hard: bool = False) -> Tensor:
    """Return the probability of each of `SETS`, `(15,)`, under the task `xord`; both labels have one half.

    Args:
        dimension: number of patterns of an input.
        hard: positives have exactly one positive pattern, as with `data.hard_test`.

    >>> set_probabilities(3, hard=True).sum().item(), set_probabilities(3).sum().item()
    (1.0, 1.0)
    """
    probabilities = []
    for row, label in zip(SETS.tolist(), set_labels().tolist(), strict=True):
        positive = sum(row[:POSITIVE])
        negative = sum(row[POSITIVE:])
        if not label:
            chance = _words(dimension, negative) / 2**dimension
        elif hard:
            chance = _words(dimension - 1, negative) / 2**dimension if positive == 1 else 0.0
        else:
            chance = _words(dimension, positive + negative) / (4**dimension - 2**dimension)
        probabilities.append(chance / 2)
    return torch.tensor(probabilities, dtype=torch.float64)


def _words(length: int, letters: int) -> int:
    """Return the number of words of some length that use each of so many letters.

    >>> _words(3, 2), _words(0, 0), _words(3, 0)
    (6, 1, 0)
    """
    words = 0
    for left_out in range(letters + 1):
        without_them = (letters - left_out) ** length
        words += (-1) ** left_out * math.comb(letters, left_out) * without_them
    return words


def exact_errors(filters: Tensor, dimension: int, hard: bool = False) -> Tensor:
    """Return the probabilities `(...)` that detectors err on the task `xord`; an output of 0 means label 0.

    Args:
        filters: `(..., 2 k, 2)`.
        dimension: number of patterns of an input.
        hard: see `set_probabilities`.

    >>> exact_errors(torch.zeros(4, 2), dimension=10).item()
    0.5
    """
    predicted = (set_outputs(filters) > 0).long()
    wrong = predicted != set_labels()
    return (wrong * set_probabilities(dimension, hard)).sum(-1)


def explored(filters: Tensor) -> Tensor:
    """Return whether filters cover the patterns that they are to detect, `(...)`.

    Each positive pattern must be the nearest of the four to a filter that counts for label 1, and each of the others
    the nearest to one that counts against it (lemma 3.1 of the source, at initialization).

    Args:
        filters: `(..., 2 k, 2)`.

    >>> explored(torch.tensor([[0.1, 0.2], [-0.1, -0.3], [2.0, -1.0], [-1.0, 0.1]])).item()
    True
    """
    nearest = (filters.double() @ PATTERNS.T).argmax(-1)
    counts_for, counts_against = nearest.chunk(2, -1)
    covered = []
    for pattern in range(len(PATTERNS)):
        group = counts_for if pattern < POSITIVE else counts_against
        covered.append((group == pattern).any(-1))
    return torch.stack(covered).all(0)


def clustered_share(filters: Tensor, degrees: float = 15.0) -> Tensor:
    """Return the share of the filters' norms, `(...)`, that is within an angle of one of the four patterns.

    Filters in random directions have `degrees / 45` of it. Clustering is that a few directions hold all of it
    (lemma 3.2 of the source).

    Args:
        filters: `(..., 2 k, 2)`.
        degrees: largest angle.

    >>> clustered_share(torch.tensor([[3.0, 3.1], [1.0, 0.0]])).round(decimals=2).item()
    0.81
    """
    filters = filters.double()
    norms = filters.norm(dim=-1)
    angles = torch.atan2(filters[..., 1].abs(), filters[..., 0].abs()).rad2deg()
    is_near = (angles - 45).abs() <= degrees
    return (norms * is_near).sum(-1) / norms.sum(-1)
