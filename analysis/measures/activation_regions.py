"""Activation regions of ReLU networks, where they are affine, and what the training inputs' regions say of others.

The pattern of an input says which ReLU units are on, in the network with BatchNorm folded. Where all other layers are
affine, the Jacobian d f / d x is linear in the Kronecker product s(x) of the layers' patterns. So if
s(x) = sum_i a_i s(x_i), then ||d f / d x|| <= sum_i |a_i| ||d f / d x_i||: a bound far from the data, from the training
inputs alone (Loukas et al. 2021, as in the authors' code). Scalar products of s are products of those of the layers'
patterns, so nothing of the size of s is computed, whatever the depth.
"""

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor, nn

from benevolent.analysis.measures.lipschitz import between
from benevolent.analysis.measures.measured_network import (
    MeasuredNetwork,
    computed_once,
    forward_with_hooks,
    one_network_at_a_time,
)
from benevolent.analysis.measures.sensitivity import local_lipschitz

#: Segments between training inputs, and the steps that each is walked in.
SEGMENTS, STEPS = 64, 64
#: Points on lines through pairs of training inputs, from one length before the first to one length past the second;
#: and the training inputs, the first of them, that the bound there is made of: a program takes seconds with 1,000.
POINTS, INPUTS = 32, 500
#: Of unit vectors: below it a squared distance from a span, or an eigenvalue, is zero.
ZERO = 1e-9


def patterns(network: MeasuredNetwork, inputs: Tensor) -> list[Tensor]:
    """Which units of every ReLU layer are on, `(n, units)` booleans each, at inputs `(n, *input_shape)`."""
    found: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(given[0].flatten(1) > 0)

    layers = [part for part in network.architecture.module.modules() if isinstance(part, nn.ReLU)]
    forward_with_hooks(network, inputs, dict.fromkeys(layers, note))
    return found


@one_network_at_a_time
def activation_regions(network: MeasuredNetwork) -> Tensor:
    """The number of activation regions that the training inputs lie in, over the number of training inputs."""
    return torch.tensor(len(_different(_training_patterns(network))) / len(network.train))


def region_crossings(network: MeasuredNetwork) -> Tensor:
    """The mean number of ReLU units turned on or off along the segment between two training inputs.

    64 segments between pairs that are drawn from one key, each seen at 65 points: a unit that turns twice between two
    of them is not seen to.
    """
    ends = between(network, SEGMENTS, 0, 0), between(network, SEGMENTS, 1, 1)
    before, turned = None, list[Tensor]()
    for step in range(STEPS + 1):
        now = torch.cat(patterns(network, torch.lerp(*ends, step / STEPS)), 1)
        turned += [] if before is None else [(now != before).double().sum(1)]
        before = now
    return torch.stack(turned).sum(0).mean()


@one_network_at_a_time
def far_lipschitz_bound(network: MeasuredNetwork) -> Tensor:
    """The bound min sum_i |a_i| ||d f / d x_i|| with s(x) = sum_i a_i s(x_i), mean over covered points x far from data.

    By linear programming, of 32 points on lines through pairs of training inputs, one length beyond either: those whose
    pattern none of the first 500 training inputs has, and is spanned by theirs.
    """
    return torch.as_tensor(_far(network)).nanmean()


@one_network_at_a_time
def far_coverage(network: MeasuredNetwork) -> Tensor:
    """The fraction covered of the points of `far_lipschitz_bound` whose pattern no training input has."""
    bounds = _far(network)
    return torch.as_tensor(np.isfinite(bounds).astype(float)).sum() / len(bounds)


@computed_once
def _far(network: MeasuredNetwork) -> np.ndarray:
    return far_bounds(network, far_points(network))


def far_points(network: MeasuredNetwork) -> Tensor:
    """The inputs `(n, *input_shape)`, n <= 32, whose activation pattern none of the first 500 training inputs has."""
    points = between(network, POINTS, -1, 2)
    known = {row.tobytes() for row in _training_patterns(network)[:INPUTS]}
    here = torch.cat(patterns(network, points), 1).cpu().numpy()
    return points[torch.tensor([row.tobytes() not in known for row in here], dtype=torch.bool)]


def far_bounds(network: MeasuredNetwork, points: Tensor) -> np.ndarray:
    """The bounds `(n,)` of ||d f / d x||_2 at points `(n, *input_shape)`; NaN where the pattern is not spanned."""
    first = _different(_training_patterns(network)[:INPUTS])
    slopes = local_lipschitz(network).double().cpu().numpy()[first]
    seen, new = (
        [layer.double().cpu().numpy() for layer in patterns(network, inputs)]
        for inputs in (network.train.inputs[torch.from_numpy(first)], points)
    )
    scale, own = (np.sqrt(np.prod([layer.sum(1) for layer in layers], 0)) for layers in (seen, new))
    alive = scale > 0  # where a whole layer is off, the Jacobian is zero
    gram = np.prod([layer[alive] @ layer[alive].T for layer in seen], 0) / np.outer(scale[alive], scale[alive])
    cross = np.prod([a @ b[alive].T for a, b in zip(new, seen, strict=True)], 0) / scale[alive]
    values, vectors = np.linalg.eigh(gram)
    rank = int((values > ZERO).sum())
    span, null, values = (
        vectors[:, len(values) - rank :],
        vectors[:, : len(values) - rank],
        values[len(values) - rank :],
    )
    bounds = np.zeros(len(points))
    for place in np.flatnonzero(own):
        part = span.T @ cross[place] / own[place] / values
        covered = 1 - values @ part**2 <= ZERO
        bounds[place] = own[place] * _least(slopes[alive] / scale[alive], span @ part, null) if covered else np.nan
    return bounds


def _least(cost: np.ndarray, one: np.ndarray, null: np.ndarray) -> float:
    """The least sum_i cost_i |a_i| over a = `one` + `null` z.

    By its dual, max one^T w over |w_i| <= cost_i with null^T w = 0: the patterns are nearly independent as a rule, so
    that this has few rows.
    """
    if not null.shape[1]:
        return float(cost @ np.abs(one))
    box = np.stack([-cost, cost], 1)
    solved = linprog(-one, A_eq=null.T, b_eq=np.zeros(null.shape[1]), bounds=box, method="highs")
    return float(-solved.fun) if solved.success else np.nan


@computed_once
def _training_patterns(network: MeasuredNetwork) -> np.ndarray:
    parts = [torch.cat(patterns(network, inputs), 1).cpu().numpy() for inputs, _ in network.batches()]
    return np.concatenate(parts)


def _different(rows: np.ndarray) -> np.ndarray:
    """The place where each different row is first."""
    return np.sort(np.unique(np.packbits(rows, axis=1), axis=0, return_index=True)[1])
