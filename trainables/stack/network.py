"""One architecture as a function of a stack of parameters, and its initialization."""

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from benevolent.trainables.config.base import Section
from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import Dataset, Task
from benevolent.trainables.errors import BadInput
from benevolent.trainables.models import MODELS
from benevolent.trainables.models.forest import Forest
from benevolent.trainables.models.modules import PatternDetector
from benevolent.trainables.rng import generator
from benevolent.trainables.stack.batched_module import Batched, is_batched
from benevolent.trainables.stack.layer_types import draws_random_numbers, layer_type
from benevolent.trainables.stack.layers import EVAL, Mode, Tensors
from benevolent.trainables.stack.parameter_layout import ParameterLayout
from benevolent.trainables.training.losses import LOSSES

Kernel = Literal["batched", "channels_last", "matmul", "vmap", "loop"]


class Network:
    """An architecture: `logits` maps a stack of parameters and inputs to a stack of logits.

    There are several ways (kernels) to compute them, equal up to rounding: `batched` layers where all have a batched
    form (`channels_last`, `matmul`: with another way to convolve, see `Mode`), `vmap` over the module, and a `loop`
    over the K networks.

    Attributes:
        module: the architecture; its own parameters are not used.
        parameters: the layout of what is trained.
        buffers: the layout of what belongs to a network and is not: frozen parameters, the statistics of BatchNorm.
        outputs: C; 0 where it was not said.
        arithmetic: of the products in training, see `OptimizerConfig`.
    """

    def __init__(self, module: nn.Module, outputs: int = 0) -> None:
        self.outputs, self.arithmetic = outputs, "full"
        named = dict(module.named_parameters())
        frozen = {name: value.shape for name, value in named.items() if not value.requires_grad}
        kept = {name: value.shape for name, value in module.named_buffers() if value.is_floating_point()}
        self.parameters = ParameterLayout({name: value.shape for name, value in named.items() if name not in frozen})
        self.buffers = ParameterLayout(frozen | kept)
        self.module = module.requires_grad_(False)
        self.batched = Batched(module) if is_batched(module) else None
        self._stored = self.batched.stored() if self.batched else set()
        self.convolves = any(layer_type(part).weights == "kernel" for part in module.modules())
        #: Whether the module, in training, does what vmap cannot: change buffers or draw random numbers.
        self.stateful = bool(kept) or any(draws_random_numbers(part) for part in module.modules())

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """The shapes of what is trained, by name."""
        return self.parameters.shapes

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(shape.numel() for shape in self.shapes.values())

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels that can train this architecture, the usually fastest first."""
        if self.batched:
            return ("batched", "channels_last", "matmul", "loop") if self.convolves else ("batched", "loop")
        return ("loop",) if self.stateful else ("vmap", "loop")

    @property
    def first_bias(self) -> str | None:
        """The name of the first layer's bias, the object of the Benevolent Training Hypothesis; None without one.

        The first layer is the first `Shift`, whose weights are the identity, or the one that holds the module's first
        weight, a parameter with two axes or more, trained or not.
        """
        for prefix, part in self.module.named_modules():
            if layer_type(part).identity_weights or any(own.ndim >= 2 for own in part.parameters(recurse=False)):
                name = f"{prefix}.bias" if prefix else "bias"
                return name if name in self.shapes else None
        return None

    @property
    def first_bias_columns(self) -> slice:
        """Where the first layer's bias is in a row of parameters; an empty slice without one."""
        return self.parameters.columns(self.first_bias) if self.first_bias else slice(0, 0)

    @functools.cache  # noqa: B019 (a few shapes, as long as the network lives)
    def activations(self, input_shape: tuple[int, ...]) -> int:
        """How many values a forward pass of one example keeps, its inputs with them."""
        kept = math.prod(input_shape)

        def count(layer: nn.Module, inputs: object, output: object) -> None:
            nonlocal kept
            kept += output.numel() if isinstance(output, Tensor) else 0

        leaves = [part for part in self.module.modules() if next(part.children(), None) is None]
        hooks = [leaf.register_forward_hook(count) for leaf in leaves]
        try:
            with torch.no_grad():
                self.module(torch.zeros(1, *input_shape))
        finally:
            for hook in hooks:
                hook.remove()
        return kept

    def logits(
        self, parameters: Tensors, buffers: Tensors, inputs: Tensor, kernel: Kernel | None = None, mode: Mode = EVAL
    ) -> Tensor:
        """The logits `(K, N, C)` of K networks.

        Args:
            parameters: what is trained, in its stored form (`ParameterLayout.views`).
            buffers: what is not, likewise; changed in place in training.
            inputs: `(K, N, *input_shape)`: each network has its own (use `expand` to share them).
            kernel: one of `kernels`; the first of them by default.
            mode: training or not.
        """
        if self.arithmetic == "bf16" and mode.training:
            with torch.autocast(inputs.device.type, torch.bfloat16):
                return self._logits(parameters, buffers, inputs, kernel or self.kernels[0], mode).to(inputs.dtype)
        return self._logits(parameters, buffers, inputs, kernel or self.kernels[0], mode)

    def _logits(self, parameters: Tensors, buffers: Tensors, inputs: Tensor, kernel: Kernel, mode: Mode) -> Tensor:
        if self.batched and kernel in ("batched", "channels_last", "matmul"):
            mode = replace(mode, convolution="grouped" if kernel == "batched" else kernel)
            return self.batched(self._tensors(parameters, buffers), inputs, mode)
        named = self.parameters.named(parameters) | self.buffers.named(buffers)
        self.module.train(mode.training)
        try:
            if kernel == "vmap":
                return vmap(self.single, randomness="error")(named, inputs)
            return self._loop(named, inputs, mode)
        finally:
            self.module.eval()

    def single(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The logits `(N, C)` of one network: tensors `name -> (...)`, inputs `(N, *input_shape)`."""
        return functional_call(self.module, dict(tensors), (inputs,))

    def _tensors(self, parameters: Tensors, buffers: Tensors) -> dict[str, Tensor]:
        """Every tensor as the batched layers take it."""
        return {
            name: view if name in self._stored else layout.tensor(name, view)
            for layout, views in ((self.parameters, parameters), (self.buffers, buffers))
            for name, view in views.items()
        }

    def _loop(self, named: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
        """One network after the other; what a module draws in training comes from its run's own seed."""
        networks = range(len(inputs))
        rows = [{name: value[i] for name, value in named.items()} for i in networks]
        if not (self.stateful and mode.training and mode.draws):
            return torch.stack([self.single(rows[i], inputs[i]) for i in networks])
        outputs = []
        with torch.random.fork_rng():
            for i, seed in zip(networks, mode.draws.seeds(), strict=True):
                torch.manual_seed(seed)
                for part in self.module.modules():
                    if isinstance(part, nn.Dropout) and mode.dropout is not None:
                        part.p = float(mode.dropout[i])
                outputs.append(self.single(rows[i], inputs[i]))
        return torch.stack(outputs)

    @property
    def layers(self) -> list[list[str]]:
        """The names of the tensors of every layer with weights, in order."""
        tensors = [*self.shapes, *self.buffers.shapes]
        weights = [name for name, shape in self.shapes.items() if len(shape) >= 2]
        owners = dict.fromkeys(name.rpartition(".")[0] for name in weights)
        return [[name for name in tensors if name.rpartition(".")[0] == owner] for owner in owners]

    @property
    def roles(self) -> dict[str, int]:
        """Of the weights whose rows have several roles, in parts of equal size: how many."""
        owners = {name: self.module.get_submodule(name.rpartition(".")[0]) for name in self.shapes}
        return {name: owner.roles for name, owner in owners.items() if isinstance(owner, PatternDetector)}

    def initial(self, init: InitConfig, seed: int, stream: str = "init") -> dict[str, Tensor]:
        """The initial parameters and buffers of one network in float64.

        Parameters with two axes or more are weights and are drawn from the seed, by `init` or as their layer says (a
        method `draw(name, generator)`). Of the others those called `bias` are drawn by `init` if their layer has
        weights, and are else zero; the rest (the gains of a normalization layer) keep what the module's constructor
        gave them, as buffers do.
        """
        values = {}
        for index, (name, parameter) in enumerate(self.module.named_parameters()):
            layer, _, local = name.rpartition(".")
            owner, draw = self.module.get_submodule(layer), generator(seed, stream, index)
            if parameter.ndim >= 2:
                own_draw = getattr(owner, "draw", None)
                drawn = own_draw(local, draw) if own_draw else _draw(init, parameter.shape, draw)
                values[name] = torch.from_numpy(np.asarray(drawn, dtype=np.float64))
            elif local == "bias":
                values[name] = torch.from_numpy(_draw_bias(init, parameter.shape, _fan_in(owner), draw))
            else:
                values[name] = parameter.detach().double().clone()
        kept = {
            name: value.double().clone() for name, value in self.module.named_buffers() if name in self.buffers.shapes
        }
        if init.first is not None:
            first = next(name for name, shape in self.shapes.items() if len(shape) >= 2)  # of what is trained
            values[first].view(-1)[0] = init.first
        return values | kept


def for_run(config: RunConfig, about: Task | Dataset) -> Network:
    """The network of a run on a data set: with one output per class or one in all, as its loss takes them.

    Args:
        config: of the run.
        about: the data set, or what is known of it before it is read.

    Raises:
        BadInput: see `build`.
    """
    return build(config.model, about.input_shape, LOSSES[config.loss.name].outputs(about.classes))


def plain_module(config: Section, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return a fresh module of a `model:` section, its parameters as the builder left them."""
    arguments = config.model_dump()
    builder = MODELS[arguments.pop("family")]
    return builder(input_shape, outputs, **arguments)


def build(config: Section, input_shape: tuple[int, ...], outputs: int) -> Network:
    """The network of a `model:` section, tried once on two inputs.

    Raises:
        BadInput: the module cannot be built or run, or gives logits of another shape, or other ones in eval mode for
            the same inputs.
    """
    where = f"model.path = {config.path!r}" if hasattr(config, "path") else f"model.family = {config.family!r}"  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):  # the constructor may draw; what it draws is kept for gains only
        torch.manual_seed(0)
        try:
            module = plain_module(config, input_shape, outputs)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
                raise
            raise BadInput(f"{where}: its parameters do not fit in the memory of this machine") from None
    if not any(parameter.requires_grad for parameter in module.parameters()) and not isinstance(module, Forest):
        raise BadInput(f"{where}: has no parameters to train")
    state = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            inputs = torch.randn(2, *input_shape)
            module.train()(inputs)
            module.eval()
            logits, again = module(inputs), module(inputs)
            shape = tuple(logits.shape)
    except Exception as error:
        raise BadInput(f"{where}: fails on inputs of shape (2, {', '.join(map(str, input_shape))}): {error}") from error
    module.load_state_dict(state)
    if shape != (2, outputs):
        raise BadInput(f"{where}: gives outputs of shape {shape} for 2 inputs, expected (2, {outputs})")
    if not torch.equal(logits, again):
        raise BadInput(f"{where}: gives other outputs for the same inputs, although it is in eval mode")
    return Network(module, outputs)


def _draw(init: InitConfig, shape: torch.Size, draw: np.random.Generator) -> np.ndarray[Any, Any]:
    field = int(np.prod(shape[2:]))
    fan_in, fan_out = shape[1] * field, shape[0] * field
    if init.scheme == "xavier":
        limit = (6 / (fan_in + fan_out)) ** 0.5
        return draw.uniform(-limit, limit, tuple(shape)) * init.scale
    if init.scheme == "torch":  # kaiming_uniform with a = sqrt 5
        return draw.uniform(-1, 1, tuple(shape)) / fan_in**0.5 * init.scale
    if init.scheme == "zeros":
        return np.zeros(tuple(shape))
    if init.scheme == "orthogonal":
        rows, columns = shape[0], int(np.prod(shape[1:]))
        q, r = np.linalg.qr(draw.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))  # so that it is uniform over orthogonal matrices
        return np.ascontiguousarray(q if rows >= columns else q.T).reshape(tuple(shape)) * init.scale
    variance = 2 / (fan_in + fan_out) if init.scheme == "xavier_normal" else 2 / fan_in
    std = variance**0.5 if init.std is None else init.std
    return draw.standard_normal(tuple(shape)) * std * init.scale


def _draw_bias(init: InitConfig, shape: torch.Size, fan_in: int, draw: np.random.Generator) -> np.ndarray[Any, Any]:
    if fan_in and init.scheme == "torch":
        return draw.uniform(-1, 1, tuple(shape)) / fan_in**0.5 * init.scale
    if fan_in and init.bias_std:
        return draw.standard_normal(tuple(shape)) * init.bias_std
    return np.zeros(tuple(shape))


def _fan_in(layer: nn.Module) -> int:
    """How many inputs a unit of a layer adds up; 0 for a layer without weights, such as BatchNorm."""
    if layer_type(layer).identity_weights:
        return layer.get_parameter("bias").numel()
    weight = getattr(layer, "weight", None)
    return weight[0].numel() if isinstance(weight, Tensor) and weight.ndim >= 2 else 0
