"""The layers of a module as measures need them: weight tensors, the shapes they act on, homogeneity."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.batchnorm import batchnorms
from benevolent.trainables.stack.layer_types import is_sequence, layer_type
from benevolent.trainables.stack.module_structure import first_layer


@dataclass(frozen=True)
class Weight:
    """A parameter with two axes or more, its layer, and the shape of one example at the layer's input.

    `input_shape` is None where the layer was not called, or called on inputs of several shapes; `calls` counts those on
    real numbers.
    """

    name: str
    layer: nn.Module
    input_shape: tuple[int, ...] | None
    calls: int


@dataclass(frozen=True)
class Architecture:
    """What all networks of a stack have in common.

    Attributes:
        module: the layers; measures call none that has parameters.
        calls: the names of the layers and of their containers, in the order of their first calls: not always that of
            their declaration.
        weights: in that order.
        not_homogeneous: why the logits are not known to scale with the weights; None where they are.
        activations: how many numbers the layers compute for one example.
        classes: the number of logits.
        first_on_inputs: whether the first layer with parameters was called on the inputs themselves.
    """

    module: nn.Module
    calls: tuple[str, ...]
    weights: tuple[Weight, ...]
    not_homogeneous: str | None
    activations: int
    classes: int
    first_on_inputs: bool

    @classmethod
    def trace(cls, module: nn.Module, call: Callable[[], Tensor]) -> "Architecture":
        """Reads a module while `call` runs it on one example; the module is left as it was."""
        shapes: dict[nn.Module, set[tuple[int, ...]]] = {}
        called = Counter[nn.Module]()
        first: dict[nn.Module, Tensor | None] = {}  # what each was called on first, in the order of these calls
        activations = 0

        def begin(layer: nn.Module, inputs: tuple[object, ...]) -> None:
            first.setdefault(layer, inputs[0] if inputs and isinstance(inputs[0], Tensor) else None)

        def record(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            nonlocal activations
            if inputs and isinstance(inputs[0], Tensor):
                called[layer] += inputs[0].is_floating_point()
                shapes.setdefault(layer, set()).add(tuple(inputs[0].shape[1:]))
            activations += output.numel() if isinstance(output, Tensor) else 0

        leaves = [layer for layer in module.modules() if not any(True for _ in layer.children())]
        handles = [layer.register_forward_hook(record) for layer in leaves]
        handles += [layer.register_forward_pre_hook(begin) for layer in module.modules()]
        try:
            logits = call()
        finally:
            for handle in handles:
                handle.remove()
        names = {layer: name for name, layer in module.named_modules()}
        calls = tuple(names[layer] for layer in first)
        weights = []
        for name, parameter in in_order(dict(module.named_parameters()), calls).items():
            if parameter.ndim >= 2:
                layer = module.get_submodule(name.rpartition(".")[0])
                seen = shapes.get(layer, set())
                weights.append(Weight(name, layer, next(iter(seen)) if len(seen) == 1 else None, called[layer]))
        inputs = first[module]
        own = next((first[layer] for layer in first if any(True for _ in layer.parameters(recurse=False))), None)
        same = inputs is not None and own is not None and torch.equal(inputs.flatten(), own.flatten())
        activations = max(activations, logits.numel())  # a container may call none of its layers
        return cls(module, calls, tuple(weights), _why_not_homogeneous(module), activations, logits.shape[-1], same)

    @property
    def no_weights(self) -> str | None:
        """Why the weights say nothing of the function; None where they do."""
        if not self.weights:
            return "needs weights, parameters with two axes or more"
        if left := batchnorms(self.module):
            return f"needs layers that BatchNorm can be folded into, found none before {left[0]!r}"
        return None

    @property
    def no_features(self) -> str | None:
        """Why the inputs of the last layer with weights are not seen; None where they are."""
        if reason := self.no_weights:
            return reason
        layer = self.weights[-1].name.rpartition(".")[0]
        return None if layer in self.calls else f"needs a last layer with weights that is called, {layer!r} is not"

    @property
    def no_layer_inputs(self) -> str | None:
        """Why weights and the inputs of layers do not go together; None where they do."""
        if reason := self.no_weights:
            return reason
        if twice := next((w.name for w, n in pairwise(self.weights) if w.layer is n.layer), None):
            return f"needs one weight tensor per layer, {twice!r} is not alone"
        odd = next((weight for weight in self.weights if weight.calls != 1), None)
        return f"needs layers that are called once on real numbers, that of {odd.name!r} is not" if odd else None

    @property
    def first_layer(self) -> tuple[str, str | None] | None:
        """The names of the bias and of the weights of a dense first layer, if it has both; of a `Shift` no weights."""
        name = first_layer(self.module, self.calls)
        if name is None:
            return None
        layer = self.module.get_submodule(name)
        prefix = f"{name}." if name else ""
        if layer_type(layer).identity_weights:
            return f"{prefix}bias", None
        if layer_type(layer).weights == "matrix" and layer.bias is not None:
            return f"{prefix}bias", f"{prefix}weight"
        return None

    @property
    def no_relu(self) -> str | None:
        """Why activation patterns are not known; None where they are."""
        found = any(isinstance(part, nn.ReLU) for part in self.module.modules())
        return self.no_weights or (None if found else "needs layers nn.ReLU")

    @property
    def not_piecewise_linear(self) -> str | None:
        """Why the Jacobian is not known to be linear in the activation pattern; None where it is."""
        return self.no_relu or _why_not_linear_but_for_relu(self.module)

    @property
    def no_operator_norm(self) -> str | None:
        """Why the spectral norm of some layer is not known; None where all are."""
        for weight in self.weights:
            layer = weight.layer
            applied_as = layer_type(layer).weights
            if applied_as == "kernel":
                if layer.padding_mode != "zeros" or weight.input_shape is None:
                    return f"{weight.name}: needs zero padding and one input shape"
            elif applied_as is None:
                return f"{weight.name}: known for Linear and Conv2d, not {type(layer).__name__}"
        return None


def in_order(parameters: Mapping[str, Tensor], calls: Sequence[str]) -> dict[str, Tensor]:
    """Parameters in the order of the calls of their layers; those of a layer that was not called in its container's.

    >>> list(in_order({"head.weight": torch.ones(1), "body.weight": torch.ones(1)}, ["", "body", "head"]))
    ['body.weight', 'head.weight']
    """
    places = {name: place for place, name in enumerate(calls)}

    def place(name: str) -> int:
        container = name.rpartition(".")[0]
        return places[container] if container in places or not container else place(container)

    return {name: parameters[name] for name in sorted(parameters, key=place)}


def _why_not_homogeneous(module: nn.Module) -> str | None:
    if is_sequence(module):
        return next(filter(None, map(_why_not_homogeneous, module.children())), None)
    if layer_type(module).homogeneous:
        return None
    name = type(module).__name__
    return f"needs nn.Sequential of Linear, Conv2d and positively homogeneous layers, found {name}"


def _why_not_linear_but_for_relu(module: nn.Module) -> str | None:
    if is_sequence(module):
        return next(filter(None, map(_why_not_linear_but_for_relu, module.children())), None)
    if layer_type(module).affine_given_relus:
        return None
    return f"needs nn.Sequential of affine layers and ReLU, found {type(module).__name__}"
