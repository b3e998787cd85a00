"""Synthetic tasks, drawn from formulas of papers.

Add a task by writing a builder and naming it in `SYNTHETIC`. A builder gets a generator and, as keyword-only arguments,
the fields of `data:` that it takes. It draws the fixed parts of the task (directions, rotations) and returns a sampler:
a function from another generator and a number of examples to inputs `(N, *input_shape)` and labels `(N,)`. Labels are 0
or 1, or floats where the target is `real`. Inputs are used as drawn: their scale is part of the task.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data.split import Inputs, Split, Target
from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import torch
from benevolent.trainables.rng import RandomStream

Array = np.ndarray[Any, Any]
Rng = RandomStream
Sampler = Callable[[Rng, int], tuple[Array, Array]]


def frequency(rng: Rng, *, dimension: int = 10, frequency: float) -> Sampler:
    """A sinusoid in the plane, embedded in `dimension` dimensions; the higher its `frequency`, the more complex.

    u uniform in [-1, 1]^2, y = cos(2 pi f u_1) cos(2 pi f u_2), x = 10 Q (u, 0, ..., 0) with Q orthogonal (from the
    QR decomposition of a Gaussian matrix). After the public code of Loukas, Poiitis and Jegelka 2021 (100 training
    and 30 test examples, f from 0.25 to 1).
    """
    if dimension < 2:
        raise BadInput(f"data.dimension = {dimension}: at least 2")
    turn = rotation(rng, dimension)

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        u = rng.uniform(-1, 1, (count, 2))
        inputs = u @ turn[:, :2].T
        waves = np.cos(2 * np.pi * frequency * u)
        return inputs, waves.prod(1)

    return sample


def rotation(rng: Rng, dimension: int) -> Array:
    """Return 10 Q of the task `frequency`, `(dimension, dimension)`: inputs are its first two columns times u."""
    gaussian = rng.standard_normal((dimension, dimension))
    orthogonal, _ = np.linalg.qr(gaussian)
    return 10 * orthogonal


def sinusoid(rng: Rng, *, dimension: int = 100) -> Sampler:
    """The sign of <w, x> + sin <w', x>, x standard normal: nearly linear, and not quite.

    w and w' are orthonormal. Nakkiran, Kalimeris et al. 2019, section 3, task (iv), with 100 dimensions; they give
    no norms. From a fixed sample that a network can memorize it learns little beyond w; see `fresh`.
    """
    if dimension < 2:
        raise BadInput(f"data.dimension = {dimension}: at least 2")
    gaussian = rng.standard_normal((dimension, 2))
    directions, _ = np.linalg.qr(gaussian)

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        x = rng.standard_normal((count, dimension))
        along, across = (x @ directions).T
        return x, along + np.sin(across) > 0

    return sample


def disk(rng: Rng, *, frequency: float, noise: float) -> Sampler:
    """The unit disk cut by a sinusoidal curve, with label noise: a task whose boundary can be drawn.

    x uniform in the disk, label 1 above the curve x_2 = sin(2 pi f x_1) / 2; each label is wrong with probability
    `noise`. Nakkiran, Kalimeris et al. 2019, figure 1 (noise 0.1); the curve's height and frequency are ours.
    """

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        squared_radius, turn, uniform = rng.random((count, 3)).T
        angle = 2 * np.pi * turn
        directions = np.stack([np.cos(angle), np.sin(angle)], 1)
        x = np.sqrt(squared_radius)[:, None] * directions
        curve = np.sin(2 * np.pi * frequency * x[:, 0]) / 2
        is_above = x[:, 1] > curve
        is_wrong = uniform < noise
        return x, is_above ^ is_wrong

    return sample


def xord(rng: Rng, *, dimension: int = 10, hard: bool = False) -> Sampler:
    """The XOR detection problem: find a pair of equal signs among `dimension` pairs.

    x_j in {-1, 1}^2, label 1 if some x_j is (1, 1) or (-1, -1), else 0; inputs are `(dimension, 2)`, both labels are
    equally likely. Brutzkus and Globerson 2019. On this distribution a network that misses a pattern hardly errs,
    since most positives have several; with `hard_test` the positives of the test split have exactly one.
    """

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        labels = rng.integers(0, 2, count)
        first = rng.integers(0, 2, (count, dimension))
        equal = rng.integers(0, 2, (count, dimension))
        while len(again := np.flatnonzero(~equal.any(1))):  # positives have at least one: draw until they do
            equal[again] = rng.integers(0, 2, (len(again), dimension))
        if hard:
            pairs = rng.integers(0, dimension, count)
            equal = np.eye(dimension, dtype=int)[pairs]
        equal[labels == 0] = 0
        second = first ^ equal ^ 1
        bits = np.stack([first, second], 2)
        return bits * 2 - 1, labels

    return sample


def sparse_linear(rng: Rng, *, dimension: int = 10_000, noise: float) -> Sampler:
    """One useful coordinate and many that only identify the examples: memorizing is easy, and need not hurt.

    y uniform in {-1, 1}, x = eta y e_1 + e_k, k uniform in {2, ..., d}, eta = -1 with probability `noise`, else 1.
    Nakkiran, Kalimeris et al. 2019, section 5 (theorem 1): from a small initialization SGD on n = o(sqrt d) examples
    reaches accuracy 1 on them and 1 - noise on the population, although linear classifiers exist that fit the
    examples and do no better than chance. The outcome `population_error` of linear networks is exact, see
    `population_accuracy`.
    """
    if dimension < 2:
        raise BadInput(f"data.dimension = {dimension}: at least 2")

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        label_luck, noise_luck, place = rng.random((count, 3)).T
        labels = label_luck < 0.5
        flipped = noise_luck < noise
        x = np.zeros((count, dimension), np.float32)
        x[:, 0] = np.where(labels ^ flipped, 1, -1)
        places = place * (dimension - 1)
        identifying = 1 + places.astype(int)
        x[np.arange(count), identifying] = 1
        return x, labels

    return sample


def population_accuracy(first: float, rest: Array, noise: float) -> float:
    """Return the exact accuracy of the linear classifier w = (first, rest) on `sparse_linear`; a tie counts one half.

    The sign of y <w, x> = eta first + y w_k, averaged over y, eta and k.

    Args:
        first: w_1.
        rest: `(d - 1,)`, the other weights, each with the bias of the classifier added.
        noise: the probability that eta is -1.

    >>> population_accuracy(1.0, np.zeros(9), 0.1)
    0.9
    """
    rest = np.asarray(rest, dtype=np.float64)
    probabilities = {1: 1 - noise, -1: noise}
    accuracy = 0.0
    for sign in (-1, 1):
        for eta, probability in probabilities.items():
            right = np.heaviside(eta * first + sign * rest, 0.5)
            accuracy += probability * right.mean() / 2
    return float(accuracy)


def _population_error(weights: Array, bias: float, noise: float) -> float:
    """Return the exact error of a linear classifier on `sparse_linear`."""
    return 1 - population_accuracy(weights[0], weights[1:] + bias, noise)


def staircase(rng: Rng, *, dimension: int = 20) -> Sampler:
    """The sign of x_1 + 0.7 x_2 x_3 + 0.5 x_4 x_5 x_6, x standard normal: three steps of increasing complexity.

    A linear, a quadratic and a cubic term of decreasing weight stand for the ladder of classifiers in Nakkiran,
    Kalimeris et al. 2019, section 4, at a size for one core; the task is ours. More dimensions distract.
    """
    if dimension < 6:
        raise BadInput(f"data.dimension = {dimension}: at least 6")

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        x = rng.standard_normal((count, dimension))
        linear = x[:, 0]
        quadratic = 0.7 * x[:, 1] * x[:, 2]
        cubic = 0.5 * x[:, 3:6].prod(1)
        return x, linear + quadratic + cubic > 0

    return sample


def sphere(rng: Rng, *, dimension: int = 100) -> Sampler:
    """Points on the unit sphere with random numbers as targets: there is nothing to learn but the examples.

    x uniform on the unit sphere, y standard normal. Du et al. 2019, section 6 (1,000 examples in 1,000 dimensions).
    """

    def sample(rng: Rng, count: int) -> tuple[Array, Array]:
        gaussian = rng.standard_normal((count, dimension + 1))
        directions = gaussian[:, :dimension]
        return directions / np.linalg.norm(directions, axis=1, keepdims=True), gaussian[:, dimension]

    return sample


@dataclass(frozen=True)
class SyntheticTask:
    """A synthetic task.

    Attributes:
        build: from a random generator and the task's parameters to a sampler.
        source: the paper.
        target: `classes` or `real`.
        population_error: the exact error of a linear classifier, from its weights `(dimension,)`, its bias and the
            noise; None: not known.
    """

    build: Callable[..., Sampler]
    source: str
    target: Target = "classes"
    population_error: Callable[[Array, float, float], float] | None = None


SYNTHETIC: dict[str, SyntheticTask] = {
    "frequency": SyntheticTask(frequency, "Loukas, Poiitis and Jegelka 2021", "real"),
    "sinusoid": SyntheticTask(sinusoid, "Nakkiran, Kalimeris et al. 2019, section 3"),
    "disk": SyntheticTask(disk, "Nakkiran, Kalimeris et al. 2019, figure 1"),
    "xord": SyntheticTask(xord, "Brutzkus and Globerson 2019"),
    "sparse_linear": SyntheticTask(
        sparse_linear,
        "Nakkiran, Kalimeris et al. 2019, theorem 1",
        population_error=_population_error,
    ),
    "sphere": SyntheticTask(sphere, "Du et al. 2019, section 6", "real"),
    "staircase": SyntheticTask(staircase, "after Nakkiran, Kalimeris et al. 2019, section 4"),
}


def parameters(name: str) -> tuple[str, ...]:
    """Return the fields of `data:` that a synthetic task takes."""
    arguments = inspect.signature(SYNTHETIC[name].build).parameters.values()
    names = [argument.name for argument in arguments if argument.kind is argument.KEYWORD_ONLY]
    return tuple("hard_test" if name == "hard" else name for name in names)


def sampler(config: DataConfig, hard: bool = False) -> Sampler:
    """Return the sampler of a synthetic `data:` section, whose fixed parts are drawn from `split_seed`.

    Args:
        config: its name is in `SYNTHETIC`.
        hard: sample the hard distribution, if the task has one.
    """
    arguments: dict[str, Any] = {}
    for field in parameters(config.name):
        if field == "hard_test":
            arguments["hard"] = hard
        elif getattr(config, field) is not None:
            arguments[field] = getattr(config, field)
    rng = RandomStream(config.split_seed, config.name)
    return SYNTHETIC[config.name].build(rng, **arguments)


def draw_split(config: DataConfig, inputs: Array, labels: Array, dtype: torch.dtype, device: str) -> Split:
    """Return samples of a synthetic `data:` section as a split; classes become integers, real targets floats."""
    is_of_classes = SYNTHETIC[config.name].target == "classes"
    label_dtype = torch.int64 if is_of_classes else dtype
    input_tensor = torch.from_numpy(inputs).to(device, dtype)
    label_tensor = torch.from_numpy(labels).to(device, label_dtype)
    return Split(Inputs.of(input_tensor), label_tensor)
