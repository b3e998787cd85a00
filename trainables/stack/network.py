"""One architecture as a function of a stack of parameters."""

import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.batched_module import BatchedModule, is_batched
from benevolent.trainables.stack.computed_weights import owner
from benevolent.trainables.stack.convolutional_networks import ConvolutionalNetworks, image_layers
from benevolent.trainables.stack.dense_networks import DenseNetworks, dense_layers, innermost
from benevolent.trainables.stack.initialization import initial_parameters
from benevolent.trainables.stack.kernel_names import Kernel
from benevolent.trainables.stack.layer_types import draws_random_numbers, layer_type
from benevolent.trainables.stack.layers import EVAL, Mode, Tensors
from benevolent.trainables.stack.module_calls import call_with, with_ties
from benevolent.trainables.stack.module_probe import ModuleProbe
from benevolent.trainables.stack.module_structure import count_activations, first_layer, forward_calls
from benevolent.trainables.stack.parameter_layout import ParameterLayout


class Network:
    """An architecture: `logits` maps a stack of parameters and inputs to a stack of logits.

    Several kernels compute them, equal up to rounding: `batched` where all layers have a batched form (`channels_last`
    and `matmul` convolve in another way, see `Mode`), `vmap` over the module, and a `loop` over the K networks.

    Attributes:
        module: the architecture; its own parameters are not used.
        parameters: the layout of the trained parameters.
        buffers: the layout of a network's other tensors: frozen parameters, and the statistics of BatchNorm.
        outputs: C; 0 if unknown.
        arithmetic: precision of the products in training, see `OptimizerConfig`.
        batched: the module in batched form; None if a layer has none.
        dense_layers: the layers of a network of linear layers and ReLUs alone, all trained; none of another.
        image_layers: the layers of a convolutional network, all trained, that needs no autograd, and the linear layers
            after them; none of another.
        convolves: True if a layer is a convolution.
        stateful: True if the module, in training, does what vmap cannot: change buffers or draw random numbers.
        draws: True if it draws random numbers in training.
        kept: names of the parameters, and computed weights, that are not drawn, but stay as the module's constructor
            left them.
        copies_inputs: True if the module's forward pass changes its inputs, or was not tried.
        changes_in_eval: True if it changes buffers in eval mode, which is then done to copies, or was not tried.
    """

    def __init__(
        self,
        module: nn.Module,
        outputs: int = 0,
        arithmetic: str = "full",
        probe: ModuleProbe | None = None,
        kept: Collection[str] = (),
    ) -> None:
        self.outputs = outputs
        self.kept = frozenset(kept)
        self.copies_inputs = probe is None or probe.changes_inputs
        self.changes_in_eval = probe is None or probe.changes_in_eval
        self._probe = probe
        probe = probe or ModuleProbe()
        self.arithmetic = arithmetic
        trained: dict[str, torch.Size] = {}
        frozen: dict[str, torch.Size] = {}
        for name, parameter in module.named_parameters():
            shapes = trained if parameter.requires_grad else frozen
            shapes[name] = parameter.shape
        statistics: dict[str, torch.Size] = {}
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point() or name in probe.counters:
                statistics[name] = buffer.shape
        layers = list(module.modules())
        self.parameters = ParameterLayout(trained)
        self.buffers = ParameterLayout(frozen | statistics)
        self.module = module.requires_grad_(False)
        self.batched = BatchedModule(module) if is_batched(module) else None
        self.dense_layers = dense_layers(innermost(self.batched), trained) if self.batched else []
        self.image_layers = image_layers(self.batched, trained) if self.batched else ([], [])
        self.convolves = any(layer_type(layer).weights == "kernel" for layer in layers)
        draws = probe.draws or any(draws_random_numbers(layer) for layer in layers)
        self.stateful = bool(statistics) or draws
        self.draws = draws
        self._counters = {name: module.get_buffer(name).dtype for name in probe.counters}
        self._stored = self.batched.stored_names() if self.batched else set()
        self._activations: dict[tuple[int, ...], int] = {}

    def of_module(self, module: nn.Module) -> "Network":
        """Return the network of a module that runs as this one's does, with parameters of other names and shapes."""
        probe = self._probe
        if probe is not None:
            probe = replace(probe, counters=probe.counters & dict(module.named_buffers()).keys())
        return Network(module, self.outputs, self.arithmetic, probe, self.kept)

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """The shapes of the trained parameters, by name."""
        return self.parameters.shapes

    @property
    def size(self) -> int:
        """The number of trained parameters, counted as single numbers."""
        return sum(shape.numel() for shape in self.shapes.values())

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels that can train this architecture, the usually fastest first."""
        if self.batched and self.convolves:
            return ("batched", "channels_last", "matmul", "loop")
        if self.batched:
            return ("batched", "loop")
        if self.stateful:
            return ("loop",)
        return ("vmap", "loop")

    def without_autograd(self, kernel: Kernel) -> DenseNetworks | ConvolutionalNetworks | None:
        """Return networks that compute their gradients themselves; None where there are none.

        Args:
            kernel: way to compute the logits.
        """
        if self.arithmetic == "full" and kernel == "batched" and self.dense_layers:
            return DenseNetworks(self.dense_layers)
        images, dense = self.image_layers
        if self.arithmetic == "full" and kernel == "channels_last" and images:
            return ConvolutionalNetworks(images, dense)
        return None

    @functools.cached_property
    def first_bias(self) -> str | None:
        """The name of the first layer's bias, which the Benevolent Training Hypothesis is about, if it is trained."""
        layer = first_layer(self.module)
        if layer is None:
            return None
        name = f"{layer}.bias" if layer else "bias"
        return name if name in self.shapes else None

    @functools.cached_property
    def first_bias_columns(self) -> slice:
        """The place of the first layer's bias in a row of parameters; an empty slice without one."""
        return self.parameters.columns(self.first_bias) if self.first_bias else slice(0, 0)

    @property
    def layers(self) -> list[list[str]]:
        """The names of the tensors of every layer with weights, in order."""
        tensors: dict[str, list[str]] = {}
        for name, shape in self.shapes.items():
            if len(shape) >= 2:
                tensors[owner(name)] = []
        for name in (*self.shapes, *self.buffers.shapes):
            if owner(name) in tensors:
                tensors[owner(name)].append(name)
        return list(tensors.values())

    @property
    def weight_parts(self) -> dict[str, int]:
        """The weights with several parts whose rows are not exchangeable: name -> number of parts, of equal size."""
        parts = {}
        for name in self.shapes:
            layer = self.module.get_submodule(owner(name))
            count = layer_type(layer).weight_parts
            if count > 1:
                parts[name] = count
        return parts

    def activations(self, input_shape: tuple[int, ...]) -> int:
        """Return how many values a forward pass of one example keeps: its inputs and the outputs of all layers."""
        if input_shape not in self._activations:
            outputs = count_activations(forward_calls(self.module, input_shape))
            self._activations[input_shape] = math.prod(input_shape) + outputs
        return self._activations[input_shape]

    def initial(self, init: InitConfig, seed: int, stream: str = "init") -> dict[str, Tensor]:
        """Return the initial parameters (see `initial_parameters`) and buffers of one network in float64."""
        values = initial_parameters(self.module, init, seed, stream, self.kept)
        if init.first is not None:
            weights = [name for name, shape in self.shapes.items() if len(shape) >= 2]
            numbers = values[weights[0]].view(-1)
            numbers[0] = init.first
        for name, value in self.module.named_buffers():
            if name in self.buffers.shapes and name not in values:
                values[name] = value.double().clone()
        return {name: value for name, value in values.items() if name in self.shapes or name in self.buffers.shapes}

    def logits(
        self, parameters: Tensors, buffers: Tensors, inputs: Tensor, kernel: Kernel | None = None, mode: Mode = EVAL
    ) -> Tensor:
        """Return the logits `(K, N, C)` of K networks.

        Args:
            parameters: the trained parameters in their stored form (`ParameterLayout.views`).
            buffers: the other tensors, likewise; changed in place in training.
            inputs: `(K, N, *input_shape)`: each network has its own (use `expand` to share them).
            kernel: one of `kernels`; the first of them by default.
            mode: training or not.
        """
        kernel = kernel or self.kernels[0]
        if self.arithmetic == "bf16" and mode.training:
            with torch.autocast(inputs.device.type, torch.bfloat16):
                return self._logits(parameters, buffers, inputs, kernel, mode).to(inputs.dtype)
        return self._logits(parameters, buffers, inputs, kernel, mode)

    def _logits(self, parameters: Tensors, buffers: Tensors, inputs: Tensor, kernel: Kernel, mode: Mode) -> Tensor:
        if self.batched and kernel in ("batched", "channels_last", "matmul"):
            mode = replace(mode, convolution="grouped" if kernel == "batched" else kernel)
            return self.batched(self.batched_tensors(parameters, buffers), inputs, mode)
        # Buffers share one tensor, and `data` lets a module change some after autograd has kept others.
        own_buffers = {name: value.data for name, value in self.buffers.named(buffers).items()}
        if self.changes_in_eval and not mode.training:
            own_buffers = {name: value.clone() for name, value in own_buffers.items()}
        tensors = self.parameters.named(parameters) | own_buffers
        self.module.train(mode.training)
        try:
            if kernel == "vmap":
                logits = vmap(self.single, randomness="error")(tensors, inputs)
            else:
                logits = self._loop(tensors, inputs, mode)
            return logits.to(inputs.dtype)  # a module may leave them in half precision
        finally:
            self.module.eval()

    def single(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return the logits `(N, C)` of one network: tensors `name -> (...)`, inputs `(N, *input_shape)`."""
        inputs = inputs.clone() if self.copies_inputs else inputs
        return call_with(self.module, tensors, inputs)

    def batched_tensors(self, parameters: Tensors, buffers: Tensors) -> dict[str, Tensor]:
        """Return every tensor in the form that its batched layer takes; arguments as for `logits`."""
        tensors = {}
        for layout, views in ((self.parameters, parameters), (self.buffers, buffers)):
            for name, view in views.items():
                tensors[name] = view if name in self._stored else layout.tensor(name, view)
        return tensors

    def _loop(self, tensors: Tensors, inputs: Tensor, mode: Mode) -> Tensor:
        """Run one network after the other; random numbers of a module in training come from its run's own seed."""
        if not mode.training:
            return torch.stack([self.single(_row(tensors, row), inputs[row]) for row in range(len(inputs))])
        if not (self.stateful and mode.draws):
            return self._without_draws(tensors, inputs)
        outputs = []
        dropouts = [layer for layer in self.module.modules() if isinstance(layer, nn.Dropout)]
        rates = [layer.p for layer in dropouts]
        try:
            with torch.random.fork_rng():
                for row, seed in enumerate(mode.draws.seeds()):
                    torch.manual_seed(seed)
                    if mode.dropout_rates is not None:
                        rate = mode.dropout_rates[row]
                        _set_rates(dropouts, [rate] * len(dropouts))
                    outputs.append(self._in_training(_row(tensors, row), inputs[row]))
        finally:
            _set_rates(dropouts, rates)
        return torch.stack(outputs)

    def _without_draws(self, tensors: Tensors, inputs: Tensor) -> Tensor:
        """Run one network after the other in training, and see to it that none draws from torch's generator."""
        generator = torch.get_rng_state()
        outputs = [self._in_training(_row(tensors, row), inputs[row]) for row in range(len(inputs))]
        if not self.stateful and not torch.equal(generator, torch.get_rng_state()):
            name = type(self.module).__name__
            raise BadInput(f"{name}: draws random numbers in some steps and not in others; expected the same in all")
        return torch.stack(outputs)

    def _in_training(self, tensors: dict[str, Tensor], inputs: Tensor) -> Tensor:
        """Return the logits of one network, and keep its buffers, whether they are changed in place or replaced."""
        given = dict(tensors)
        for name in self.buffers.shapes:
            dtype = self._counters.get(name, given[name].dtype)
            given[name] = given[name].data.to(dtype)  # `data`: as above, for networks that share a row of buffers
        after = with_ties(self.module, given)  # torch writes buffers here that replace those given
        inputs = inputs.clone() if self.copies_inputs else inputs
        logits: Tensor = functional_call(self.module, after, (inputs,), tie_weights=False)
        for name in self.buffers.shapes:
            if after[name] is not given[name] or name in self._counters:
                tensors[name].copy_(after[name].detach())
        return logits


def _row(tensors: Tensors, row: int) -> dict[str, Tensor]:
    """Return the tensors of one network."""
    return {name: _item(value, row) for name, value in tensors.items()}


def _item(value: Tensor, row: int) -> Tensor:
    """Return one row. A gradient of the only row is not copied into zeros, as that of a selected row is."""
    return value.squeeze(0) if len(value) == 1 else value[row]


def _set_rates(layers: list[nn.Dropout], rates: list[float]) -> None:
    for layer, rate in zip(layers, rates, strict=True):
        layer.p = rate
