"""Families with one layer of fixed or of pattern-detecting features, or with fixed output weights."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import nn
from benevolent.trainables.models.parts import Positive, Shape


def xord(input_shape: Shape, outputs: int, *, filters: Positive = 50) -> nn.Sequential:
    """Detector of two-number patterns.

    Source: Brutzkus and Globerson 2019, the XOR detection problem: `N(x) = sum_i max_j relu(w_i x_j) - max_j relu(u_i
    x_j)`, for inputs of d patterns of two numbers, with k = `filters`; 2 and 50 in the figures. One output, 4 k
    parameters.

    `filters`: k, the number of detectors of each sign.

    >>> from benevolent.trainables.models.parts import count
    >>> count(xord((10, 2), 1, filters=50))
    200
    """
    from benevolent.trainables.models.modules import PatternDetector

    if len(input_shape) != 2 or input_shape[1] != 2:
        raise BadInput(f"model.family = 'xord': takes inputs of shape (patterns, 2), not {input_shape}")
    if outputs != 1:
        raise BadInput(f"model.family = 'xord': has one output, the data asks for {outputs}")
    return nn.Sequential(PatternDetector(filters))


def random_features(
    input_shape: Shape,
    outputs: int,
    *,
    features: Annotated[int, Field(ge=2, multiple_of=2)] = 1000,
    bandwidth: Annotated[float, Field(gt=0)] = 0.1,
) -> nn.Sequential:
    """Random Fourier features and a linear layer.

    Source: Belkin et al. 2018, `h(x) = sum_k a_k exp(i <v_k, x>)` with `v_k` normal of standard deviation
    `bandwidth`. In real numbers: a cosine and a sine of `features / 2` frequencies, which are drawn from the run's
    seed and frozen. The linear layer has no bias: `features` times outputs are trained.

    `features`: number of cosines and sines. `bandwidth`: standard deviation of the frequencies.

    >>> from benevolent.trainables.models.parts import count
    >>> count(random_features((1, 28, 28), 10, features=1000))
    10000
    """
    from benevolent.trainables.models.modules import RandomFeatures

    size = math.prod(input_shape)
    flat = [nn.Flatten()] if len(input_shape) > 1 else []
    last = nn.Linear(features, outputs, bias=False)
    return nn.Sequential(*flat, RandomFeatures(size, features // 2, bandwidth), last)


def fixed_signs(input_shape: Shape, outputs: int, *, width: Positive = 1000) -> nn.Sequential:
    """Two-layer ReLU network of which only the first layer is trained.

    Source: Du et al. 2019, `f(x) = 1 / sqrt(m) sum_r a_r relu(w_r x)` with m = `width` and `a_r` uniform in {-1, 1},
    drawn from the run's seed and frozen. They draw `w_r` standard normal (`init: {scheme: normal, std: 1}`). There are
    no biases.

    `width`: m, the number of hidden units.

    >>> from benevolent.trainables.models.parts import count
    >>> count(fixed_signs((1000,), 1, width=2000))
    2000000
    """
    from benevolent.trainables.models.modules import FixedSigns

    size = math.prod(input_shape)
    flat = [nn.Flatten()] if len(input_shape) > 1 else []
    return nn.Sequential(*flat, nn.Linear(size, width, bias=False), nn.ReLU(), FixedSigns(width, outputs))
