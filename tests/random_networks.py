"""Small networks assembled at random, each with a description that says what it computes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune

CLASSES = 3
EXAMPLES = 10


@dataclass
class Step:
    """One step of a forward pass.

    Attributes:
        op: what it computes: a key of `naive_measures.OPERATIONS`.
        sources: the values that it reads: 0 for the inputs, k for the result of step k.
        layer: name of the layer whose tensors it reads; empty without one.
        how: `call` of the layer; its outputs `detached`; or a `function` of its weight, or of the `doubled` weight. A
            step without a layer: a `function`, or `in place`.
    """

    op: str
    sources: list[int]
    layer: str = ""
    how: str = "call"


@dataclass
class RandomNetwork:
    """A module, what it computes, and data.

    Attributes:
        kinds: names of what is uncommon about it.
        steps: of its forward pass; the last gives the logits.
        layers: by name.
        computed: layer -> the weight that acts there, where it is not the layer's own parameter.
        masks: layer -> mask of its weight, 1 for what is kept.
        options: further arguments of `measure_network`.
    """

    kinds: list[str]
    steps: list[Step]
    layers: dict[str, nn.Module]
    module: nn.Module
    inputs: Tensor
    labels: Tensor
    computed: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def sequential(self) -> bool:
        """Whether layers are called one after another, in `nn.Sequential` or by a module of one's own."""
        return _is_chain(self.steps)

    @property
    def double(self) -> bool:
        return next(self.module.parameters()).dtype == torch.float64


def _is_chain(steps: list[Step]) -> bool:
    return all(step.how == "call" and len(step.sources) == 1 and step.op != "shift" for step in steps)


class Assembled(nn.Module):
    """A module that runs the steps of a description."""

    def __init__(self, layers: dict[str, nn.Module], steps: list[Step]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.steps = steps

    def forward(self, inputs: Tensor) -> Tensor:
        values = [inputs]
        for step in self.steps:
            read = [values[place] for place in step.sources]
            values.append(self.run(step, read))
        return values[-1]

    def run(self, step: Step, read: list[Tensor]) -> Tensor:
        if step.op == "add":
            return read[0].add_(read[1]) if step.how == "in place" else read[0] + read[1]
        if step.op == "concat":
            return torch.cat(read, 1)
        if step.op == "multiply":
            return read[0] * read[1]
        if step.op == "shift":
            return read[0] + self.layers[step.layer].weight
        if step.how == "function" and step.op == "relu":
            return functional.relu(read[0])
        if step.how == "detached":
            return self.layers[step.layer](read[0]).detach()
        if step.how == "call":
            return self.layers[step.layer](read[0])
        layer = self.layers[step.layer]
        weight = 2 * layer.weight if step.how == "doubled" else layer.weight
        return functional.linear(read[0], weight, layer.bias)


class Shift(nn.Module):
    """A parameter of two axes that is added."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, size))


class Squared(nn.Module):
    """A parametrization of one's own."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.square() - 0.3


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
}
PARAMETRIZATIONS: dict[str, Callable[[nn.Module], Any]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "own": lambda layer: parametrize.register_parametrization(layer, "weight", Squared()),
}


class Builder:
    """Adds layer after layer, and knows the shape of the values."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
        self.rng = rng
        self.shape = shape
        self.steps: list[Step] = []
        self.layers: dict[str, nn.Module] = {}
        self.kinds: list[str] = []
        self.activation = str(rng.choice([*ACTIVATIONS], p=[0.6, 0.1, 0.1, 0.1, 0.1]))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    @property
    def last(self) -> int:
        return len(self.steps)

    def add(self, op: str, layer: nn.Module | str | None = None, how: str = "call", *more: int) -> None:
        """Add a step on the last value and others; `layer` is new, or the name of one that is used again."""
        name = layer if isinstance(layer, str) else f"{op}{len(self.layers)}" if layer is not None else ""
        if isinstance(layer, nn.Module):
            self.layers[name] = layer
        self.steps.append(Step(op, [self.last, *more], name, how))

    def activate(self) -> None:
        used = [step.layer for step in self.steps if step.op == self.activation and step.how == "call"]
        if used and self.chance(0.3):
            self.kinds.append("activation used again")
            self.add(self.activation, used[0])
        elif self.activation == "relu" and self.chance(0.08):
            self.kinds.append("ReLU as a function")
            self.add("relu", None, "function")
        else:
            in_place = self.activation == "relu" and self.chance(0.2)
            self.kinds += ["in place"] * in_place
            self.add(self.activation, nn.ReLU(inplace=True) if in_place else ACTIVATIONS[self.activation]())
        if self.chance(0.15):
            self.add("dropout", nn.Dropout(0.5))

    def dense(self, units: int) -> None:
        layer = nn.Linear(self.shape[0], units, bias=self.chance(0.7))
        self.shape = (units,)
        chosen = self.rng.random()
        how = "function" if chosen < 0.06 else "doubled" if chosen < 0.1 else "detached" if chosen < 0.13 else "call"
        if how != "call":
            self.kinds.append(f"weight by a {how}" if how == "function" else f"weight {how}")
        self.add("linear", layer, how)

    def dense_block(self, units: int) -> None:
        before, width = self.last, self.shape[0]
        self.dense(units)
        if self.chance(0.12):
            self.kinds.append("BatchNorm")
            self.add("batch_norm", nn.BatchNorm1d(units))
        elif self.chance(0.12):
            self.kinds.append("LayerNorm")
            self.add("layer_norm", nn.LayerNorm(units))
        self.activate()
        if self.chance(0.08):
            self.kinds.append("parameter added")
            self.add("shift", Shift(units))
        if units == width and self.chance(0.3):
            op = str(self.rng.choice(["add", "multiply"]))
            saves_inputs = self.activation in ("gelu", "leaky_relu")  # others have no derivative once changed in place
            how = "in place" if op == "add" and saves_inputs and self.chance(0.5) else "call"
            self.kinds.append(f"branches: {op}")
            self.add(op, None, how, before)
        elif self.chance(0.06):
            self.kinds.append("branches: concat")
            self.add("concat", None, "call", before)
            self.shape = (units + width,)

    def same_layer_twice(self) -> None:
        """Use a layer of as many units as inputs, and use it, or its weight in another layer, again."""
        size = self.shape[0]
        self.add("linear", nn.Linear(size, size))
        name = self.steps[-1].layer
        self.activate()
        if self.chance(0.5):
            self.kinds.append("layer used again")
            self.add("linear", name)
        else:
            self.kinds.append("tied weights")
            twin = nn.Linear(size, size)
            twin.weight = self.layers[name].weight
            self.add("linear", twin)
        self.activate()

    def convolution(self, axes: int) -> None:
        channels, kernel = self.shape[0], int(self.rng.integers(2, 4))
        groups = channels if channels > 1 and self.chance(0.3) else 1
        filters = groups * int(self.rng.integers(1, 3)) if groups > 1 else int(self.rng.integers(2, 5))
        stride, padding = int(self.rng.integers(1, 3)), int(self.rng.integers(0, 2))
        convolution = nn.Conv2d if axes == 2 else nn.Conv1d
        layer = convolution(channels, filters, kernel, stride, padding, groups=groups, bias=self.chance(0.6))
        self.kinds += ["grouped"] * (groups > 1)
        self.add(f"conv{axes}d", layer)
        size = (self.shape[1] + 2 * padding - kernel) // stride + 1
        self.shape = (filters, *[size] * axes)
        self.normalize(axes)
        self.activate()
        if size >= 4 and self.chance(0.5):
            self.pool(axes)

    def normalize(self, axes: int) -> None:
        channels = self.shape[0]
        chosen = self.rng.random()
        if chosen < 0.2:
            self.kinds.append("BatchNorm")
            self.add("batch_norm", (nn.BatchNorm2d if axes == 2 else nn.BatchNorm1d)(channels))
        elif chosen < 0.27 and self.shape[1] > 1:
            self.kinds.append("GroupNorm")
            self.add("group_norm", nn.GroupNorm(channels, channels))
        elif chosen < 0.32 and self.shape[1] > 1:
            self.kinds.append("InstanceNorm")
            self.add("instance_norm", (nn.InstanceNorm2d if axes == 2 else nn.InstanceNorm1d)(channels, affine=True))

    def pool(self, axes: int) -> None:
        op = str(self.rng.choice(["max_pool", "avg_pool"]))
        types = {"max_pool": (nn.MaxPool1d, nn.MaxPool2d), "avg_pool": (nn.AvgPool1d, nn.AvgPool2d)}
        used = [step.layer for step in self.steps if step.op == op]
        if used:
            self.kinds.append("pooling used again")
        self.add(op, used[0] if used else types[op][axes - 1](2))
        self.shape = (self.shape[0], *[self.shape[1] // 2] * axes)

    def flatten(self, axes: int) -> None:
        if self.chance(0.3):
            self.add("mean_pool", (nn.AdaptiveAvgPool1d if axes == 1 else nn.AdaptiveAvgPool2d)(1))
            self.shape = (self.shape[0], *[1] * axes)
        self.add("flatten", nn.Flatten())
        self.shape = (int(np.prod(self.shape)),)


def random_network(seed: int) -> RandomNetwork:
    """Return the network of a seed."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    body = str(rng.choice(["dense", "conv2d", "conv1d", "tokens"], p=[0.5, 0.3, 0.1, 0.1]))
    shape = {"dense": (int(rng.integers(3, 6)),), "conv2d": (int(rng.integers(1, 3)), 6, 6), "conv1d": (2, 8)}
    builder = Builder(rng, shape.get(body, (4,)))
    if body == "tokens":
        vocabulary, width = 7, int(rng.integers(2, 4))
        builder.add("embedding", nn.Embedding(vocabulary, width))
        builder.add("flatten", nn.Flatten())
        builder.shape = (4 * width,)
    if body.startswith("conv"):
        axes = int(body[4])
        for _ in range(rng.integers(1, 3)):
            if builder.shape[1] >= 3:
                builder.convolution(axes)
        builder.flatten(axes)
    for _ in range(rng.integers(0 if body.startswith("conv") else 1, 3)):
        builder.dense_block(builder.shape[0] if builder.chance(0.3) else int(rng.integers(3, 6)))
    if builder.chance(0.1):
        builder.same_layer_twice()
    builder.dense(CLASSES)
    return _finish(builder, body, rng)


def _finish(builder: Builder, body: str, rng: np.random.Generator) -> RandomNetwork:
    """Make the module, in a precision, and change its weights."""
    chain = _is_chain(builder.steps)
    if chain and builder.chance(0.3):
        builder.kinds.append("wrapper of a sequence")
        module: nn.Module = Assembled(builder.layers, builder.steps)
    elif chain:
        module = nn.Sequential(*[builder.layers[step.layer] for step in builder.steps])
    else:
        module = Assembled(builder.layers, builder.steps)
    tokens = body == "tokens"
    first = builder.layers[builder.steps[0].layer] if tokens else None
    if isinstance(first, nn.Embedding):
        inputs = torch.randint(0, first.num_embeddings, (EXAMPLES, 4))
    else:
        inputs = torch.randn(EXAMPLES, *_input_shape(builder))
    labels = torch.arange(EXAMPLES) % CLASSES
    network = RandomNetwork([body, *builder.kinds], builder.steps, builder.layers, module, inputs, labels)
    _train_statistics(network)
    precision = str(rng.choice(["float64", "float32", "bfloat16", "float16"], p=[0.7, 0.2, 0.05, 0.05]))
    dtype = getattr(torch, precision)
    module.to(dtype)
    network.inputs = inputs if tokens else inputs.to(dtype)
    _change_weights(network, rng, half=precision.endswith("16"))
    if precision != "float64":
        network.kinds.append(precision)
    if builder.chance(0.3):
        kind = rng.choice(["int32", "uint8", "int16"])
        network.labels = labels.to(getattr(torch, kind))
    module.train(builder.chance(0.5))
    return network


def _input_shape(builder: Builder) -> tuple[int, ...]:
    layer: Any = builder.layers[builder.steps[0].layer]
    if isinstance(layer, nn.Linear):
        return (layer.in_features,)
    return (layer.in_channels, 8) if isinstance(layer, nn.Conv1d) else (layer.in_channels, 6, 6)


def _train_statistics(network: RandomNetwork) -> None:
    """Draw parameters, and let BatchNorm see some inputs."""
    for part in network.module.modules():
        for value in part.parameters(recurse=False):
            scale = 1 / value[0].numel() ** 0.5 if value.ndim > 1 else 0.3
            centre = 1.0 if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm) else 0.0
            value.data = centre + 1.5 * scale * torch.randn_like(value)
    with torch.no_grad():
        network.module.train()(network.inputs.clone())


def _change_weights(network: RandomNetwork, rng: np.random.Generator, half: bool) -> None:
    """Parametrize, prune or mask a weight at times."""
    chosen = rng.random()
    names = [step.layer for step in network.steps if step.op in ("linear", "conv2d", "conv1d") and step.how == "call"]
    shared = [name for name in names if names.count(name) > 1]
    weights = {name: network.layers[name].weight for name in names}
    tied = [name for name in names if sum(weights[other] is weights[name] for other in weights) > 1]
    free = [name for name in names if name not in tied and name not in shared]
    if not free or chosen > 0.4 or half:
        return
    name = str(rng.choice(free))
    layer: Any = network.layers[name]
    if chosen < 0.2:
        kind = str(rng.choice([*PARAMETRIZATIONS]))
        PARAMETRIZATIONS[kind](layer)
        network.kinds.append(f"parametrized: {kind}")
        network.module.eval()
        network.computed[name] = _computed_weight(layer, kind)
        return
    mask = torch.from_numpy(rng.random(layer.weight.shape) < 0.6).to(layer.weight.dtype)
    mask.view(len(mask), -1)[:, 0] = 1
    network.masks[name] = mask
    if chosen < 0.3:
        prune.custom_from_mask(layer, "weight", mask)
        network.computed[name] = (layer.weight_orig * mask).detach()
        forward = bool(rng.random() < 0.5)
        network.kinds.append("pruned, then run" if forward else "pruned")
        if forward:
            with torch.no_grad():
                network.module.eval()(network.inputs.clone())
        return
    layer.weight.data *= mask
    full_names = {value: key for key, value in network.module.named_modules()}
    network.options["masks"] = {f"{full_names[layer]}.weight": mask}
    network.kinds.append("masks")


def _computed_weight(layer: Any, kind: str) -> Tensor:
    """Return the weight that a parametrized layer stands for, by the formula."""
    originals = layer.parametrizations.weight
    if kind == "weight_norm":
        scale, direction = originals.original0.detach(), originals.original1.detach()
        length = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
        return scale * direction / length
    if kind == "own":
        return originals.original.detach().square() - 0.3
    if kind == "spectral_norm":
        weight, left, right = originals.original.detach(), originals[0]._u, originals[0]._v
        return weight / (left @ weight.flatten(1) @ right)
    return layer.weight.detach()
