"""The weights of a module: parameters that act as matrices or kernels, and where they do."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benevolent.analysis.measures.weight_uses import Use, WeightUses
from benevolent.trainables.stack.module_calls import call_with
from benevolent.trainables.stack.module_structure import LayerCall, first_tensor


@dataclass(frozen=True)
class Weight:
    """A parameter with two axes or more that acts as a matrix or a kernel, and its layer.

    A parameter that is added to data, or scales what a normalization gives, is no weight, whatever its shape.

    Attributes:
        name: of the parameter.
        layer: the module that holds it.
        input_shape: of one example at the layer's input; None if it was not called, or on inputs of several shapes.
        calls: number of calls of the layer on real numbers.
        uses: where it acts on data in one forward pass, in its layer or elsewhere.
        on_layer_inputs: True if it acts on the very inputs of its layer, one row of which belongs to each example.
    """

    name: str
    layer: nn.Module
    input_shape: tuple[int, ...] | None
    calls: int
    uses: tuple[Use, ...]
    on_layer_inputs: bool

    @property
    def why_not_once(self) -> str | None:
        """The reason why the weight does not act just once, as it is; None if it does."""
        for use in self.uses:
            if use.changed:
                return f"needs weights that act as they are, {self.name!r} acts as something computed from it"
            if use.kind != "matrix":
                return f"needs weights that act in products, {self.name!r} acts in {use.function!r}"
        if len(self.uses) == 1:
            return None
        how_often = "acts more than once" if self.uses else "never acts"
        return f"needs weights that act once, {self.name!r} {how_often}"

    @property
    def function(self) -> str:
        """Name of the function of torch in which it acts first, empty if it never acts."""
        return self.uses[0].function if self.uses else ""


def weight_uses(module: nn.Module, tensors: Mapping[str, Tensor], examples: Tensor) -> WeightUses:
    """Run a module once more and return the uses of its weights."""
    weights = {name: tensors[name] for name, value in module.named_parameters() if value.ndim >= 2}
    inputs = examples.clone()
    uses = WeightUses(weights, inputs)
    with uses:
        call_with(module, tensors, inputs)
    return uses


def called_per_example(module: nn.Module, tensors: Mapping[str, Tensor], example: Tensor) -> set[nn.Module]:
    """Return the parts of a module that are called on one row of inputs where there is one example."""
    called = set()

    def keep(part: nn.Module, arguments: tuple[object, ...]) -> None:
        inputs = first_tensor(arguments)
        if inputs is not None and inputs.ndim and len(inputs) == len(example):
            called.add(part)

    handles = [part.register_forward_pre_hook(keep) for part in module.modules()]
    try:
        call_with(module, tensors, example.clone())
    except (RuntimeError, ValueError):  # torch refuses batch statistics of one example
        return set()
    finally:
        for handle in handles:
            handle.remove()
    return called


def find_weights(
    module: nn.Module,
    calls: Sequence[str],
    layer_calls: Sequence[LayerCall],
    uses: WeightUses,
    first_inputs: Mapping[nn.Module, Tensor | None],
    per_example: Container[nn.Module],
) -> tuple[Weight, ...]:
    """Return the weights of a module in the order in which they first act.

    Args:
        module: the layers.
        calls: names of the layers in the order of their first calls.
        layer_calls: all calls of innermost layers.
        uses: of all parameters with two axes or more.
        first_inputs: first argument of the first call of every part, None if it is no tensor.
        per_example: the parts that are called on one row of inputs for each example.
    """
    input_shapes: dict[nn.Module, set[tuple[int, ...]]] = {}
    real_calls: Counter[nn.Module] = Counter()
    for call in layer_calls:
        if call.input_shape is not None:
            input_shapes.setdefault(call.layer, set()).add(call.input_shape)
        real_calls[call.layer] += call.on_real_numbers
    parameters = in_call_order(dict(module.named_parameters()), calls)
    order = [*uses.uses, *(name for name in parameters if name not in uses.uses)]
    weights = []
    for name in order:
        parameter = parameters[name]
        own_uses = tuple(uses.uses.get(name, ()))
        if parameter.ndim < 2 or (own_uses and all(use.kind in ("bias", "scale") for use in own_uses)):
            continue
        layer = module.get_submodule(name.rpartition(".")[0])
        shapes = input_shapes.get(layer, set())
        shape = next(iter(shapes)) if len(shapes) == 1 else None
        acts_on_rows = layer in per_example and _acts_on(first_inputs.get(layer), own_uses, first_inputs[module])
        weights.append(Weight(name, layer, shape, real_calls[layer], own_uses, acts_on_rows))
    return tuple(weights)


def _acts_on(layer_inputs: Tensor | None, uses: Sequence[Use], examples: Tensor | None) -> bool:
    """Return True if the first use is on the very inputs of a layer, which are one row for each example."""
    if layer_inputs is None or not uses or examples is None:
        return False
    one_row_each = len(layer_inputs) == len(examples)
    return one_row_each and torch.equal(layer_inputs.flatten(), uses[0].data.flatten())


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
