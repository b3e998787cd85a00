"""What training points say of a function far from them, through activation patterns (Loukas et al. 2021).

With all layers but the ReLUs affine, df/dx is linear in the Kronecker product s(x) of the layers' activation patterns.
So s(x) = sum_i a_i s(x_i) gives ||df/dx|| <= sum_i |a_i| ||df/dx_i|| (see `analysis.measures.far_bounds`).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benevolent.analysis.measures.far_bounds import PatternSpan, first_of_each
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.bias_path import lipschitz
from benevolent.trainables import data
from benevolent.trainables.data.synthetic import rotation
from benevolent.trainables.rng import generator


class Regions(NamedTuple):
    """Activation patterns `(n, P)`, products over layers, and ||df/dx|| `(n,)` there."""

    patterns: np.ndarray
    slopes: np.ndarray

    @property
    def different(self) -> "Regions":
        """Every pattern once."""
        first = first_of_each(self.patterns)
        return Regions(self.patterns[first], self.slopes[first])


def regions(
    network: nn.Module, inputs: torch.Tensor, rate: float = 0, draw: np.random.Generator | None = None
) -> Regions:
    """The regions of a float64 ReLU network of one output that inputs `(n, *input_shape)` lie in.

    With `draw`, units of every ReLU layer but the first are left out with probability `rate`, as by Dropout, but
    without making up for it by larger outputs: so patterns and slopes stay linear in each other.
    """
    layers: list[torch.Tensor] = []

    def watch(_: nn.Module, __: object, out: torch.Tensor) -> torch.Tensor:
        kept = torch.ones_like(out) if draw is None or not layers else torch.from_numpy(draw.random(out.shape) >= rate)
        layers.append((out > 0) & (kept > 0))
        return out * kept

    handles = [part.register_forward_hook(watch) for part in network.modules() if isinstance(part, nn.ReLU)]
    try:
        slopes = lipschitz(network, inputs).numpy()
    finally:
        for handle in handles:
            handle.remove()
    whole = layers[0]
    for layer in layers[1:]:
        whole = (whole.unsqueeze(2) & layer.unsqueeze(1)).flatten(1)
    return Regions(whole.numpy(), slopes)


class Span:
    """The span of the patterns of some regions, and the bounds that these give."""

    def __init__(self, seen: Regions) -> None:
        self.seen = seen.different
        self._span = PatternSpan([self.seen.patterns], self.seen.slopes)

    def covers(self, patterns: np.ndarray) -> np.ndarray:
        """Return True `(n,)` for the patterns `(n, P)` that are in the span."""
        return self._span.covers([patterns])

    def knows(self, patterns: np.ndarray) -> np.ndarray:
        """Whether patterns `(n, P)` are among those seen."""
        known = {row.tobytes() for row in self.seen.patterns}
        return np.array([row.tobytes() in known for row in patterns], dtype=bool)

    def bound(self, pattern: np.ndarray) -> float:
        """Return the least sum_i |a_i| ||df/dx_i|| with sum_i a_i s(x_i) = pattern `(P,)`; NaN if there is none."""
        return float(self._span.bounds([pattern[None]])[0])


def some_different(patterns: np.ndarray, among: np.ndarray, most: int) -> np.ndarray:
    """Places of at most so many different patterns `(n, P)`, drawn at random from those marked `(n,)`, in order."""
    places = np.flatnonzero(among)
    _, first = np.unique(np.packbits(patterns[places], axis=1), axis=0, return_index=True)
    return np.sort(generator(0, "studies/patterns").permutation(places[first])[:most])


def network_and_inputs(results: Results, run_id: str) -> tuple[nn.Module, torch.Tensor]:
    """A run's network at its end and its training inputs, both in float64."""
    config = results.config(run_id)
    inputs = data.inputs_of(data.load(config.data, config.precision), [config], "train").rows()[0]
    return results.network(run_id).double(), inputs.double()


def plane(results: Results, run_id: str, side: int) -> torch.Tensor:
    """A grid of side x side points over the square that the sinusoid's inputs are drawn from."""
    ends = np.linspace(-1, 1, side)
    corners = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    return torch.from_numpy(corners @ _turn(results, run_id)[:, :2].T)


def cube(results: Results, run_id: str, count: int) -> torch.Tensor:
    """Random inputs in all dimensions of the sinusoid's, not only the two that data lie in, up to twice as far out."""
    turn = _turn(results, run_id)
    return torch.from_numpy(generator(0, "studies/far").uniform(-2, 2, (count, len(turn))) @ turn.T)


def _turn(results: Results, run_id: str) -> np.ndarray:
    config = results.config(run_id).data
    return rotation(generator(config.split_seed, config.name), config.dimension or 10)
