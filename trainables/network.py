"""One architecture as a function of a stack of parameters, and its initialisation."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from trainables import layers, models
from trainables.config import InitConfig
from trainables.errors import BadInput
from trainables.section import Section
from trainables.streams import generator

Kernel = Literal["batched", "vmap", "loop"]


class Network:
    """An architecture: `logits` maps a stack of parameters and inputs to a stack of logits.

    There are up to three ways (kernels) to compute them, equal up to rounding: `batched` layers where
    `trainables.layers` knows them all, `vmap` over the module, and a `loop` over the K networks.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module.requires_grad_(False)
        self.shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
        self.size = sum(shape.numel() for shape in self.shapes.values())
        self.batched = layers.is_batched(module)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels that can run this architecture, the usually fastest first."""
        return ("batched", "loop") if self.batched else ("vmap", "loop")

    @property
    def first_bias(self) -> str | None:
        """The name of the first layer's bias, the object of the Benevolent Training Hypothesis; None without one.

        The first layer is the one that holds the module's first weight, a parameter with two axes or more.
        """
        weights = (name for name, shape in self.shapes.items() if len(shape) >= 2)
        first = next(weights, "").rpartition(".")[0]
        name = f"{first}.bias" if first else "bias"
        return name if name in self.shapes else None

    @property
    def first_bias_columns(self) -> slice:
        """Where the first layer's bias is in a flat row of parameters; an empty slice without one."""
        start = 0
        for name, shape in self.shapes.items():
            if name == self.first_bias:
                return slice(start, start + shape.numel())
            start += shape.numel()
        return slice(0, 0)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters `name -> (K, ...)` in rows `(K, P)`, sharing their memory.

        Matrices `(K, out, in)` lie in memory with `out` fastest, as a batched product gives their gradients, so that
        `flatten` only has to copy.
        """
        views = {}
        parts = flat.split([shape.numel() for shape in self.shapes.values()], 1)
        for (name, shape), part in zip(self.shapes.items(), parts, strict=True):
            matrix = len(shape) == 2
            views[name] = part.view(len(flat), *(shape[::-1] if matrix else shape))
            if matrix:
                views[name] = views[name].transpose(1, 2)
        return views

    def flatten(self, tensors: Iterable[Tensor]) -> Tensor:
        """Rows `(K, P)` of tensors `(K, ...)` in the order of the parameters; the inverse of `views`."""
        parts = [tensor.transpose(1, 2) if tensor.ndim == 3 else tensor.unsqueeze(-1) for tensor in tensors]
        return torch.cat([part.flatten(1) for part in parts], 1)

    def logits(self, parameters: Mapping[str, Tensor], inputs: Tensor, kernel: Kernel | None = None) -> Tensor:
        """The logits `(K, N, C)` of K networks.

        Args:
            parameters: `name -> (K, ...)`.
            inputs: `(K, N, *input_shape)`: each network has its own (use `expand` to share them).
            kernel: one of `kernels`; the first of them by default.
        """
        kernel = kernel or self.kernels[0]
        if kernel == "batched":
            return layers.forward(self.module, parameters, inputs)  # type: ignore[arg-type]
        if kernel == "vmap":
            return vmap(self.single, randomness="error")(dict(parameters), inputs)
        networks = range(len(inputs))
        return torch.stack([self.single({k: v[i] for k, v in parameters.items()}, inputs[i]) for i in networks])

    def single(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The logits `(N, C)` of one network, with parameters `name -> (...)` and inputs `(N, *input_shape)`."""
        return functional_call(self.module, dict(parameters), (inputs,))

    def initial(self, init: InitConfig, seed: int) -> dict[str, Tensor]:
        """The initial parameters of one network in float64: weights drawn from the seed, biases zero.

        Tensors with two axes or more are weights and are drawn; of the others those called `bias` are zero and
        the rest (the gains of a normalisation layer) keep what the module's constructor gave them.
        """
        values = {}
        for index, (name, parameter) in enumerate(self.module.named_parameters()):
            if parameter.ndim >= 2:
                draw = generator(seed, "init", index)
                values[name] = torch.from_numpy(_draw(init, parameter.shape, draw) * init.scale)
            elif name.rpartition(".")[2] == "bias":
                values[name] = torch.zeros(parameter.shape, dtype=torch.float64)
            else:
                values[name] = parameter.detach().double().clone()
        return values


def build(config: Section, input_shape: tuple[int, ...], classes: int) -> Network:
    """The network of a `model:` section, tried once on two inputs.

    Raises:
        BadInput: the module cannot be built or run, keeps buffers, draws random numbers, or gives logits
            of another shape.
    """
    with torch.random.fork_rng(devices=[]):  # the constructor may draw; what it draws is kept for gains only
        torch.manual_seed(0)
        module = models.build(config, input_shape, classes)
    where = f"model.path = {config.path!r}" if hasattr(config, "path") else f"model.family = {config.family!r}"  # type: ignore[attr-defined]
    if any(True for _ in module.buffers()) or any("Dropout" in type(part).__name__ for part in module.modules()):
        raise BadInput(f"{where}: modules with buffers (BatchNorm) or dropout are not supported in a stack")
    if not any(True for _ in module.parameters()):
        raise BadInput(f"{where}: has no parameters to train")
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            inputs = torch.randn(2, *input_shape)
            logits, again = module(inputs), module(inputs)
            shape = tuple(logits.shape)
    except Exception as error:
        raise BadInput(f"{where}: fails on inputs of shape (2, {', '.join(map(str, input_shape))}): {error}") from error
    if shape != (2, classes):
        raise BadInput(f"{where}: gives outputs of shape {shape} for 2 inputs, expected (2, {classes})")
    if not torch.equal(logits, again):
        raise BadInput(f"{where}: gives other outputs for the same inputs; a module must not draw random numbers")
    return Network(module)


def _draw(init: InitConfig, shape: torch.Size, draw: np.random.Generator) -> np.ndarray[Any, Any]:
    field = int(np.prod(shape[2:]))
    fan_in, fan_out = shape[1] * field, shape[0] * field
    if init.scheme == "xavier":
        limit = (6 / (fan_in + fan_out)) ** 0.5
        return draw.uniform(-limit, limit, tuple(shape))
    std = (2 / fan_in) ** 0.5 if init.std is None else init.std
    return draw.standard_normal(tuple(shape)) * std
