"""Measures of a random network by definition, in float64, from its description: no code of the project is used."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from random_networks import RandomNetwork, Step
from torch import Tensor
from torch.nn import functional

Tensors = dict[str, Tensor]


def _normalized(x: Tensor, axes: list[int], eps: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True) + eps).sqrt()


def _channels(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 2))


def _affine(x: Tensor, own: Tensors) -> Tensor:
    return x * _channels(own["weight"], x) + _channels(own["bias"], x)


def _batch_norm(layer: Any, x: Tensor, own: Tensors) -> Tensor:
    mean, variance = (_channels(value.double(), x) for value in (layer.running_mean, layer.running_var))
    return _affine((x - mean) / (variance + layer.eps).sqrt(), own)


def _convolution(axes: int) -> Callable[[Any, Tensor, Tensors], Tensor]:
    function = functional.conv2d if axes == 2 else functional.conv1d
    return lambda layer, x, own: function(
        x, own["weight"], own.get("bias"), layer.stride, layer.padding, 1, layer.groups
    )


def _windows(x: Tensor) -> Tensor:
    """The numbers under each window of a pooling of width 2, along the last axis."""
    for axis in range(2, x.ndim):
        x = x.unfold(axis, 2, 2)
    return x.flatten(2 + (x.ndim - 2) // 2)


#: Every operation as a function of a layer, a value in float64 and the layer's tensors.
OPERATIONS: dict[str, Callable[[Any, Tensor, Tensors], Tensor]] = {
    "linear": lambda layer, x, own: x @ own["weight"].T + own.get("bias", 0.0),
    "conv1d": _convolution(1),
    "conv2d": _convolution(2),
    "embedding": lambda layer, x, own: own["weight"][x],
    "shift": lambda layer, x, own: x + own["weight"],
    "batch_norm": _batch_norm,
    "layer_norm": lambda layer, x, own: _normalized(x, [1], layer.eps) * own["weight"] + own["bias"],
    "group_norm": lambda layer, x, own: _affine(_normalized(x, [*range(2, x.ndim)], layer.eps), own),
    "instance_norm": lambda layer, x, own: _affine(_normalized(x, [*range(2, x.ndim)], layer.eps), own),
    "relu": lambda layer, x, own: x.clamp(min=0),
    "leaky_relu": lambda layer, x, own: torch.where(x > 0, x, 0.01 * x),
    "gelu": lambda layer, x, own: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "tanh": lambda layer, x, own: 1 - 2 / (1 + torch.exp(2 * x)),
    "sigmoid": lambda layer, x, own: 1 / (1 + torch.exp(-x)),
    "dropout": lambda layer, x, own: x,
    "max_pool": lambda layer, x, own: _windows(x).amax(-1),
    "avg_pool": lambda layer, x, own: _windows(x).mean(-1),
    "mean_pool": lambda layer, x, own: x.flatten(2).mean(2).view(*x.shape[:2], *[1] * (x.ndim - 2)),
    "flatten": lambda layer, x, own: x.flatten(1),
}
WEIGHTED = ("linear", "conv1d", "conv2d", "embedding")
HOMOGENEOUS = ("linear", "conv2d", "relu", "leaky_relu", "max_pool", "avg_pool", "mean_pool", "flatten", "dropout")
ON_PATHS = ("linear", "conv2d", "relu", "max_pool", "avg_pool", "mean_pool", "flatten", "dropout")


class Naive:
    """A random network as its description says, and its measures."""

    def __init__(self, network: RandomNetwork) -> None:
        self.network = network
        self.inputs = network.inputs.double() if network.inputs.is_floating_point() else network.inputs
        self.labels = network.labels.long()
        self.names: dict[tuple[str, str], str] = {}  # (layer, tensor) -> name of the tensor, one for tied ones
        self.tensors: Tensors = {}
        seen: dict[int, str] = {}
        for layer_name, layer in network.layers.items():
            for kind in ("weight", "bias"):
                value = network.computed.get(layer_name) if kind == "weight" else None
                stored = getattr(layer, kind, None) if value is None else value
                if stored is None:
                    continue
                name = seen.setdefault(id(stored), f"{layer_name}.{kind}")
                self.names[layer_name, kind] = name
                self.tensors[name] = stored.detach().double()

    def run(
        self, tensors: Tensors | None = None, inputs: Tensor | None = None, shifts: dict[int, Tensor] | None = None
    ) -> list[Tensor]:
        """Return all values of a forward pass; `shifts` are added to what single steps read."""
        tensors = self.tensors if tensors is None else tensors
        values = [self.inputs if inputs is None else inputs]
        for place, step in enumerate(self.network.steps):
            read = [values[source] for source in step.sources]
            if shifts and place in shifts:
                read[0] = read[0] + shifts[place]
            values.append(self._step(step, read, tensors))
        return values

    def own(self, step: Step, tensors: Tensors) -> Tensors:
        found = {kind: tensors[name] for (layer, kind), name in self.names.items() if layer == step.layer}
        if step.how == "doubled":
            found["weight"] = 2 * found["weight"]
        return found

    def _step(self, step: Step, read: list[Tensor], tensors: Tensors) -> Tensor:
        if step.op == "add":
            return read[0] + read[1]
        if step.op == "concat":
            return torch.cat(read, 1)
        if step.op == "multiply":
            return read[0] * read[1]
        layer = self.network.layers.get(step.layer)
        return OPERATIONS[step.op](layer, read[0], self.own(step, tensors) if step.layer else {})

    def logits(self, tensors: Tensors | None = None, inputs: Tensor | None = None) -> Tensor:
        return self.run(tensors, inputs)[-1]

    # ---- weights

    @cached_property
    def weight_steps(self) -> list[int]:
        return [place for place, step in enumerate(self.network.steps) if step.op in WEIGHTED]

    @cached_property
    def folded(self) -> Tensors | None:
        """Tensors with each BatchNorm folded into the layer before it; None where that is impossible."""
        tensors = dict(self.tensors)
        steps = self.network.steps
        for place, step in enumerate(steps):
            if step.op != "batch_norm":
                continue
            before = steps[place - 1]
            readers = sum(place in other.sources for other in steps)
            if before.how != "call" or before.op not in WEIGHTED or readers > 1:
                return None
            norm: Any = self.network.layers[step.layer]
            own = self.own(step, self.tensors)
            factor = own["weight"] / (norm.running_var.double() + norm.eps).sqrt()
            weight = tensors[self.names[before.layer, "weight"]]
            bias = tensors.get(f"{before.layer}.bias", torch.zeros(len(weight), dtype=torch.float64))
            tensors[self.names[before.layer, "weight"]] = weight * factor.view(-1, *[1] * (weight.ndim - 1))
            tensors[f"{before.layer}.bias"] = (bias - norm.running_mean.double()) * factor + own["bias"]
            del tensors[f"{step.layer}.weight"], tensors[f"{step.layer}.bias"]
        return tensors

    @cached_property
    def weights_act_once(self) -> bool:
        steps = self.network.steps
        if any(step.how == "doubled" for step in steps) or self.folded is None:
            return False
        names = [self.names[steps[place].layer, "weight"] for place in self.weight_steps]
        return len(names) == len(set(names))

    @cached_property
    def has_operator_norms(self) -> bool:
        return self.weights_act_once and all(
            self.network.steps[place].op in ("linear", "conv2d") for place in self.weight_steps
        )

    def is_chain_of(self, operations: tuple[str, ...]) -> bool:
        left = [step.op for step in self.network.steps if step.op != "batch_norm" or self.folded is None]
        return self.network.sequential and all(op in operations for op in left)

    @cached_property
    def weights(self) -> list[np.ndarray]:
        assert self.folded is not None
        return [
            self.folded[self.names[self.network.steps[place].layer, "weight"]].numpy() for place in self.weight_steps
        ]

    def linear_map(self, place: int, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
        """The matrix of an affine step, found by basis vectors, and what it gives for zeros."""
        step = self.network.steps[place]
        shape = self.run(tensors)[step.sources[0]].shape[1:]
        size = math.prod(shape)
        basis = torch.eye(size, dtype=torch.float64).view(size, *shape)
        zero = self._step(step, [torch.zeros(1, *shape, dtype=torch.float64)], tensors)
        columns = self._step(step, [basis], tensors) - zero
        return columns.flatten(1).T.numpy(), zero.flatten().numpy()

    @cached_property
    def spectral(self) -> list[float]:
        assert self.folded is not None
        without_norms = self._without_batch_norm()
        maps = [without_norms.linear_map(place, self.folded)[0] for place in without_norms.weight_steps]
        return [float(np.linalg.svd(matrix, compute_uv=False)[0]) for matrix in maps]

    def _without_batch_norm(self) -> "Naive":
        """The same network, whose BatchNorm layers pass on what they get; for tensors with these folded."""
        other = Naive.__new__(Naive)
        other.__dict__.update(self.__dict__)
        steps = [Step("dropout", step.sources) if step.op == "batch_norm" else step for step in self.network.steps]
        other.network = RandomNetwork(**{**vars(self.network), "steps": steps})
        other.names = dict(self.names)
        for place in self.weight_steps:
            layer = self.network.steps[place].layer
            if f"{layer}.bias" in (self.folded or {}):
                other.names[layer, "bias"] = f"{layer}.bias"
        return other

    def paths(self, power: int) -> float:
        """The sum over paths: forward from ones, with the powers of the maps' entries; a maximum sums its window."""
        tensors = self.folded if self.folded is not None else self.tensors
        plain = self._without_batch_norm()
        shape = self.inputs.shape[1:]
        sums = np.ones(math.prod(shape))
        for place, step in enumerate(plain.network.steps):
            if step.op in ("relu", "dropout", "flatten"):
                continue
            matrix, bias = plain.linear_map(place, tensors)
            if step.op == "max_pool":
                matrix, bias = (matrix > 0).astype(float), np.zeros(len(matrix))
            sums = np.abs(matrix) ** power @ sums + np.abs(bias) ** power
        return float(sums.sum())

    # ---- outputs

    @cached_property
    def margins(self) -> np.ndarray:
        rows = zip(self.logits().tolist(), self.labels.tolist(), strict=True)
        return np.array([row[label] - max(row[:label] + row[label + 1 :]) for row, label in rows])

    def loss_over(self, size: float) -> float:
        return float(functional.cross_entropy(self.logits() / size, self.labels))

    def norm_product(self, p: float) -> float:
        return math.prod(float(np.sum(np.abs(weight) ** p) ** (1 / p)) for weight in self.weights)

    def losses(self, tensors: Tensors | None = None) -> Tensor:
        return functional.cross_entropy(self.logits(tensors), self.labels, reduction="none")

    # ---- derivatives

    @cached_property
    def jacobians(self) -> np.ndarray:
        inputs = self.inputs.clone().requires_grad_()
        logits = self.logits(inputs=inputs)
        rows = [torch.autograd.grad(column.sum(), inputs, retain_graph=True)[0].flatten(1) for column in logits.T]
        return torch.stack(rows, 1).numpy()

    @cached_property
    def slopes(self) -> np.ndarray:
        return np.linalg.svd(self.jacobians, compute_uv=False)[:, 0]

    def _leaves(self) -> Tensors:
        return {name: value.clone().requires_grad_() for name, value in self.tensors.items()}

    def fisher_rao(self) -> float:
        leaves = self._leaves()
        squares = []
        for loss in self.losses(leaves):
            gradients = torch.autograd.grad(loss, [*leaves.values()], retain_graph=True, allow_unused=True)
            parts = zip(gradients, leaves.values(), strict=True)
            squares.append(sum(float((g * value.detach()).sum()) for g, value in parts if g is not None) ** 2)
        return math.sqrt(np.mean(squares))

    @cached_property
    def hessian(self) -> np.ndarray:
        """Over all parameters but the pruned ones."""
        names = [*self.tensors]
        sizes = [self.tensors[name].numel() for name in names]

        def loss(vector: Tensor) -> Tensor:
            parts = zip(names, vector.split(sizes), strict=True)
            return self.losses({name: part.view_as(self.tensors[name]) for name, part in parts}).mean()

        vector = torch.cat([self.tensors[name].flatten() for name in names])
        kept = torch.cat([self._kept(name).flatten() for name in names]).numpy()
        return torch.autograd.functional.hessian(loss, vector).numpy()[np.ix_(kept, kept)]

    def _kept(self, name: str) -> Tensor:
        mask = self.network.masks.get(name.rpartition(".")[0]) if name.endswith("weight") else None
        return torch.ones_like(self.tensors[name], dtype=torch.bool) if mask is None else mask > 0

    def input_margins(self) -> np.ndarray:
        runners_up = [int(np.argmax(np.where(np.arange(len(row)) == y, -np.inf, row))) for row, y in self._rows()]
        slopes = [j[y] - j[other] for j, (_, y), other in zip(self.jacobians, self._rows(), runners_up, strict=True)]
        return self.margins / np.linalg.norm(slopes, axis=1)

    def _rows(self) -> list[tuple[np.ndarray, int]]:
        return [*zip(self.logits().numpy(), self.labels.tolist(), strict=True)]

    def loss_sensitivities(self) -> np.ndarray:
        inputs = self.inputs.clone().requires_grad_()
        total = functional.cross_entropy(self.logits(inputs=inputs), self.labels, reduction="sum")
        return torch.autograd.grad(total, inputs)[0].flatten(1).abs().sum(1).numpy()

    # ---- layers

    def davies_bouldin(self) -> float:
        """Not scikit-learn's, which leaves pairs of classes of one mean out; here they make the index infinite."""
        last = self.network.steps[self.weight_steps[-1]]
        points = self.run()[last.sources[0]].flatten(1).numpy()
        labels = self.labels.numpy()
        means = {c: points[labels == c].mean(0) for c in np.unique(labels)}
        spreads = {c: np.linalg.norm(points[labels == c] - mean, axis=1).mean() for c, mean in means.items()}
        rounding = 1e-12 * np.abs(points).max()
        worst = []
        for c in means:
            apart = {o: np.linalg.norm(means[c] - means[o]) for o in means if o != c}
            ratios = [(spreads[c] + spreads[o]) / far if far > rounding else np.inf for o, far in apart.items()]
            worst.append(max(ratios))
        return float(np.mean(worst))

    def layer_margins(self) -> list[float]:
        values = self.run()
        found = []
        for place in self.weight_steps:
            read = values[self.network.steps[place].sources[0]]
            shift = torch.zeros_like(read).requires_grad_()
            logits = self.run(shifts={place: shift})[-1]
            others = logits.scatter(1, self.labels[:, None], -math.inf).amax(1)
            margins = logits.gather(1, self.labels[:, None])[:, 0] - others
            slopes = torch.autograd.grad(margins.sum(), shift)[0].flatten(1).norm(dim=1).numpy()
            spread = math.sqrt(float(read.flatten(1).var(0, correction=0).sum()))
            found.append(np.quantile(self.margins / slopes, 0.5) / spread)  # infinite where inputs are all alike
        return found

    def regions(self) -> float:
        values = self.run()
        patterns = [values[step.sources[0]].flatten(1) > 0 for step in self.network.steps if step.op == "relu"]
        return len({tuple(row) for row in torch.cat(patterns, 1).tolist()}) / len(self.labels)
