"""Training in a random subspace: K networks move along `theta = theta_0 + P phi` (Li et al. 2018, section 2).

Add a projection by writing a class with `push` and `pull` and naming it in `PROJECTIONS`. Columns of P have norm one in
the space of all D parameters (those of `fastfood` nearly), so that a step in theta is as long as the step in phi.
"""

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benevolent.trainables.config.pruning import SubspaceConfig
from benevolent.trainables.rng import RandomStream


class Projection(Protocol):
    """The matrix P of one run, `(D, d)`."""

    def push(self, directions: Tensor) -> Tensor:
        """Return P phi: `(n, d)` -> `(n, D)`."""

    def pull(self, gradients: Tensor) -> Tensor:
        """Return P^T g: `(n, D)` -> `(n, d)`."""


class Dense:
    """A matrix of normal numbers with normalized columns."""

    def __init__(self, size: int, dimension: int, rng: RandomStream, like: Tensor) -> None:
        numbers = rng.standard_normal((size, dimension), single=True)
        matrix = torch.from_numpy(numbers).to(like)
        norms = torch.linalg.vector_norm(matrix, dim=0)
        self.matrix = matrix.div_(norms)

    def push(self, directions: Tensor) -> Tensor:
        """As `Projection.push`."""
        return directions @ self.matrix.t()

    def pull(self, gradients: Tensor) -> Tensor:
        """As `Projection.pull`."""
        return gradients @ self.matrix


class Sparse:
    """A matrix of signs at a fraction 1 / sqrt(D) of its entries (Li, Hastie and Church 2006), columns normalized."""

    def __init__(self, size: int, dimension: int, rng: RandomStream, like: Tensor) -> None:
        density = size**-0.5
        rows_of_columns = [_some_rows(size, density, rng) for _ in range(dimension)]
        counts = np.array([len(rows) for rows in rows_of_columns])
        rows = np.concatenate(rows_of_columns)
        columns = np.repeat(np.arange(dimension), counts)
        signs = rng.signs(len(rows))
        norms = np.sqrt(counts)
        values = torch.from_numpy(signs / norms[columns])
        index = torch.from_numpy(np.stack([rows, columns]))
        with torch.sparse.check_sparse_tensor_invariants(False):
            entries = torch.sparse_coo_tensor(index, values, (size, dimension)).to(like)
            self.matrix = _compressed(entries)
            self.transposed = _compressed(entries.t())

    def push(self, directions: Tensor) -> Tensor:
        """As `Projection.push`."""
        return (self.matrix @ directions.t()).t()

    def pull(self, gradients: Tensor) -> Tensor:
        """As `Projection.pull`."""
        return (self.transposed @ gradients.t()).t()


def _compressed(entries: Tensor) -> Tensor:
    """Return a sparse matrix row by row, whose products take a fifth of the time of those of a list of entries."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return entries.coalesce().to_sparse_csr()


def _some_rows(size: int, density: float, rng: RandomStream) -> np.ndarray:
    """Return the rows of one column that are not zero, each with probability `density`; one at least."""
    rows = np.flatnonzero(rng.random(size, single=True) < density)
    return rows if len(rows) else rng.integers(0, size, 1)


class Fastfood:
    """P = H G Pi H B (Le, Sarlos and Smola 2013): Hadamard transforms H, normal G, a permutation Pi, signs B.

    All columns have the same norm over L rows, L the next power of two; the first D of them are taken. So norms are one
    in the mean. Measured, they are within 3 / sqrt(D) of it, with standard deviations of 0.1 at D = 20, 0.035 at 100,
    0.006 at 5,000 and 0.002 at 70,000. Normalizing them would take O(d D log D) before the first step: 21 s for d =
    1,000 at D = 70,000, most of a day for the largest network and d of Li et al. Memory is O(D), time of a step
    O(D log D).
    """

    def __init__(self, size: int, dimension: int, rng: RandomStream, like: Tensor) -> None:
        self.size = size
        self.dimension = dimension
        longest = max(size, dimension)
        self.length = 1 << (longest - 1).bit_length()
        gains = torch.from_numpy(rng.standard_normal(self.length))
        # The norm of a column of L rows is sqrt(L) ||G||, and its first D rows have D / L of the square in the mean.
        norm = gains.norm() * size**0.5
        self.gains = (gains / norm).to(like)
        signs = rng.signs(self.length)
        self.signs = torch.from_numpy(signs).to(like)
        order = rng.permutation(self.length)
        self.order = torch.from_numpy(order).to(like.device)
        self.inverse_order = torch.argsort(self.order)

    def push(self, directions: Tensor) -> Tensor:
        """As `Projection.push`."""
        padded = functional.pad(directions, (0, self.length - self.dimension))
        permuted = hadamard(padded * self.signs)[:, self.order]
        pushed = hadamard(permuted * self.gains)
        return pushed[:, : self.size]

    def pull(self, gradients: Tensor) -> Tensor:
        """As `Projection.pull`."""
        padded = functional.pad(gradients, (0, self.length - self.size))
        scaled = hadamard(padded) * self.gains
        permuted = scaled[:, self.inverse_order]
        pulled = hadamard(permuted) * self.signs
        return pulled[:, : self.dimension]


#: A projection of D parameters to d dimensions, drawn with a generator; of the dtype and device of a tensor.
DrawProjection = Callable[[int, int, RandomStream, Tensor], Projection]

PROJECTIONS: dict[str, DrawProjection] = {"dense": Dense, "sparse": Sparse, "fastfood": Fastfood}

#: Projections by the seed that they are drawn from.
Projections = dict[int, Projection]


class Subspaces:
    """The subspaces of K runs; runs of one seed share a projection.

    Args:
        config: dimension and kind of the projection.
        seeds: of the K runs.
        filled: `(P,)` booleans: the columns of a row of parameters that are in use.
        like: a tensor of the dtype and device of the parameters.
        projections: projections made before, by seed; new ones are added.
    """

    def __init__(
        self, config: SubspaceConfig, seeds: list[int], filled: Tensor, like: Tensor, projections: Projections
    ) -> None:
        assert config.dimension is not None
        self.dimension = config.dimension
        self.width = len(filled)
        self.filled = filled.nonzero().flatten().to(like.device)
        self.parts: list[tuple[Tensor, Projection]] = []
        for seed in dict.fromkeys(seeds):
            if seed not in projections:
                rng = RandomStream(seed, "subspace")
                draw = PROJECTIONS[config.projection]
                projections[seed] = draw(len(self.filled), config.dimension, rng, like)
            rows = [row for row, own_seed in enumerate(seeds) if own_seed == seed]
            index = torch.tensor(rows, device=like.device)
            self.parts.append((index, projections[seed]))

    def pull(self, gradients: Tensor) -> Tensor:
        """Return the gradients in the subspaces: `(K, P)` -> `(K, d)`."""
        compact = gradients.index_select(1, self.filled)
        pulled = gradients.new_empty(len(gradients), self.dimension)
        for rows, projection in self.parts:
            pulled[rows] = projection.pull(compact[rows])
        return pulled

    def push(self, directions: Tensor) -> Tensor:
        """Return the directions in the space of all parameters: `(K, d)` -> `(K, P)`."""
        compact = directions.new_empty(len(directions), len(self.filled))
        for rows, projection in self.parts:
            compact[rows] = projection.push(directions[rows])
        pushed = directions.new_zeros(len(directions), self.width)
        return pushed.index_copy_(1, self.filled, compact)


def hadamard(rows: Tensor) -> Tensor:
    """Return the Walsh-Hadamard transform (of signs, not normalized) of each row `(n, L)`, L a power of two.

    >>> hadamard(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist()
    [[10.0, -2.0, -4.0, 0.0]]
    """
    count, length = rows.shape
    half = 1
    while half < length:
        pairs = rows.view(count, -1, 2, half)
        left, right = pairs.unbind(2)
        transformed = torch.stack([left + right, left - right], 2)
        rows = transformed.view(count, length)
        half *= 2
    return rows
