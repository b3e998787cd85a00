"""Every measure against a naive float64 reference and a closed form, and laws that all measures obey."""

import copy
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.metrics import davies_bouldin_score
from torch import nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benevolent.analysis.measures import (
    MEASURES,
    MappingWarning,
    Measure,
    curvature,
    evaluate,
    measure_network,
    measure_stack,
    memorization,
    rng,
)
from benevolent.analysis.measures import normalized_loss as loss_over_norms
from benevolent.analysis.measures.requirements import TRUE_LABELS
from benevolent.analysis.measures.selection import select
from benevolent.trainables import models
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.network import Network
from benevolent.trainables.training.dynamics_names import DYNAMICS


class Task(NamedTuple):
    """A float64 module, its initial twin, and data.

    `truth`: the training labels before some were corrupted; `pruned`: whether weights that are zero are pruned.
    """

    module: nn.Module
    init: nn.Module
    inputs: torch.Tensor
    labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    truth: torch.Tensor | None = None
    validation_inputs: torch.Tensor | None = None
    validation_labels: torch.Tensor | None = None
    pruned: bool = False

    @property
    def masks(self) -> dict[str, torch.Tensor]:
        weights = {name: value for name, value in self.module.named_parameters() if value.ndim >= 2}
        return {name: (value != 0).unsqueeze(0) for name, value in weights.items()} if self.pruned else {}


def make_task(architecture: str, seed: int = 0) -> Task:
    torch.manual_seed(seed)
    shape = (1, 6, 6) if "cnn" in architecture else (5,)
    build: dict[str, Callable[[], nn.Module]] = {
        "mlp": lambda: models.mlp(shape, 3, width=6, depth=3),
        "mlp_no_bias": lambda: models.mlp(shape, 3, width=6, depth=3, bias="none"),
        "cnn": lambda: models.puzzles_cnn(shape, 3, filters=2, kernel=3, bias="all"),
        "cnn_strided": lambda: models.puzzles_cnn(shape, 3, filters=2, kernel=3, stride=2, padding=1),
    }
    module, init = build[architecture]().double(), build[architecture]().double()
    draw = torch.Generator().manual_seed(0)  # all tasks of an architecture share their inputs
    inputs, test_inputs, validation_inputs = (torch.randn(size, *shape, generator=draw).double() for size in (12, 7, 9))
    labels, validation_labels = module(inputs).argmax(-1), module(validation_inputs).argmax(-1)
    truth = labels.clone()
    truth[5] = (truth[5] + 1) % 3  # a wrong label that is fitted
    labels[:2] = (labels[:2] + 1) % 3  # two that are not: ten of twelve are right
    validation_labels[0] = (validation_labels[0] + 1) % 3
    return Task(module, init, inputs, labels, test_inputs, labels[:7], truth, validation_inputs, validation_labels)


@pytest.fixture(autouse=True)
def large_box(monkeypatch):
    """At the radius of real data hardly any input of these small networks is critical."""
    monkeypatch.setattr(memorization, "RADIUS", 0.6)


# The truth: every measure once more, by loops, dense matrices and numpy.


def weights(task: Task) -> list[torch.Tensor]:
    return [value.detach() for value in task.module.parameters() if value.ndim >= 2]


def frobenius(task: Task) -> list[float]:
    return [math.sqrt(sum(float(entry) ** 2 for entry in weight.flatten())) for weight in weights(task)]


def spectral(task: Task) -> list[float]:
    found, inputs = [], task.inputs[:1]
    for layer in task.module:
        if hasattr(layer, "weight"):
            zero = torch.zeros_like(inputs)
            jacobian = torch.autograd.functional.jacobian(layer, zero).reshape(-1, zero.numel())
            found.append(np.linalg.svd(jacobian.numpy(), compute_uv=False)[0])
        inputs = layer(inputs).detach()
    return found


def moved(task: Task) -> Task:
    """The network whose parameters are the differences from the initialization."""
    module = copy.deepcopy(task.module)
    for parameter, start in zip(module.parameters(), task.init.parameters(), strict=True):
        parameter.data -= start.data
    return task._replace(module=module)


def matrices(task: Task) -> list[np.ndarray]:
    """Weights with a row for every unit or filter."""
    return [np.array([row.flatten().tolist() for row in weight]) for weight in weights(task)]


def kernels(task: Task) -> list[float]:
    return [np.linalg.svd(matrix, compute_uv=False)[0] for matrix in matrices(task)]


def over_spectral(frobenius_norms: list[float], task: Task) -> list[float]:
    return [(norm / spectral_norm) ** 2 for norm, spectral_norm in zip(frobenius_norms, kernels(task), strict=True)]


def entrywise(task: Task) -> list[float]:
    return [sum(abs(entry) for entry in weight.flatten().tolist()) for weight in weights(task)]


def spectral_complexity(task: Task) -> float:
    total, norms = 0.0, spectral(task)
    for change, norm in zip(matrices(moved(task)), norms, strict=True):
        total += (sum(math.sqrt(sum(entry**2 for entry in row)) for row in change) / norm) ** (2 / 3)
    return math.prod(norms) * total**1.5


def margin(task: Task) -> float:
    return np.quantile(margins(task), 0.1)


def mean_over_margin(norms: list[float], by: float = 1.0) -> float:
    return math.log(len(norms) * (math.prod(norm**2 for norm in norms) / by**2) ** (1 / len(norms)))


def paths_to(task: Task, power: int) -> float:
    powers = copy.deepcopy(task.module)
    for parameter in powers.parameters():
        parameter.data = parameter.data.abs() ** power
    return powers(torch.ones_like(task.inputs[:1])).sum().item()


def margins(task: Task) -> list[float]:
    logits = task.module(task.inputs).tolist()
    rows = zip(logits, task.labels.tolist(), strict=True)
    return [row[label] - max(row[:label] + row[label + 1 :]) for row, label in rows]


def normalized_loss(task: Task, inputs: torch.Tensor, labels: torch.Tensor, p: float = 2) -> float:
    """Of a network with weights divided by their p-norms, and biases by the norms up to their layer."""
    module, product = copy.deepcopy(task.module), 1.0
    for layer in module:
        if hasattr(layer, "weight"):
            entries = layer.weight.data.abs()
            norm = entries.max() if p == math.inf else entries.pow(p).sum() ** (1 / p)
            product *= norm
            layer.weight.data /= norm
            if layer.bias is not None:
                layer.bias.data /= product
    return functional.cross_entropy(module(inputs), labels).item()


def loss_by_output(task: Task, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Of a network whose outputs are divided by the length of the first one."""
    size = math.sqrt(sum(one**2 for one in task.module(task.inputs[:1])[0].tolist()))
    losses = [
        functional.cross_entropy(task.module(x[None]) / size, y[None]).item()
        for x, y in zip(inputs, labels, strict=True)
    ]
    return np.mean(losses)


def at_test(task: Task) -> Task:
    return task._replace(inputs=task.test_inputs)


def singular_values(task: Task) -> list[np.ndarray]:
    """Of the Jacobian at every input."""
    jacobians = [torch.autograd.functional.jacobian(task.module, x[None]) for x in task.inputs]
    return [np.linalg.svd(j.reshape(j.shape[1], -1).numpy(), compute_uv=False) for j in jacobians]


def jacobian_norms(task: Task) -> list[float]:
    return [values[0] for values in singular_values(task)]


def fisher_rao(task: Task) -> float:
    total, theta = 0.0, list(task.module.parameters())
    for x, y in zip(task.inputs, task.labels, strict=True):
        gradients = torch.autograd.grad(functional.cross_entropy(task.module(x[None]), y[None]), theta)
        total += sum((g * t).sum().item() for g, t in zip(gradients, theta, strict=True)) ** 2
    return math.sqrt(total / len(task.labels))


def logits_at(task: Task, vector: torch.Tensor) -> torch.Tensor:
    """Of the network with these parameters."""
    names, shapes = zip(*((name, value.shape) for name, value in task.module.named_parameters()), strict=True)
    parts = vector.split([shape.numel() for shape in shapes])
    named = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
    return torch.func.functional_call(task.module, named, (task.inputs,))


def loss_at(task: Task, vector: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits_at(task, vector), task.labels)


def gradient_at(task: Task, vector: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(lambda v: loss_at(task, v), vector)


def hessian_eigenvalues(task: Task) -> np.ndarray:
    at = torch.from_numpy(theta(task.module))
    hessian = torch.autograd.functional.hessian(lambda vector: loss_at(task, vector), at)
    return np.linalg.eigvalsh(hessian.numpy())


def along_path(task: Task) -> float:
    way, at = theta(task.module) - theta(task.init), torch.from_numpy(theta(task.module))
    hessian = torch.autograd.functional.hessian(lambda vector: loss_at(task, vector), at).numpy()
    return way @ hessian @ way / (way @ way)


def quantiles(values: np.ndarray) -> list[float]:
    return [sorted(values)[math.ceil(len(values) * q) - 1] for q in (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)]


def rise(task: Task, radius: float, adaptive: bool = False, steps: int = 1) -> float:
    at = torch.from_numpy(theta(task.module))
    scale = at.abs() if adaptive else torch.ones_like(at)
    moved, found = torch.zeros_like(at), []
    for _ in range(steps):
        uphill = gradient_at(task, at + scale * moved) * scale
        moved = moved + radius * uphill / uphill.norm()
        moved = moved * min(1, radius / moved.norm().item())
        found.append(loss_at(task, at + scale * moved).item() - loss_at(task, at).item())
    return max(found)


def sigma(task: Task, by_magnitude: bool = False) -> float:
    """By bisection over the very noise of the measure, one network after the other."""
    at = torch.from_numpy(theta(task.module))
    noise = [rng.normal((len(at),), at, "perturbation", index) for index in range(10)]

    def right(vector: torch.Tensor) -> int:
        return int((logits_at(task, vector).argmax(1) == task.labels).sum())

    low, high = 0.0, 2.0
    for _ in range(15):
        middle = (low + high) / 2
        deviation = torch.sqrt(middle**2 * at**2 + 1e-6) if by_magnitude else middle
        lost = sum(right(at) - right(at + deviation * one) for one in noise) / 10 / len(task.labels)
        low, high = (middle, high) if lost < 0.1 - 1e-9 else (low, middle)
    return (low + high) / 2


def pac_bayes(task: Task, around_init: bool) -> float:
    center = theta(task.init) if around_init else 0.0
    noise = sigma(task)
    return sum((theta(task.module) - center) ** 2) / 4 / noise**2 + math.log(len(task.labels) / noise) + 10


def magnitude_pac_bayes(task: Task, around_init: bool) -> float:
    w, first, noise, total = theta(task.module), theta(task.init), sigma(task, True), 0.0
    distance = np.linalg.norm(w - first if around_init else w) ** 2
    for one, start in zip(w, first, strict=True):
        above = 1e-6 + (noise**2 + 1) * distance / len(w)
        total += math.log(above / (1e-6 + noise**2 * (one - start) ** 2)) / 4
    return total + math.log(len(task.labels) / noise) + 10


def theta(module: nn.Module) -> np.ndarray:
    return parameters_to_vector(module.parameters()).detach().numpy()


def bias_gradients(task: Task) -> list[float]:
    """||d f / d b1||_2 at every input."""
    name = next(name for name, value in task.module.named_parameters() if value.ndim == 1)
    found = []
    for x in task.inputs:
        outputs = lambda bias, x=x: torch.func.functional_call(task.module, {name: bias}, (x[None],))  # noqa: E731
        jacobian = torch.autograd.functional.jacobian(outputs, dict(task.module.named_parameters())[name].detach())
        found.append(np.linalg.svd(jacobian[0].numpy(), compute_uv=False)[0])
    return found


def first_singular_values(task: Task) -> list[float]:
    """Of the first weights, as many as there are units."""
    values = np.linalg.svd(weights(task)[0].numpy(), compute_uv=False)
    return [*values, *[0.0] * (len(weights(task)[0]) - len(values))]


def between(task: Task, count: int, low: float, high: float) -> torch.Tensor:
    ends = rng.pairs(len(task.inputs), count, "pairs").tolist()
    shares = rng.uniform((count,), task.inputs, "shares").tolist()
    points = [
        task.inputs[i] + (low + (high - low) * t) * (task.inputs[j] - task.inputs[i])
        for (i, j), t in zip(ends, shares, strict=True)
    ]
    return torch.stack(points)


def noise(task: Task) -> torch.Tensor:
    normal = rng.normal((256, task.inputs[0].numel()), task.inputs, "noise inputs").view(256, *task.inputs.shape[1:])
    return task.inputs.mean(0) + task.inputs.std(0, correction=0) * normal


def patterns(task: Task, inputs: torch.Tensor) -> list[list[np.ndarray]]:
    """Of every input, which units of every ReLU layer are on."""
    found = []
    for x in inputs:
        layers, value = [], x[None]
        for layer in task.module:
            if isinstance(layer, nn.ReLU):
                layers.append((value > 0).flatten().numpy())
            value = layer(value).detach()
        found.append(layers)
    return found


def crossings(task: Task) -> float:
    total = 0
    for i, j in rng.pairs(len(task.inputs), 64, "pairs").tolist():
        walk = torch.stack([torch.lerp(task.inputs[i], task.inputs[j], step / 64) for step in range(65)])
        seen = [np.concatenate(layers) for layers in patterns(task, walk)]
        total += sum(int((a != b).sum()) for a, b in zip(seen[:-1], seen[1:], strict=True))
    return total / 64


def far(task: Task) -> tuple[list[float], list[float]]:
    """The bounds at the far points, NaN where not covered, and what they bound; with the whole Kronecker product."""

    def whole(layers: list[np.ndarray]) -> tuple[float, ...]:
        product = np.ones(1)
        for layer in layers:
            product = np.kron(layer.astype(float), product)
        return tuple(product)

    known = dict(zip(map(whole, patterns(task, task.inputs)), jacobian_norms(task), strict=True))
    together = {tuple(np.concatenate(layers)) for layers in patterns(task, task.inputs)}
    matrix, slopes = np.array(list(known)).T, np.array(list(known.values()))
    bounds, true = [], []
    points = between(task, 32, -1, 2)
    for x, layers in zip(points, patterns(task, points), strict=True):
        if tuple(np.concatenate(layers)) in together:
            continue
        solved = linprog([*slopes, *slopes], A_eq=np.hstack([matrix, -matrix]), b_eq=whole(layers))
        bounds.append(solved.fun if solved.success else math.nan)
        true.append(jacobian_norms(task._replace(inputs=x[None]))[0])
    return bounds, true


def far_bound(task: Task) -> float:
    bounds = [bound for bound in far(task)[0] if not math.isnan(bound)]
    return np.mean(bounds) if bounds else math.nan


def accuracy_on(task: Task, corrupted: bool) -> float:
    answers = task.module(task.inputs).argmax(1).tolist()
    rows = zip(answers, task.labels.tolist(), task.truth.tolist(), strict=True)
    return np.mean([answer == label for answer, label, true in rows if (label != true) == corrupted])


def sensitivities(task: Task) -> np.ndarray:
    found = []
    for x, y in zip(task.inputs, task.labels, strict=True):
        slope = torch.autograd.functional.jacobian(
            lambda v, y=y: functional.cross_entropy(task.module(v), y[None]), x[None]
        )
        found.append(slope.abs().sum().item())
    return np.array(found)


def gini(values: np.ndarray) -> float:
    return sum(abs(a - b) for a in values for b in values) / (2 * len(values) * sum(values))


def critical(task: Task, inputs: torch.Tensor) -> float:
    """By the search of the measure, one input after the other, with the same noise."""
    radius = memorization.RADIUS * task.inputs.numpy().std()
    noise = [rng.normal(tuple(inputs.shape), inputs, "critical samples", step) for step in range(30)]
    found = 0
    for place, x in enumerate(inputs):
        answer = task.module(x[None]).argmax().item()
        point, changed = x.clone(), False
        for step in range(30):
            point.requires_grad_()
            logits = task.module(point[None])[0]
            margin = logits[answer] - max(one for j, one in enumerate(logits) if j != answer)
            (slope,) = torch.autograd.grad(margin, point)
            moved = point.detach() - radius / 0.3 * (0.25 * slope.sign() - 0.2 * noise[step][place])
            point = torch.minimum(torch.maximum(moved, x - radius), x + radius)
            changed |= task.module(point[None]).argmax().item() != answer
        found += changed
    return found / len(inputs)


def along_gradient(task: Task) -> list[tuple[float, float, float]]:
    """The loss, the gradient's change, and that per length, after each step."""
    at = torch.from_numpy(theta(task.module))
    own, found = gradient_at(task, at), []
    for step in np.geomspace(0.05, 0.4, 8):
        change = (own - gradient_at(task, at - step * own)).norm().item()
        found.append((loss_at(task, at - step * own).item(), change, change / (step * own.norm().item())))
    return found


def shifts(task: Task) -> list[tuple[float, float]]:
    """The change and the cosine of every layer's gradient after a step of the layers before it."""
    at = torch.from_numpy(theta(task.module))
    own = gradient_at(task, at)
    layers = [sum(p.numel() for p in layer.parameters()) for layer in task.module]
    ends = np.cumsum([size for size in layers if size])
    found = []
    for begin, end in zip(ends[:-1], ends[1:], strict=True):
        moved = at.clone()
        moved[:begin] -= 0.1 * own[:begin]
        a, b = own[begin:end], gradient_at(task, moved)[begin:end]
        found.append(((a - b).norm().item(), (a @ b / a.norm() / b.norm()).item()))
    return found


def input_margins(task: Task) -> list[float]:
    found = []
    for x, y in zip(task.inputs, task.labels.tolist(), strict=True):
        logits = task.module(x[None])[0].tolist()
        other = max((j for j in range(len(logits)) if j != y), key=lambda j: logits[j])
        slopes = torch.autograd.functional.jacobian(task.module, x[None])[0]
        found.append((logits[y] - logits[other]) / (slopes[y] - slopes[other]).norm().item())
    return found


def layer_margins(task: Task) -> list[float]:
    """At each layer with weights: of the rest of the network, example by example, over the spread of its inputs."""
    found, points = [], task.inputs
    for place, layer in enumerate(task.module):
        if hasattr(layer, "weight"):
            at = input_margins(task._replace(module=task.module[place:], inputs=points))
            rows = np.array([point.flatten().tolist() for point in points])
            found.append(np.median(at) / math.sqrt(np.mean(np.sum((rows - rows.mean(0)) ** 2, 1))))
        points = layer(points).detach()
    return found


def mixup(task: Task) -> float:
    keys = rng.normal((len(task.labels),), task.inputs, "mixup").tolist()
    right = 0
    for label in set(task.labels.tolist()):
        circle = sorted((i for i, y in enumerate(task.labels.tolist()) if y == label), key=lambda i: keys[i])
        for i, j in zip(circle, circle[1:] + circle[:1], strict=True):
            right += int(task.module((task.inputs[i] + task.inputs[j])[None] / 2).argmax() == label)
    return right / len(task.labels)


def power_law(matrix: np.ndarray) -> tuple[float, float]:
    """The exponent whose law is nearest to the tail, and the largest eigenvalue."""
    values = sorted(np.linalg.svd(matrix, compute_uv=False) ** 2)
    fits = []
    for start in range(len(values) - 1):
        tail = values[start:]
        alpha = 1 + len(tail) / sum(math.log(x / tail[0]) for x in tail)
        cdf = [1 - (x / tail[0]) ** (1 - alpha) for x in tail]
        gaps = [max(abs(c - i / len(tail)), abs((i + 1) / len(tail) - c)) for i, c in enumerate(cdf)]
        fits.append((max(gaps), alpha))
    return min(fits)[1], values[-1]


def power_laws(task: Task) -> np.ndarray:
    return np.array([power_law(matrix) for matrix in matrices(task)])


def bits(*labels: list[int]) -> float:
    """The entropy of the tuples of labels."""
    counts = Counter(zip(*labels, strict=True)).values()
    return -sum(c / sum(counts) * math.log2(c / sum(counts)) for c in counts)


def linear(task: Task) -> tuple[float, float]:
    """What the linear classifier explains of I(F; Y), and what it does not."""
    x = task.inputs.flatten(1).numpy()
    center, onehot = x.mean(0), np.eye(task.module(task.inputs[:1]).shape[1])[task.labels]
    root = math.sqrt(1e-3 * ((x - center) ** 2).mean(0).mean() * len(x))
    rows = np.vstack([x - center, root * np.eye(x.shape[1])])  # ridge as more examples
    slopes = np.linalg.lstsq(rows, np.vstack([onehot - onehot.mean(0), 0 * rows[len(x) :, : onehot.shape[1]]]))[0]
    answers = ((task.validation_inputs.flatten(1).numpy() - center) @ slopes + onehot.mean(0)).argmax(1).tolist()
    f, y = task.module(task.validation_inputs).argmax(1).tolist(), task.validation_labels.tolist()
    beyond = bits(f, answers) + bits(y, answers) - bits(f, y, answers) - bits(answers)
    return bits(f) + bits(y) - bits(f, y) - beyond, beyond


class Case(NamedTuple):
    """One measure.

    Attributes:
        reference: the naive one; a list for a vector.
        closed_form: on `diagonal()`; None where there is none.
        rescaling_changes: whether rescaled layers change the value.
        sampled: whether it depends on noise on the parameters, which other orders of them have otherwise.
        counts_pruned: whether parameters that are pruned count.
        not_of: architectures that it does not apply to.
    """

    reference: Callable[[Task], float | list[float]]
    closed_form: float | list[float] | None
    rescaling_changes: bool = False
    sampled: bool = False
    counts_pruned: bool = False
    not_of: frozenset[str] = frozenset()


# `diagonal()` is x -> diag(1, 2) relu(diag(3, 4) x) at the two unit vectors, with labels 0 and 1; its zeros are pruned.
FISHER_RAO = math.sqrt(((2 * 3 / (1 + math.exp(3))) ** 2 + (2 * 8 / (1 + math.exp(8))) ** 2) / 2)
LOG_FROBENIUS, MARGIN = math.log(5 * math.sqrt(5)), 3 + 0.1 * (8 - 3)
RANKS = 25 / 16 + 5 / 4


def loss_over(size: float) -> float:
    return (math.log1p(math.exp(-3 / size)) + math.log1p(math.exp(-8 / size))) / 2


def diagonal_eigenvalues(a: float, b: float) -> tuple[float, float]:
    """Of the loss log(1 + exp(-a b)) / 2 by a and b."""
    s = 1 / (1 + math.exp(a * b))
    first, second, cross = s * (1 - s) * b**2, s * (1 - s) * a**2, s - s * (1 - s) * a * b
    middle, half = (first + second) / 4, math.hypot(first - second, 2 * cross) / 4
    return middle - half, middle + half


def diagonal_curvature(a: float, b: float) -> float:
    """Of the loss log(1 + exp(-a b t^2)) / 2 by t at t = 1: twice."""
    s = 1 / (1 + math.exp(a * b))
    return (s * (1 - s) * (2 * a * b) ** 2 - 2 * s * a * b) / 2


ALONG_PATH = (diagonal_curvature(3, 1) + diagonal_curvature(4, 2)) / 30
EIGENVALUES = (*diagonal_eigenvalues(3, 1), *diagonal_eigenvalues(4, 2))


def diagonal_rise(radius: float, adaptive: bool) -> float:
    """After a step along the gradient by a and b of both examples, which share no parameter."""
    examples = np.array([[3.0, 1.0], [4.0, 2.0]])

    def loss(at: np.ndarray) -> float:
        return sum(math.log1p(math.exp(-a * b)) for a, b in at) / 2

    slopes = np.array([np.array([-b, -a]) / (1 + math.exp(a * b)) / 2 for a, b in examples])
    scale = np.abs(examples) if adaptive else np.ones_like(examples)
    return loss(examples + radius * scale**2 * slopes / np.linalg.norm(scale * slopes)) - loss(examples)


SLOPES = (3 / (1 + math.exp(3)), 8 / (1 + math.exp(8)))
ALPHAS = (1 + 2 / math.log(16 / 9), 1 + 2 / math.log(4))
NO_FIRST_BIAS = frozenset({"mlp_no_bias", "cnn", "cnn_strided"})

#: Every measure is one line.
CASES = {
    "parameter_count": Case(lambda t: theta(t.module).size, 8, counts_pruned=True),
    "effective_parameters": Case(lambda t: np.count_nonzero(theta(t.module)), 4),
    "parameter_norm": Case(lambda t: np.linalg.norm(theta(t.module)), math.sqrt(30), True),
    "frobenius_distance": Case(lambda t: np.linalg.norm(theta(t.module) - theta(t.init)), math.sqrt(30), True),
    "log_frobenius_product": Case(lambda t: np.log(frobenius(t)).sum(), LOG_FROBENIUS),
    "frobenius_sum": Case(lambda t: sum(frobenius(t)), 5 + math.sqrt(5), True),
    "log_spectral_product": Case(lambda t: np.log(spectral(t)).sum(), math.log(4 * 2)),
    "spectral_sum": Case(lambda t: sum(spectral(t)), 4 + 2, True),
    "path_norm": Case(lambda t: math.sqrt(paths_to(t, 2)), math.sqrt(9 + 16 * 4)),
    "margin_p10": Case(lambda t: np.quantile(margins(t), 0.1), MARGIN),
    "margin_p10_frobenius": Case(lambda t: np.quantile(margins(t), 0.1) / np.prod(frobenius(t)), MARGIN / 125**0.5),
    "margin_p10_spectral": Case(lambda t: np.quantile(margins(t), 0.1) / np.prod(spectral(t)), MARGIN / 8),
    "normalized_train_loss": Case(lambda t: normalized_loss(t, t.inputs, t.labels), loss_over(125**0.5)),
    "normalized_test_loss": Case(lambda t: normalized_loss(t, t.test_inputs, t.test_labels), loss_over(125**0.5)),
    "lipschitz_mean": Case(lambda t: np.mean(jacobian_norms(t)), (3 + 8) / 2),
    "lipschitz_max": Case(lambda t: max(jacobian_norms(t)), 8),
    "fisher_rao_norm": Case(fisher_rao, FISHER_RAO),
    "sharpness": Case(lambda t: hessian_eigenvalues(t)[-1], max(EIGENVALUES), True),
    "curvature_along_path": Case(along_path, ALONG_PATH, True),
    "l1_norm": Case(lambda t: np.abs(theta(t.module)).sum(), 7 + 3, True),
    "log_l1_product": Case(lambda t: np.log(entrywise(t)).sum(), math.log(7 * 3)),
    "frobenius_distance_sum": Case(lambda t: sum(frobenius(moved(t))), 5 + math.sqrt(5), True),
    "log_frobenius_distance_product": Case(lambda t: np.log(frobenius(moved(t))).sum(), LOG_FROBENIUS, True),
    "spectral_distance_sum": Case(lambda t: sum(spectral(moved(t))), 4 + 2, True),
    "log_spectral_distance_product": Case(lambda t: np.log(spectral(moved(t))).sum(), math.log(8), True),
    "log_spectral_complexity": Case(
        lambda t: math.log(spectral_complexity(t)),
        math.log(8) + 1.5 * math.log((7 / 4) ** (2 / 3) + 1.5 ** (2 / 3)),
        True,
    ),
    "log_kernel_product": Case(lambda t: np.log(kernels(t)).sum(), math.log(8)),
    "frobenius_over_spectral": Case(lambda t: sum(over_spectral(frobenius(t), t)), RANKS),
    "stable_rank_mean": Case(lambda t: np.mean(over_spectral(frobenius(t), t)), RANKS / 2),
    "stable_rank_max": Case(lambda t: max(over_spectral(frobenius(t), t)), 25 / 16),
    "distance_over_spectral": Case(lambda t: sum(over_spectral(frobenius(moved(t)), t)), RANKS, True),
    "log_sum_of_spectral": Case(lambda t: mean_over_margin(spectral(t)), math.log(2 * 8)),
    "log_sum_of_frobenius": Case(lambda t: mean_over_margin(frobenius(t)), math.log(2 * 125**0.5)),
    "inverse_margin": Case(lambda t: margin(t) ** -2, 1 / MARGIN**2),
    "log_spectral_over_margin": Case(
        lambda t: math.log((math.prod(spectral(t)) / margin(t)) ** 2), 2 * math.log(8 / MARGIN)
    ),
    "log_frobenius_over_margin": Case(
        lambda t: math.log((math.prod(frobenius(t)) / margin(t)) ** 2), math.log(125 / MARGIN**2)
    ),
    "log_sum_of_spectral_over_margin": Case(
        lambda t: mean_over_margin(spectral(t), margin(t)), math.log(2 * 8 / MARGIN)
    ),
    "log_sum_of_frobenius_over_margin": Case(
        lambda t: mean_over_margin(frobenius(t), margin(t)), math.log(2 * 125**0.5 / MARGIN)
    ),
    "log_spectral_origin": Case(
        lambda t: math.log((math.prod(kernels(t)) / margin(t)) ** 2 * sum(over_spectral(frobenius(t), t))),
        math.log((8 / MARGIN) ** 2 * RANKS),
    ),
    "log_spectral_init": Case(
        lambda t: math.log((math.prod(kernels(t)) / margin(t)) ** 2 * sum(over_spectral(frobenius(moved(t)), t))),
        math.log((8 / MARGIN) ** 2 * RANKS),
        True,
    ),
    "path_norm_over_margin": Case(lambda t: paths_to(t, 2) / margin(t) ** 2, (9 + 16 * 4) / MARGIN**2),
    "margin_min": Case(lambda t: min(margins(t)), 3),
    "margin_p25": Case(lambda t: np.quantile(margins(t), 0.25), 3 + 0.25 * 5),
    "margin_median": Case(lambda t: np.quantile(margins(t), 0.5), 3 + 0.5 * 5),
    "margin_p75": Case(lambda t: np.quantile(margins(t), 0.75), 3 + 0.75 * 5),
    "margin_p90": Case(lambda t: np.quantile(margins(t), 0.9), 3 + 0.9 * 5),
    "margin_mean": Case(lambda t: np.mean(margins(t)), 3 + 0.5 * 5),
    "normalized_train_loss_l1": Case(lambda t: normalized_loss(t, t.inputs, t.labels, 1), loss_over(7 * 3)),
    "normalized_train_loss_l4": Case(
        lambda t: normalized_loss(t, t.inputs, t.labels, 4), loss_over((337 * 17) ** 0.25)
    ),
    "normalized_train_loss_max": Case(lambda t: normalized_loss(t, t.inputs, t.labels, math.inf), loss_over(4 * 2)),
    "normalized_train_loss_by_output": Case(lambda t: loss_by_output(t, t.inputs, t.labels), loss_over(3)),
    "normalized_test_loss_by_output": Case(lambda t: loss_by_output(t, t.test_inputs, t.test_labels), loss_over(3)),
    "lipschitz_median": Case(lambda t: np.quantile(jacobian_norms(t), 0.5), (3 + 8) / 2),
    "lipschitz_p90": Case(lambda t: np.quantile(jacobian_norms(t), 0.9), 3 + 0.9 * 5),
    "jacobian_frobenius_mean": Case(
        lambda t: np.mean([np.linalg.norm(values) for values in singular_values(t)]), (3 + 8) / 2
    ),
    "lipschitz_mean_test": Case(lambda t: np.mean(jacobian_norms(at_test(t))), (3 + 8) / 2),
    "lipschitz_max_test": Case(lambda t: max(jacobian_norms(at_test(t))), 8),
    "lipschitz_p90_test": Case(lambda t: np.quantile(jacobian_norms(at_test(t)), 0.9), 3 + 0.9 * 5),
    "sam_sharpness": Case(lambda t: rise(t, 0.05), diagonal_rise(0.05, False), True),
    "asam_sharpness": Case(lambda t: rise(t, 0.5, True), diagonal_rise(0.5, True)),
    "worst_case_sharpness": Case(lambda t: rise(t, 0.05, steps=10), None, True),
    "adaptive_worst_case_sharpness": Case(lambda t: rise(t, 0.5, True, steps=10), None),
    "hessian_trace": Case(lambda t: hessian_eigenvalues(t).sum(), sum(EIGENVALUES), True),
    "hessian_quantiles": Case(lambda t: quantiles(hessian_eigenvalues(t)), quantiles(EIGENVALUES), True),
    "pac_bayes_init": Case(lambda t: pac_bayes(t, True), None, True, sampled=True),
    "pac_bayes_origin": Case(lambda t: pac_bayes(t, False), None, True, sampled=True),
    "pac_bayes_flatness": Case(lambda t: sigma(t) ** -2, None, True, sampled=True),
    "pac_bayes_magnitude_init": Case(lambda t: magnitude_pac_bayes(t, True), None, True, sampled=True),
    "pac_bayes_magnitude_origin": Case(lambda t: magnitude_pac_bayes(t, False), None, True, sampled=True),
    "pac_bayes_magnitude_flatness": Case(lambda t: sigma(t, True) ** -2, None, True, sampled=True),
    "bias_gradient_mean": Case(lambda t: np.mean(bias_gradients(t)), None, not_of=NO_FIRST_BIAS),
    "lipschitz_mean_lower": Case(
        lambda t: min(first_singular_values(t)) * np.mean(bias_gradients(t)), None, not_of=NO_FIRST_BIAS
    ),
    "lipschitz_mean_upper": Case(
        lambda t: max(first_singular_values(t)) * np.mean(bias_gradients(t)), None, not_of=NO_FIRST_BIAS
    ),
    "lipschitz_max_mixtures": Case(lambda t: max(jacobian_norms(t._replace(inputs=between(t, 256, 0, 1)))), 8),
    "lipschitz_max_noise": Case(lambda t: max(jacobian_norms(t._replace(inputs=noise(t)))), 8),
    "activation_regions": Case(
        lambda t: len({tuple(np.concatenate(p)) for p in patterns(t, t.inputs)}) / len(t.inputs), 1
    ),
    "region_crossings": Case(crossings, 2),
    "far_lipschitz_bound": Case(far_bound, 3 + 8),
    "far_coverage": Case(lambda t: np.mean(~np.isnan(far(t)[0])), 1),
    "clean_train_accuracy": Case(lambda t: accuracy_on(t, False), 1),
    "corrupted_train_accuracy": Case(lambda t: accuracy_on(t, True), 1),
    "loss_sensitivity_mean": Case(lambda t: sensitivities(t).mean(), np.mean(SLOPES)),
    "loss_sensitivity_gini": Case(lambda t: gini(sensitivities(t)), (SLOPES[0] - SLOPES[1]) / sum(SLOPES) / 2),
    "critical_sample_ratio": Case(lambda t: critical(t, t.validation_inputs), 0.5),
    "critical_sample_ratio_train": Case(lambda t: critical(t, t.inputs), 0.5),
    "loss_range_along_gradient": Case(lambda t: np.ptp([row[0] for row in along_gradient(t)]), None, True),
    "gradient_predictiveness": Case(lambda t: np.ptp([row[1] for row in along_gradient(t)]), None, True),
    "effective_smoothness": Case(lambda t: max(row[2] for row in along_gradient(t)), None, True),
    "internal_covariate_shift": Case(lambda t: np.mean([row[0] for row in shifts(t)]), None, True),
    "internal_covariate_cosine": Case(lambda t: np.mean([row[1] for row in shifts(t)]), None, True),
    "path_norm_l1": Case(lambda t: paths_to(t, 1), 3 + 4 * 2),
    "margin_p10_complexity": Case(
        lambda t: np.quantile(margins(t), 0.1) / spectral_complexity(t),
        MARGIN / (8 * ((7 / 4) ** (2 / 3) + 1.5 ** (2 / 3)) ** 1.5),
        True,
    ),
    "layer_margins": Case(layer_margins, [2**0.5, 5.5 / 5**0.5 / 2.5]),
    "layer_distances": Case(lambda t: [np.linalg.norm(change) for change in matrices(moved(t))], [5, 5**0.5], True),
    "margin_quantiles": Case(
        lambda t: np.quantile(margins(t), np.linspace(0, 1, 21)) / np.prod(frobenius(t)),
        np.linspace(3, 8, 21) / 125**0.5,
    ),
    "top_output_quantiles": Case(
        lambda t: np.quantile(t.module(t.inputs).detach().max(1).values, np.linspace(0, 1, 21)) / np.prod(frobenius(t)),
        np.linspace(3, 8, 21) / 125**0.5,
    ),
    "input_margin_p10": Case(lambda t: np.quantile(input_margins(t), 0.1), 1),
    "input_margin_median": Case(lambda t: np.quantile(input_margins(t), 0.5), 1),
    "davies_bouldin": Case(lambda t: davies_bouldin_score(t.module[:-1](t.inputs).detach(), t.labels), 0),
    "mixup_accuracy": Case(mixup, 1),
    "power_law_alpha": Case(lambda t: power_laws(t)[:, 0].mean(), np.mean(ALPHAS)),
    "weighted_alpha": Case(
        lambda t: np.mean([alpha * math.log10(top) for alpha, top in power_laws(t)]),
        np.mean([ALPHAS[0] * math.log10(16), ALPHAS[1] * math.log10(4)]),
        True,
    ),
    "linear_information": Case(lambda t: linear(t)[0], 1),
    "nonlinear_information": Case(lambda t: linear(t)[1], 0),
    "squared_spectral_distance_sum": Case(lambda t: sum(np.square(spectral(moved(t)))), 4**2 + 2**2, True),
}
EXACT = [name for name, case in CASES.items() if not case.sampled]


def expected(values: dict[str, float | list[float] | None]) -> object:
    """Numbers and vectors of numbers by name, as `measured` gives them, to a relative 1e-5."""
    flat = {}
    for name, value in values.items():
        if value is not None:
            flat |= {(name, index): one for index, one in enumerate(np.atleast_1d(value))}
    return pytest.approx(flat, rel=1e-5, nan_ok=True)


def diagonal() -> Task:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False)).double()
    vector_to_parameters(torch.tensor([3, 0, 0, 4, 1, 0, 0, 2]).double(), module.parameters())
    init = copy.deepcopy(module)
    vector_to_parameters(torch.zeros(8).double(), init.parameters())
    inputs, labels = torch.eye(2).double(), torch.tensor([0, 1])
    return Task(module, init, inputs, labels, inputs, labels, torch.tensor([0, 0]), inputs, labels, pruned=True)


def measured(tasks: list[Task], dtype: torch.dtype = torch.float64, **keywords: object) -> list[dict[str, float]]:
    """The values of a stack, one dictionary `(name, index) -> value` per network; all share their inputs."""
    keywords = {"measures": ["all"], "true_labels": torch.stack([task.truth for task in tasks])} | keywords
    if len(tasks) == 1:
        keywords["masks"] = tasks[0].masks
    table = measure_stack(*stacked(tasks, dtype), **keywords)
    assert not table["status"].str.startswith("error").any(), table[table["status"] != "ok"]
    table = table[~table["status"].str.startswith("not applicable")]
    return [group.set_index(["name", "index"])["value"].to_dict() for _, group in table.groupby("position")]


def stacked(tasks: list[Task], dtype: torch.dtype = torch.float64) -> tuple:
    def parameters(modules: list[nn.Module]) -> dict[str, torch.Tensor]:
        named = [dict(module.named_parameters()) for module in modules]
        return {name: torch.stack([one[name].detach() for one in named]).to(dtype) for name in named[0]}

    labels = torch.stack([task.labels for task in tasks])
    splits = {
        "train": (tasks[0].inputs, labels),
        "test": (tasks[0].test_inputs, labels[:, : len(tasks[0].test_labels)]),
    }
    if tasks[0].validation_inputs is not None:
        splits["validation"] = tasks[0].validation_inputs, torch.stack([task.validation_labels for task in tasks])
    network = Network(copy.deepcopy(tasks[0].module).to(dtype))
    return network, parameters([t.module for t in tasks]), parameters([t.init for t in tasks]), splits


def permuted(task: Task) -> Task:
    """The hidden units of both layers in another order, the function unchanged."""
    module, init = copy.deepcopy(task.module), copy.deepcopy(task.init)
    for network in (module, init):
        layers = [layer for layer in network if isinstance(layer, nn.Linear)]
        for seed, (layer, following) in enumerate(zip(layers[:-1], layers[1:], strict=True)):
            order = torch.randperm(len(layer.weight), generator=torch.Generator().manual_seed(seed))
            layer.weight.data, layer.bias.data = layer.weight.data[order], layer.bias.data[order]
            following.weight.data = following.weight.data[:, order]
    return task._replace(module=module, init=init)


def test_sources_name_paper_and_year():
    sources = [measure.source for measure in MEASURES.values()] + [source for _, source in DYNAMICS.values()]
    assert all(re.search(r"[A-Z][a-z]+ (et al\.|and [A-Z][a-z]+) \d{4}", source) for source in sources)
    numbered = [s for s in sources if re.search(r"(section|appendix|theorem|corollary|definition|eq\.) [\dA-Z]", s)]
    assert numbered and all("(authors' code: '" in source for source in numbered)


def test_every_measure_has_a_case():
    assert list(CASES) == list(MEASURES)


@pytest.mark.parametrize("architecture", ["mlp", "mlp_no_bias", "cnn", "cnn_strided"])
def test_measures_equal_the_naive_reference(architecture):
    task = make_task(architecture)
    (values,) = measured([task])
    cases = {name: case for name, case in CASES.items() if architecture not in case.not_of}
    assert values == expected({name: case.reference(task) for name, case in cases.items()})


def test_measures_equal_their_closed_form():
    known = {name: case.closed_form for name, case in CASES.items() if case.closed_form is not None}
    (values,) = measured([diagonal()], measures=[*known])
    assert values == expected(known)


def enumerated_paths(module: nn.Sequential, shape: tuple[int, ...]) -> float:
    """The sum of the squared weights of all paths, each walked on its own from an output back to where it begins."""
    inputs = torch.zeros(1, *shape, dtype=torch.float64)
    steps = []  # per layer: (edges from units to units of the layer, bias of each unit)
    for layer in module:
        outputs = layer(inputs).detach()
        zero = torch.zeros_like(inputs)
        if isinstance(layer, nn.MaxPool2d):  # an edge of weight one from everything in the window
            windows = torch.zeros(outputs.numel(), inputs.numel(), dtype=torch.float64)
            for unit in range(inputs.numel()):
                one = zero.flatten().index_fill(0, torch.tensor([unit]), 1.0).view_as(zero)
                windows[:, unit] = (layer(one).flatten() > 0).double()
            edges, bias = windows, torch.zeros(outputs.numel())
        elif isinstance(layer, nn.ReLU):
            edges, bias = torch.eye(outputs.numel(), dtype=torch.float64), torch.zeros(outputs.numel())
        else:
            edges = torch.autograd.functional.jacobian(layer, zero).reshape(outputs.numel(), -1)
            bias = layer(zero).detach().flatten()
        steps.append((edges.tolist(), bias.tolist()))
        inputs = outputs

    def walk(depth: int, unit: int) -> float:
        if depth < 0:
            return 1.0
        edges, bias = steps[depth]
        back = (weight**2 * walk(depth - 1, source) for source, weight in enumerate(edges[unit]) if weight)
        return bias[unit] ** 2 + sum(back)

    return sum(walk(len(steps) - 1, unit) for unit in range(outputs.numel()))


POOLED = {
    "max": [nn.MaxPool2d(2)],
    "max, padded and overlapping": [nn.MaxPool2d(3, stride=2, padding=1)],
    "mean": [nn.AvgPool2d(2)],
    "mean, padded": [nn.AvgPool2d(2, padding=1)],
    "mean over all": [nn.AdaptiveAvgPool2d(1)],
    "both": [nn.AvgPool2d(2, stride=1), nn.ReLU(), nn.MaxPool2d(2)],
    "none": [],
}


@pytest.mark.parametrize("pooling", POOLED)
def test_path_norm_equals_the_sum_over_enumerated_paths(pooling):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 2, 2), nn.ReLU(), *POOLED[pooling], nn.Flatten()]
    features = nn.Sequential(*layers)(torch.zeros(1, 1, 4, 4)).shape[1]
    module = nn.Sequential(*layers, nn.Linear(features, 3)).double()
    table = measure_network(module, torch.randn(2, 1, 4, 4), torch.tensor([0, 2]), measures=["path_norm"])
    assert table.loc["path_norm", "status"] == "ok"
    assert table.loc["path_norm", "value"] ** 2 == pytest.approx(enumerated_paths(module, (1, 4, 4)), rel=1e-12)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.LeakyReLU(), "found LeakyReLU"),
        (nn.Tanh(), "found Tanh"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), "the same number of inputs in every mean"),
        (nn.AdaptiveAvgPool2d(2), "one mean over the whole"),
        (nn.MaxPool2d(2, dilation=2), "needs dilation 1"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "found 'circular' in Conv2d"),
    ],
)
def test_path_norm_does_not_apply_to_layers_with_unknown_paths(layer, reason):
    module = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(3))
    module(torch.zeros(1, 1, 6, 6))
    table = measure_network(module, torch.randn(2, 1, 6, 6), torch.tensor([0, 2]), measures=["path_norm"])
    status = table.loc["path_norm", "status"]
    assert status.startswith("not applicable: needs") and reason in status


class Buffered(nn.Module):
    """A perceptron that takes a buffer off its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = models.mlp((5,), 3, width=6, depth=2)
        self.register_buffer("mean", torch.zeros(5))

    def forward(self, inputs):
        return self.layers(inputs - self.mean)


def test_each_network_has_its_own_buffers():
    torch.manual_seed(0)
    network = Network(Buffered().double())
    parameters = {name: value.detach().unsqueeze(0) for name, value in network.module.named_parameters()}
    means, inputs, labels = torch.randn(1, 5).double(), torch.randn(12, 5).double(), torch.arange(12) % 3
    names = ["margin_p10", "davies_bouldin", "layer_margins"]
    own, moved = (
        measure_stack(network, parameters, None, {"train": (points, labels)}, names, buffers=buffers)["value"].tolist()
        for points, buffers in ((inputs, {"mean": means}), (inputs - means, None))
    )
    assert own == pytest.approx(moved)


class Twice(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head(self.layer(self.layer(inputs).relu()).relu())


class Attention(nn.Module):
    """Attention of one token, called by keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(5, 1, batch_first=True), nn.Linear(5, 3)

    def forward(self, inputs):
        tokens = inputs.unsqueeze(1)
        return self.head(self.attention(query=tokens, key=tokens, value=tokens)[0].squeeze(1))


@pytest.mark.parametrize("module", [Twice, Attention])
def test_layer_margins_need_one_call_of_every_layer(module):
    inputs, labels = torch.randn(12, 5), torch.arange(12) % 3
    status = measure_network(module(), inputs, labels, measures=["layer_margins"]).loc["layer_margins", "status"]
    assert status.startswith("not applicable: needs ")


def test_overflowing_slopes_are_undefined():
    module = models.mlp((5,), 3, width=6, depth=2)
    for parameter in module.parameters():
        parameter.data *= 1e18
    table = measure_network(module, torch.randn(12, 5), torch.arange(12) % 3, measures=["all"])
    assert not table["status"].str.startswith("error").any(), table[table["status"].str.startswith("error")]
    assert table.loc["lipschitz_mean", "status"].startswith("undefined: slopes overflow")


def test_permuting_hidden_units_changes_no_measure():
    task = make_task("mlp")
    values, others = (measured([one], measures=EXACT)[0] for one in (task, permuted(task)))
    assert values == pytest.approx(others, rel=1e-5, nan_ok=True)


def test_rescaling_layers_changes_exactly_the_expected_measures():
    task = make_task("mlp_no_bias")
    module = copy.deepcopy(task.module)
    module[0].weight.data *= 4
    module[4].weight.data /= 4
    before, after = measured([task])[0], measured([task._replace(module=module)])[0]
    changed = {
        name
        for name, index in before
        if after[name, index] != pytest.approx(before[name, index], rel=1e-9, nan_ok=True)
    }
    assert changed == {name for name, _ in before if CASES[name].rescaling_changes}


def test_pruned_network_equals_the_smaller_dense_network():
    task = make_task("mlp_no_bias")
    small = Task(*(models.mlp((5,), 3, width=4, bias="none").double() for _ in range(2)), *task[2:])
    for pruned, twin in zip(task[:2], small[:2], strict=True):
        for layer in (0, 2):
            pruned[layer].weight.data[4:] = 0
            pruned[layer + 2].weight.data[:, 4:] = 0
        for layer in (0, 2, 4):
            rows, columns = twin[layer].weight.shape
            twin[layer].weight.data = pruned[layer].weight.data[:rows, :columns].clone()
    same = [name for name in EXACT if not CASES[name].counts_pruned]
    pruned_task = task._replace(pruned=True)
    assert measured([pruned_task], measures=same)[0] == pytest.approx(
        measured([small], measures=same)[0], rel=1e-5, nan_ok=True
    )


def test_network_with_pruned_inputs_equals_the_network_without_them(monkeypatch):
    """Of what the initialization and the gradient are at pruned weights, nothing is seen."""
    monkeypatch.setattr(curvature, "PROBES", 200)  # trace and density are exact then
    small = make_task("mlp")
    more = [torch.cat([one, torch.randn(len(one), 5).double()], 1) for one in (small.inputs, small.validation_inputs)]
    pruned = [models.mlp((10,), 3, width=6, depth=3).double() for _ in range(2)]
    for one, twin, rest in zip(pruned, small[:2], (0.0, 1.0), strict=True):
        weight = torch.cat([twin[0].weight.detach(), torch.full((6, 5), rest).double()], 1)
        one.load_state_dict(twin.state_dict() | {"0.weight": weight})
    large = small._replace(module=pruned[0], init=pruned[1], inputs=more[0], validation_inputs=more[1], pruned=True)
    reads_inputs = {"lipschitz_max_noise", "layer_margins", "critical_sample_ratio", "critical_sample_ratio_train"}
    reads_inputs |= {"linear_information", "nonlinear_information"}
    reads_inputs |= {name for name, measure in MEASURES.items() if measure.split == "test"}
    same = [name for name in EXACT if not CASES[name].counts_pruned and name not in reads_inputs]
    assert measured([large], measures=same)[0] == pytest.approx(
        measured([small], measures=same)[0], rel=1e-5, abs=1e-7, nan_ok=True
    )


class Declared(nn.Module):
    """Two layers that are declared in one order or the other, and called in one."""

    def __init__(self, *names: str):
        super().__init__()
        for name in names:
            setattr(self, name, nn.Linear(5, 7) if name == "body" else nn.Linear(7, 3))
        self.relu = nn.ReLU()

    def forward(self, inputs):
        return self.head(self.relu(self.body(inputs)))


def test_layers_are_ordered_by_calls_not_by_declaration():
    task, orders = make_task("mlp"), (("body", "head"), ("head", "body"))
    states = [Declared(*orders[0]).double().state_dict() for _ in range(2)]
    values = []
    for order in orders:
        module, init = (Declared(*order).double() for _ in range(2))
        module.load_state_dict(states[0])
        init.load_state_dict(states[1])
        values.append(measured([task._replace(module=module, init=init)])[0])
        points = module.relu(module.body(task.inputs)).detach()
        assert values[-1]["davies_bouldin", 0] == pytest.approx(davies_bouldin_score(points, task.labels))
        assert values[-1]["lipschitz_mean_upper", 0] >= values[-1]["lipschitz_mean", 0]
    assert values[1] == pytest.approx(values[0], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("architecture", ["mlp", "cnn"])
def test_values_do_not_depend_on_the_stack(architecture, monkeypatch):
    tasks = [make_task(architecture, seed) for seed in range(3)]
    alone = [measured([task], torch.float32)[0] for task in tasks]
    monkeypatch.setitem(evaluate.CHUNK, "cpu", 2**30)
    together = measured(tasks, torch.float32)
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(
            other, rel=1e-4, abs=1e-6, nan_ok=True
        )  # an eigenvalue of zero is so up to rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("architecture", ["mlp", "mlp_no_bias"])
def test_values_are_the_same_to_the_last_bit_in_any_stack(architecture, dtype):
    """All measures of a perceptron: alone, at other places, beside others, and in a file that leaves one over."""
    tasks = [make_task(architecture, seed) for seed in range(5)]
    whole = measured(tasks, dtype)
    for chosen in ([2], [4, 2], [2, 0, 1]):
        parts = measured([tasks[place] for place in chosen], dtype)
        for place, values in zip(chosen, parts, strict=True):
            assert whole[place].keys() == values.keys() and len(values) > len(MEASURES) - 10
            different = [key for key in values if not same_number(values[key], whole[place][key])]
            assert different == []


def same_number(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def test_the_same_input_gives_the_same_values():
    task = make_task("cnn")
    assert measured([task])[0] == pytest.approx(measured([task])[0], rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("architecture", ["mlp", "cnn"])
def test_float32_is_near_float64(architecture):
    task = make_task(architecture)
    assert measured([task], torch.float32)[0] == pytest.approx(measured([task])[0], rel=1e-4, abs=1e-6, nan_ok=True)


def test_network_with_nan_does_not_affect_the_others(monkeypatch):
    monkeypatch.setitem(evaluate.CHUNK, "cpu", 2**30)
    network, parameters, initial, splits = stacked([make_task("mlp")] * 4)
    parameters["0.weight"][1] = math.nan
    parameters["2.weight"][2] = 0
    names = [name for name, measure in MEASURES.items() if TRUE_LABELS not in measure.requires]
    table = measure_stack(network, parameters, initial, splits, names).set_index(["position", "name"])
    assert set(table.loc[[0, 3], "status"]) == {"ok"}
    assert set(table.loc[1, "status"]) == {"undefined: parameters are not finite"}
    assert table.loc[(2, "margin_p10_frobenius"), "status"].startswith("undefined: the product of norms is zero")
    assert table.loc[(2, "sharpness"), "status"] == "ok"
    assert table.loc[0, "value"].to_dict() == pytest.approx(table.loc[3, "value"].to_dict(), rel=1e-9)


def test_one_class_and_a_dead_network_are_measured():
    module = models.mlp((5,), 3, width=6)
    for parameter in module.parameters():
        parameter.data.zero_()
    table = measure_network(module, torch.randn(8, 5), torch.zeros(8, dtype=torch.long), module, ["all"])
    undefined = table[table["status"].str.startswith("undefined: the product of norms is zero")]
    assert set(undefined.index) == {
        name for name, measure in MEASURES.items() if "zero" in measure.undefined and measure.split != "test"
    }
    assert table.loc["lipschitz_max", "value"] == table.loc["margin_p10", "value"] == 0


def test_impossible_values_are_undefined_not_errors():
    task = make_task("mlp")
    broken = task.inputs.clone()
    broken[0, 0] = math.nan
    one = task.inputs[:1], task.labels[:1]
    held_out = {"validation": (task.validation_inputs, task.validation_labels), "true_labels": task.truth}
    for inputs, labels, rest in ((broken, task.labels, held_out), (*one, held_out | {"true_labels": one[1]})):
        table = measure_network(task.module, inputs, labels, task.init, ["all"], **rest)
        assert not table["status"].str.startswith("error").any()
        if inputs is broken:
            assert table.loc["sharpness", "status"].startswith("undefined: ")
            assert table.loc["hessian_quantiles", "status"].startswith("undefined: ")


class UncalledLastLayer(nn.Module):
    """Its last weights belong to a layer that is not called."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(5, 1, batch_first=True)

    def forward(self, inputs):
        steps = torch.stack([inputs, -inputs], 1)
        return self.attention(steps, steps, steps)[0].mean(1)


def test_uncalled_last_layer_has_no_features():
    table = measure_network(UncalledLastLayer().double(), torch.randn(6, 5).double(), torch.arange(6) % 5)
    assert table.loc["davies_bouldin", "status"].startswith("not applicable: needs a last layer with weights that is")
    assert not table["status"].str.startswith("error").any()


def test_failing_measure_gives_a_row_with_its_error(monkeypatch):
    def failing(network):
        raise RuntimeError("no luck")

    monkeypatch.setitem(MEASURES, "path_norm", Measure(failing, 1, "none", "nowhere"))
    task = make_task("mlp")
    table = measure_stack(*stacked([task] * 2), ["all"], true_labels=task.truth)
    failed = table[table["name"] == "failing"]
    assert set(failed["status"]) == {"error: RuntimeError: no luck"}
    assert failed["traceback"].str.contains('raise RuntimeError("no luck")', regex=False).all()
    assert table.loc[table["name"] != "failing", "traceback"].isna().all()
    assert table[table["status"] == "ok"].groupby("position")["name"].nunique().tolist() == [len(MEASURES) - 1] * 2


class DataDependent(nn.Module):
    """What vmap refuses: Python asks for a value."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, inputs):
        return self.layer(inputs) if self.layer.weight.sum() > 0 else self.layer(-inputs)


def test_networks_that_vmap_cannot_map_are_measured_one_by_one(monkeypatch):
    monkeypatch.setitem(evaluate.CHUNK, "cpu", 2**30)
    tasks = [make_task("mlp")._replace(module=DataDependent().double(), init=DataDependent().double())] * 2
    with pytest.warns(MappingWarning, match="cannot be mapped over a stack") as warned:
        table = measure_stack(*stacked(tasks)).set_index(["position", "name"])
    assert len(warned) == 1
    assert table.loc[(1, "lipschitz_max"), "status"] == "ok"
    assert table.loc[(1, "path_norm"), "status"].startswith("not applicable: needs nn.Sequential")


def test_measure_network_gives_reasons_for_measures_that_do_not_apply():
    module = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Tanh(), nn.Flatten(), nn.Linear(6, 3))
    before = copy.deepcopy(module.state_dict())
    table = measure_network(module, torch.randn(8, 1, 5), torch.arange(8) % 3)
    reasons = table[table["status"] != "ok"]["status"].to_dict()
    assert reasons["frobenius_distance"] == "not applicable: needs the initial parameters"
    assert reasons["normalized_test_loss"] == "not applicable: needs the test split"
    assert reasons["path_norm"].endswith("found Conv1d")
    assert reasons["spectral_sum"].endswith("not Conv1d")
    assert table.loc["sharpness", "status"] == "ok" and table["status"].str.startswith(("ok", "not")).all()
    assert module.training and all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_measure_network_equals_the_stack():
    task = make_task("mlp")
    held_out = task.validation_inputs, task.validation_labels
    rest = {"validation": held_out, "true_labels": task.truth}
    table = measure_network(task.module, task.inputs, task.labels, task.init, ["all"], **rest)
    values = table.loc[table["status"] == "ok", "value"].to_dict()
    of_stack = measured([task])[0]
    numbers = {name: value for name, value in values.items() if (name, 1) not in of_stack}
    expected_numbers = {name: of_stack[name, 0] for name in numbers}
    assert numbers == pytest.approx(expected_numbers, rel=1e-5, abs=1e-6)  # alone it rounds otherwise
    assert set(MEASURES) - set(values) == {name for name, measure in MEASURES.items() if measure.split == "test"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measures": ["path_nrom"]}, "did you mean 'path_norm'"),
        ({"labels": torch.tensor([0, 3])}, "expected 0 to 2"),
        ({"labels": torch.tensor([0])}, "one integer per input"),
        ({"inputs": torch.zeros(2, 4)}, "fails on inputs"),
        ({"init": nn.Linear(5, 2)}, "init: parameter 'weight'"),
        ({"module": nn.Linear(5, 1)}, "expected (1, C)"),
        ({"module": nn.ReLU()}, "no parameters"),
        ({"loss": "hnige"}, "did you mean 'hinge'"),
        ({"loss": "hinge"}, "gives outputs (1, 3); expected (1, 1) for the loss 'hinge'"),
        ({"module": nn.Linear(5, 1), "loss": "hinge", "margin": 0}, "margin: 0; expected a positive number"),
        ({"module": nn.Linear(5, 1), "loss": "logistic", "labels": torch.tensor([0, 2])}, "expected 0 to 1"),
        ({"module": nn.Linear(5, 1), "loss": "logistic", "labels": torch.zeros(2)}, "one integer per input"),
    ],
)
def test_invalid_input_is_refused_in_one_line(arguments, message):
    good = {"module": nn.Linear(5, 3), "inputs": torch.zeros(2, 5), "labels": torch.tensor([0, 1])}
    with pytest.raises(BadInput) as caught:
        measure_network(**(good | arguments))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_norms_of_convolutions_equal_those_of_the_dense_map():
    """Of random kernels, whose two largest singular values are often near to each other."""
    for seed in range(40):
        torch.manual_seed(seed)
        conv = nn.Conv2d(2, 3, 3, stride=1 + seed % 2, padding=1, bias=False).double()
        module = nn.Sequential(conv, nn.Flatten(), nn.Linear(3 * (36 if seed % 2 == 0 else 9), 3).double())
        inputs, basis = torch.randn(4, 2, 6, 6).double(), torch.eye(72).double().view(72, 2, 6, 6)
        found = measure_network(module, inputs, torch.arange(4) % 3, measures=["spectral_sum"])["value"].item()
        maps = [conv(basis).flatten(1), module[2].weight]
        expected = sum(np.linalg.svd(one.detach().numpy(), compute_uv=False)[0] for one in maps)
        assert found == pytest.approx(expected, rel=1e-9)


def test_norm_of_a_wide_convolution_is_correct():
    """Of many channels the largest singular values are near to each other: this one takes more than 100 products."""
    torch.manual_seed(3)
    layers = [nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.AdaptiveAvgPool2d(1)]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))
    inputs, labels = torch.randn(2, 3, 14, 14), torch.arange(2)
    found = measure_network(module, inputs, labels, measures=["spectral_sum"])
    assert found["status"].item() == "ok"
    expected = torch.linalg.matrix_norm(module[5].weight, 2).item()
    for conv, channels in ((layers[0], 3), (layers[2], 64)):  # by power iteration
        vector = torch.randn(1, channels, 14, 14, generator=torch.Generator().manual_seed(0)).double()
        weight = conv.weight.detach().double()
        for _ in range(1000):
            vector = functional.conv_transpose2d(
                functional.conv2d(vector / vector.norm(), weight, padding=1), weight, padding=1
            )
        expected += vector.norm().sqrt().item()
    assert found["value"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("p", [0.5, 3])
def test_losses_are_normalized_by_any_norm(p, monkeypatch):
    def own(network):
        return loss_over_norms(network, p=p)

    def wrong(network):
        return loss_over_norms(network, p=0)

    for function in (own, wrong):
        monkeypatch.setitem(MEASURES, function.__name__, Measure(function, 1, "train", "Liao et al. 2018"))
    task = make_task("mlp")
    table = measure_network(task.module, task.inputs, task.labels, measures=["own", "wrong"])
    assert table.loc["own", "value"] == pytest.approx(normalized_loss(task, task.inputs, task.labels, p))
    assert table.loc["wrong", "status"].startswith("error: BadInput: p: 0; expected a positive number")


def test_sets_of_measures_have_names_and_each_measure_is_selected_once():
    default = [name for name, measure in MEASURES.items() if not measure.opt_in]
    assert [measure.name for measure in select(None)] == [measure.name for measure in select(["default"])] == default
    assert [measure.name for measure in select(["path_norm", "all"])] == [
        "path_norm",
        *(name for name in MEASURES if name != "path_norm"),
    ]


def test_a_stack_is_mapped_without_warnings(monkeypatch):
    """Torch warns where it maps by a loop, and `MappingWarning` tells of a failure in `vmap`; both are errors here."""
    monkeypatch.setitem(evaluate.CHUNK, "cpu", 2**30)
    evaluations = []
    evaluate_one = evaluate.evaluate
    monkeypatch.setattr(
        evaluate, "evaluate", lambda *given: evaluations.append(evaluate_one(*given)) or evaluations[-1]
    )
    measured([make_task("mlp", seed) for seed in range(2)])
    mapped = {name for name, measure in MEASURES.items() if measure.mapped}
    assert evaluations[0].values.keys() == mapped and not evaluations[0].failures
