"""Layers of a module as measures need them: order of calls, weight tensors, and the shapes that these act on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.analysis.measures.weight_uses import WeightUses
from benevolent.trainables.stack.layer_types import layer_type
from benevolent.trainables.stack.module_structure import (
    LayerCall,
    count_activations,
    first_layer,
    first_tensor,
    recorded_calls,
)


@dataclass(frozen=True)
class Weight:
    """A parameter with two axes or more, its layer, and the shape of one example at the layer's input.

    Attributes:
        name: of the parameter.
        layer: the module that holds it.
        input_shape: None if the layer was not called, or was called on inputs of several shapes.
        calls: number of calls of the layer on real numbers.
        uses: how often the weight acts on data in one forward pass, in its layer or elsewhere.
        changed: True if it acts as something computed from it, such as twice its value.
    """

    name: str
    layer: nn.Module
    input_shape: tuple[int, ...] | None
    calls: int
    uses: int
    changed: bool

    @property
    def why_not_once(self) -> str | None:
        """The reason why the weight does not act just once, as it is; None if it does."""
        if self.changed:
            return f"needs weights that act as they are, {self.name!r} acts as something computed from it"
        if self.uses == 1:
            return None
        how_often = "acts more than once" if self.uses else "never acts"
        return f"needs weights that act once, {self.name!r} {how_often}"


@dataclass(frozen=True)
class Architecture:
    """The layers that all networks of a stack have in common.

    Attributes:
        module: the layers; measures call none that has parameters.
        calls: the names of the layers and of their containers, in the order of their first calls, which may differ from
            the order of declaration.
        weights: the weight tensors, in that order.
        activations: number of numbers that the layers compute for one example.
        classes: the number of logits.
        first_on_inputs: True if the first layer with parameters was called on the inputs themselves.
        doubt: the reason why the layers are not believed to be the network; None if they are.
        mixes_examples: True if an output depends on the other examples of a batch.
    """

    module: nn.Module
    calls: tuple[str, ...]
    weights: tuple[Weight, ...]
    activations: int
    classes: int
    first_on_inputs: bool
    doubt: str | None = None
    mixes_examples: bool = False

    @classmethod
    def trace(cls, module: nn.Module, tensors: Mapping[str, Tensor], examples: Tensor) -> "Architecture":
        """Read a module while it runs on examples; the module is left unchanged.

        Args:
            module: the layers.
            tensors: its parameters and buffers, by name.
            examples: `(N, *input_shape)`.
        """
        first_inputs: dict[nn.Module, Tensor | None] = {}

        def begin(part: nn.Module, arguments: tuple[object, ...]) -> None:
            if part not in first_inputs:
                inputs = first_tensor(arguments)
                first_inputs[part] = None if inputs is None else inputs.clone()  # a later layer may change them

        handles = [part.register_forward_pre_hook(begin) for part in module.modules()]
        try:
            with recorded_calls(module) as layer_calls:
                logits = two_class_logits(functional_call(module, dict(tensors), (examples.clone(),)))
        finally:
            for handle in handles:
                handle.remove()
        activations = max(count_activations(layer_calls), logits.numel())  # a container may call none of its layers
        names = {part: name for name, part in module.named_modules()}
        calls = tuple(names[part] for part in first_inputs)
        return cls(
            module=module,
            calls=calls,
            weights=_weights(module, calls, layer_calls, _weight_uses(module, tensors, examples)),
            activations=activations // len(examples),
            classes=logits.shape[-1],
            first_on_inputs=_first_layer_reads_inputs(module, first_inputs),
        )

    @property
    def weight_names(self) -> list[str]:
        """The names of the weight tensors, in order."""
        return [weight.name for weight in self.weights]

    @property
    def first_layer(self) -> tuple[str, str | None] | None:
        """The names of bias and weights of a dense first layer, if it has both; no weights if they are the identity."""
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


def _weight_uses(module: nn.Module, tensors: Mapping[str, Tensor], examples: Tensor) -> WeightUses:
    """Run a module once more and return the uses of its weights."""
    weights = {name: tensors[name] for name, value in module.named_parameters() if value.ndim >= 2}
    inputs = examples.clone()
    uses = WeightUses(weights, inputs)
    with uses:
        functional_call(module, dict(tensors), (inputs,))
    return uses


def _weights(
    module: nn.Module, calls: Sequence[str], layer_calls: Sequence[LayerCall], uses: WeightUses
) -> tuple[Weight, ...]:
    input_shapes: dict[nn.Module, set[tuple[int, ...]]] = {}
    real_calls: Counter[nn.Module] = Counter()
    for call in layer_calls:
        if call.input_shape is not None:
            input_shapes.setdefault(call.layer, set()).add(call.input_shape)
        real_calls[call.layer] += call.on_real_numbers
    weights = []
    for name, parameter in in_call_order(dict(module.named_parameters()), calls).items():
        if parameter.ndim < 2:
            continue
        layer = module.get_submodule(name.rpartition(".")[0])
        shapes = input_shapes.get(layer, set())
        shape = next(iter(shapes)) if len(shapes) == 1 else None
        weights.append(Weight(name, layer, shape, real_calls[layer], uses.count[name], name in uses.changed))
    return tuple(weights)


def _first_layer_reads_inputs(module: nn.Module, first_inputs: Mapping[nn.Module, Tensor | None]) -> bool:
    """Return whether the first layer with parameters was called on the inputs of the module themselves.

    Args:
        module: the whole network.
        first_inputs: first argument of the first call of every part, None if it is no tensor, in the order of calls.
    """
    with_parameters = filter(_has_parameters, first_inputs)
    layer = next(with_parameters, None)
    if layer is None:
        return False
    inputs = first_inputs[module]
    layer_inputs = first_inputs[layer]
    if inputs is None or layer_inputs is None:
        return False
    return torch.equal(inputs.flatten(), layer_inputs.flatten())


def _has_parameters(part: nn.Module) -> bool:
    return next(part.parameters(recurse=False), None) is not None


def in_call_order(parameters: Mapping[str, Tensor], calls: Sequence[str]) -> dict[str, Tensor]:
    """Sort parameters by the first calls of their layers, or of the container of a layer that was not called.

    >>> list(in_call_order({"head.weight": torch.ones(1), "body.weight": torch.ones(1)}, ["", "body", "head"]))
    ['body.weight', 'head.weight']
    """
    places = {name: place for place, name in enumerate(calls)}

    def place(name: str) -> int:
        container = name.rpartition(".")[0]
        if container in places or not container:
            return places[container]
        return place(container)

    return {name: parameters[name] for name in sorted(parameters, key=place)}
