"""Layers of a module as measures need them: order of calls, weight tensors, and the shapes that these act on."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.derivatives import Derivatives
from benevolent.analysis.measures.sequence import as_sequence
from benevolent.analysis.measures.two_classes import two_class_logits
from benevolent.analysis.measures.weights import Weight, called_per_example, find_weights, weight_uses
from benevolent.trainables.stack.layer_types import layer_type
from benevolent.trainables.stack.module_calls import call_with
from benevolent.trainables.stack.module_structure import (
    count_activations,
    first_layer,
    first_tensor,
    recorded_calls,
)


@dataclass(frozen=True)
class Architecture:
    """The layers that all networks of a stack have in common.

    Attributes:
        module: the layers; measures call none that has parameters.
        sequence: these layers as `nn.Sequential` if they run one after another, else `module`.
        calls: the names of the layers and of their containers, in the order of their first calls, which may differ from
            the order of declaration.
        weights: the weight tensors, in the order in which they first act.
        activations: number of numbers that the layers compute for one example.
        classes: the number of logits.
        first_on_inputs: True if the first layer with parameters was called on the inputs themselves.
        relu_functions: True if ReLUs are called as functions, not only as layers `nn.ReLU`.
        folds: True if BatchNorm has been folded into the layers, whose parameters are others than the network's then.
        doubt: the reason why the layers are not believed to be the network; None if they are.
        mixes_examples: True if an output depends on the other examples of a batch.
        derivatives: the reasons why some are missing or wrong; no reasons where they were not tried.
    """

    module: nn.Module
    sequence: nn.Module
    calls: tuple[str, ...]
    weights: tuple[Weight, ...]
    activations: int
    classes: int
    first_on_inputs: bool
    relu_functions: bool = False
    folds: bool = False
    doubt: str | None = None
    mixes_examples: bool = False
    derivatives: Derivatives = Derivatives()

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
                logits = two_class_logits(call_with(module, tensors, examples.clone()))
        finally:
            for handle in handles:
                handle.remove()
        activations = max(count_activations(layer_calls), logits.numel())  # a container may call none of its layers
        names = {part: name for name, part in module.named_modules()}
        calls = tuple(names[part] for part in first_inputs)
        uses = weight_uses(module, tensors, examples)
        relu_calls = sum(isinstance(call.layer, nn.ReLU) for call in layer_calls)
        per_example = called_per_example(module, tensors, examples[:1])
        return cls(
            module=module,
            sequence=as_sequence(module, tensors, examples),
            calls=calls,
            weights=find_weights(module, calls, layer_calls, uses, first_inputs, per_example),
            activations=activations // len(examples),
            classes=logits.shape[-1],
            first_on_inputs=_first_layer_reads_inputs(module, first_inputs),
            relu_functions=uses.relus != relu_calls,
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
