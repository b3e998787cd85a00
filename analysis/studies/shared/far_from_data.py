"""Bounds of a function's slope far from its training points, by activation patterns (Loukas et al. 2021).

If all layers but the ReLUs are affine, df/dx is linear in the Kronecker product s(x) of the layers' activation
patterns. So s(x) = sum_i a_i s(x_i) gives ||df/dx|| <= sum_i |a_i| ||df/dx_i|| (see `analysis.measures.far_bounds`).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benevolent.analysis.measures.far_bounds import PatternSpan, first_of_each
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.bias_path import input_gradient_norms
from benevolent.trainables import data
from benevolent.trainables.data.synthetic import rotation
from benevolent.trainables.rng import RandomStream, generator

#: A bound is violated if it is less than the true slope by more than this.
BOUND_TOLERANCE = 1e-6


class PatternSlopes(NamedTuple):
    """Activation patterns `(n, P)`, Kronecker products over layers, and the slopes ||df/dx|| `(n,)` there."""

    patterns: np.ndarray
    slopes: np.ndarray

    @property
    def unique(self) -> "PatternSlopes":
        """The first row of each different pattern, in order."""
        rows = first_of_each(self.patterns)
        return PatternSlopes(self.patterns[rows], self.slopes[rows])


def patterns_and_slopes(
    network: nn.Module, inputs: torch.Tensor, rate: float = 0, rng: np.random.Generator | None = None
) -> PatternSlopes:
    """Return the activation patterns and slopes of a float64 ReLU network with one output at some inputs.

    Args:
        network: the network.
        inputs: `(n, *input_shape)`.
        rate: probability to drop a unit, if there is an `rng`.
        rng: drops units of every ReLU layer but the first, as Dropout does, but without scaling up the others: so
            patterns and slopes stay linear in each other. By default no unit is dropped.
    """
    layers: list[torch.Tensor] = []

    def record_pattern(_: nn.Module, __: object, out: torch.Tensor) -> torch.Tensor:
        kept = torch.ones_like(out)
        if rng is not None and layers:
            kept = torch.from_numpy(rng.random(out.shape) >= rate)
        layers.append((out > 0) & (kept > 0))
        return out * kept

    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    handles = [relu.register_forward_hook(record_pattern) for relu in relus]
    try:
        slopes = input_gradient_norms(network, inputs).numpy()
    finally:
        for handle in handles:
            handle.remove()
    product = layers[0]
    for layer in layers[1:]:
        product = (product.unsqueeze(2) & layer.unsqueeze(1)).flatten(1)
    return PatternSlopes(product.numpy(), slopes)


class KnownPatterns:
    """Activation patterns of some points, their linear span, and the bounds that those points give elsewhere.

    Args:
        points: patterns and slopes of the points.
    """

    def __init__(self, points: PatternSlopes) -> None:
        self.patterns, slopes = points.unique
        self._span = PatternSpan([self.patterns], slopes)

    def span(self, patterns: np.ndarray) -> np.ndarray:
        """Return which of the patterns `(n, P)` are in the span."""
        return self._span.covers([patterns])

    def contain(self, patterns: np.ndarray) -> np.ndarray:
        """Return which of the patterns `(n, P)` the points themselves have."""
        known = {row.tobytes() for row in self.patterns}
        return np.array([row.tobytes() in known for row in patterns], dtype=bool)

    def bounds(self, patterns: np.ndarray) -> np.ndarray:
        """Return the bounds `(n,)` of ||df/dx|| where the pattern is one of `(n, P)`; NaN outside the span."""
        return self._span.bounds([patterns])


def choose_different(patterns: np.ndarray, eligible: np.ndarray, most: int) -> np.ndarray:
    """Return the positions, in order, of at most `most` different patterns `(n, P)`, drawn from the eligible `(n,)`."""
    positions = np.flatnonzero(eligible)
    _, first = np.unique(np.packbits(patterns[positions], axis=1), axis=0, return_index=True)
    drawn = generator(0, "studies/patterns").permutation(positions[first])
    return np.sort(drawn[:most])


def network_and_training_inputs(results: Results, run_id: str) -> tuple[nn.Module, torch.Tensor]:
    """Return a run's network where its training stopped, and its training inputs, both in float64."""
    config = results.config(run_id)
    dataset = data.load(config.data, config.precision)
    inputs = data.inputs_of(dataset, [config], "train").rows()[0]
    return results.network(run_id).double(), inputs.double()


def square_grid(results: Results, run_id: str, side: int) -> torch.Tensor:
    """Return side x side points over the square from which the inputs of the task `frequency` are drawn."""
    ends = np.linspace(-1, 1, side)
    points = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    return torch.from_numpy(points @ _input_rotation(results, run_id)[:, :2].T)


def distant_inputs(results: Results, run_id: str, count: int) -> torch.Tensor:
    """Return random inputs in all dimensions of the task `frequency`, up to twice as far out as its data.

    Data lie in only two of these dimensions.
    """
    rotated = _input_rotation(results, run_id)
    points = generator(0, "studies/far").uniform(-2, 2, (count, len(rotated)))
    return torch.from_numpy(points @ rotated.T)


def _input_rotation(results: Results, run_id: str) -> np.ndarray:
    config = results.config(run_id).data
    return rotation(RandomStream(config.split_seed, config.name), config.dimension or 10)
