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
from benevolent.analysis.measures.sensitivity import local_lipschitz
from benevolent.analysis.measures.subject import Subject, shared, unstacked, watched

#: Segments between training inputs, and the steps that each is walked in.
SEGMENTS, STEPS = 64, 64
#: Points on lines through pairs of training inputs, from one length before the first to one length past the second;
#: and the training inputs, the first of them, that the bound there is made of: a program takes seconds with 1,000.
POINTS, INPUTS = 32, 500
#: Of unit vectors: below it a squared distance from a span, or an eigenvalue, is zero.
ZERO = 1e-9


def patterns(subject: Subject, inputs: Tensor) -> list[Tensor]:
    """Which units of every ReLU layer are on, `(n, units)` booleans each, at inputs `(n, *input_shape)`."""
    found: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found.append(given[0].flatten(1) > 0)

    layers = [part for part in subject.architecture.module.modules() if isinstance(part, nn.ReLU)]
    watched(subject, inputs, dict.fromkeys(layers, note))
    return found


@unstacked
def activation_regions(subject: Subject) -> Tensor:
    """The number of activation regions that the training inputs lie in, over the number of training inputs."""
    return torch.tensor(len(_different(_training_patterns(subject))) / len(subject.train))


def region_crossings(subject: Subject) -> Tensor:
    """The mean number of ReLU units turned on or off along the segment between two training inputs.

    64 segments between pairs that are drawn from one key, each seen at 65 points: a unit that turns twice between two
    of them is not seen to.
    """
    ends = between(subject, SEGMENTS, 0, 0), between(subject, SEGMENTS, 1, 1)
    before, turned = None, list[Tensor]()
    for step in range(STEPS + 1):
        now = torch.cat(patterns(subject, torch.lerp(*ends, step / STEPS)), 1)
        turned += [] if before is None else [(now != before).double().sum(1)]
        before = now
    return torch.stack(turned).sum(0).mean()


@unstacked
def far_lipschitz_bound(subject: Subject) -> Tensor:
    """The bound min sum_i |a_i| ||d f / d x_i|| with s(x) = sum_i a_i s(x_i), mean over covered points x far from data.

    By linear programming, of 32 points on lines through pairs of training inputs, one length beyond either: those whose
    pattern none of the first 500 training inputs has, and is spanned by theirs.
    """
    return torch.as_tensor(_far(subject)).nanmean()


@unstacked
def far_coverage(subject: Subject) -> Tensor:
    """The fraction covered of the points of `far_lipschitz_bound` whose pattern no training input has."""
    bounds = _far(subject)
    return torch.as_tensor(np.isfinite(bounds).astype(float)).sum() / len(bounds)


@shared
def _far(subject: Subject) -> np.ndarray:
    return far_bounds(subject, far_points(subject))


def far_points(subject: Subject) -> Tensor:
    """The inputs `(n, *input_shape)`, n <= 32, whose activation pattern none of the first 500 training inputs has."""
    points = between(subject, POINTS, -1, 2)
    known = {row.tobytes() for row in _training_patterns(subject)[:INPUTS]}
    here = torch.cat(patterns(subject, points), 1).cpu().numpy()
    return points[torch.tensor([row.tobytes() not in known for row in here], dtype=torch.bool)]


def far_bounds(subject: Subject, points: Tensor) -> np.ndarray:
    """The bounds `(n,)` of ||d f / d x||_2 at points `(n, *input_shape)`; NaN where the pattern is not spanned."""
    first = _different(_training_patterns(subject)[:INPUTS])
    slopes = local_lipschitz(subject).double().cpu().numpy()[first]
    seen, new = (
        [layer.double().cpu().numpy() for layer in patterns(subject, inputs)]
        for inputs in (subject.train.inputs[torch.from_numpy(first)], points)
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


@shared
def _training_patterns(subject: Subject) -> np.ndarray:
    parts = [torch.cat(patterns(subject, inputs), 1).cpu().numpy() for inputs, _ in subject.batches()]
    return np.concatenate(parts)


def _different(rows: np.ndarray) -> np.ndarray:
    """The place where each different row is first."""
    return np.sort(np.unique(np.packbits(rows, axis=1), axis=0, return_index=True)[1])
