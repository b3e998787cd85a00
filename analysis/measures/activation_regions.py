"""Activation regions of ReLU networks, where they are affine, and bounds on slopes far from the training inputs.

The activation pattern of an input says which ReLU units are on, in the network with BatchNorm folded. The bounds are
those of `far_bounds`.
"""

import numpy as np
import torch
from torch import Tensor, nn

from benevolent.analysis.measures.far_bounds import PatternSpan, first_of_each
from benevolent.analysis.measures.lipschitz import points_on_lines
from benevolent.analysis.measures.measured_network import MeasuredNetwork, computed_once, forward_with_hooks
from benevolent.analysis.measures.sensitivity import local_lipschitz

#: Segments between training inputs.
SEGMENTS = 64
#: Steps in which each segment is walked.
STEPS = 64
#: Points on lines through pairs of training inputs, from one length before the first to one length past the second.
POINTS = 32
#: The bounds are made of the first training inputs, up to this number: a linear program takes seconds with 1,000.
INPUTS = 500


def patterns(network: MeasuredNetwork, inputs: Tensor) -> list[Tensor]:
    """Return, for every ReLU layer, which units are on, `(n, units)` booleans, at inputs `(n, *input_shape)`."""
    layers: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        layers.append(arguments[0].flatten(1) > 0)

    relus = [part for part in network.architecture.module.modules() if isinstance(part, nn.ReLU)]
    forward_with_hooks(network, inputs, dict.fromkeys(relus, keep))
    return layers


def activation_regions(network: MeasuredNetwork) -> Tensor:
    """The number of activation regions that the training inputs lie in, over the number of training inputs."""
    distinct = first_of_each(_training_patterns(network))
    return torch.tensor(len(distinct) / len(network.train))


def region_crossings(network: MeasuredNetwork) -> Tensor:
    """The mean number of ReLU units turned on or off along the segment between two training inputs.

    64 segments between pairs that are drawn from one key, each seen at 65 points: a unit that turns twice between two
    of them is missed.
    """
    first = points_on_lines(network, SEGMENTS, 0, 0)
    second = points_on_lines(network, SEGMENTS, 1, 1)
    before = torch.cat(patterns(network, first), 1)
    turned = []
    for step in range(1, STEPS + 1):
        points = torch.lerp(first, second, step / STEPS)
        here = torch.cat(patterns(network, points), 1)
        turned.append((here != before).double().sum(1))
        before = here
    return torch.stack(turned).sum(0).mean()


def far_lipschitz_bound(network: MeasuredNetwork) -> Tensor:
    """The bound min sum_i |a_i| ||d f / d x_i|| with s(x) = sum_i a_i s(x_i), mean over covered points x far from data.

    By linear programming, at 32 points on lines through pairs of training inputs, one length beyond either: at those
    whose pattern none of the first 500 training inputs has, and is spanned by theirs.
    """
    return torch.as_tensor(_bounds_at_far_points(network)).nanmean()


def far_coverage(network: MeasuredNetwork) -> Tensor:
    """The covered fraction of the points of `far_lipschitz_bound` whose pattern no training input has."""
    bounds = _bounds_at_far_points(network)
    covered = np.isfinite(bounds).astype(float)
    return torch.as_tensor(covered).sum() / len(bounds)


@computed_once
def _bounds_at_far_points(network: MeasuredNetwork) -> np.ndarray:
    return bounds_at(network, far_points(network))


def far_points(network: MeasuredNetwork) -> Tensor:
    """Return inputs `(n, *input_shape)`, n <= 32, whose pattern none of the first 500 training inputs has."""
    points = points_on_lines(network, POINTS, -1, 2)
    seen = {row.tobytes() for row in _training_patterns(network)[:INPUTS]}
    rows = torch.cat(patterns(network, points), 1).cpu().numpy()
    is_new = [row.tobytes() not in seen for row in rows]
    return points[torch.tensor(is_new, dtype=torch.bool)]


def bounds_at(network: MeasuredNetwork, points: Tensor) -> np.ndarray:
    """Return bounds `(n,)` of ||d f / d x||_2 at points `(n, *input_shape)`; NaN where the pattern is not spanned."""
    first = first_of_each(_training_patterns(network)[:INPUTS])
    slopes = local_lipschitz(network).double().cpu().numpy()[first]
    inputs = network.train.inputs[torch.from_numpy(first)]
    span = PatternSpan(_as_numpy(patterns(network, inputs)), slopes)
    return span.bounds(_as_numpy(patterns(network, points)))


def _as_numpy(layers: list[Tensor]) -> list[np.ndarray]:
    return [layer.cpu().numpy() for layer in layers]


@computed_once
def _training_patterns(network: MeasuredNetwork) -> np.ndarray:
    """Return which units of all ReLU layers are on at the training inputs `(N, all units)`.

    An array of NumPy: measures that use it are registered with `mapped=False`.
    """
    parts = []
    for inputs, _ in network.batches():
        joined = torch.cat(patterns(network, inputs), 1)
        parts.append(joined.cpu().numpy())
    return np.concatenate(parts)
