"""The weights of a module: parameters that act as matrices or kernels, and where they do."""

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

    A parameter that is added to data, or scales each number of them, is no weight, whatever its shape.

    Attributes:
        name: of the parameter.
        layer: the module that holds it.
        input_shape: of one example at the layer's input; None if it was not called, or on inputs of several shapes.
        uses: where it acts on data in one forward pass, in its layer or elsewhere.
        why_not_on_inputs: the reason why it does not act on the very inputs of its layer, called once, one row of which
            belongs to each example; None if it does.
    """

    name: str
    layer: nn.Module
    input_shape: tuple[int, ...] | None
    uses: tuple[Use, ...]
    why_not_on_inputs: str | None

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
    calls_of: dict[nn.Module, list[LayerCall]] = {}
    for call in layer_calls:
        calls_of.setdefault(call.layer, []).append(call)
    parameters = in_call_order(dict(module.named_parameters()), calls)
    order = [*uses.uses, *(name for name in parameters if name not in uses.uses)]
    weights = []
    for name in order:
        parameter = parameters[name]
        own_uses = tuple(uses.uses.get(name, ()))
        if parameter.ndim < 2 or (own_uses and all(use.kind in ("bias", "scale") for use in own_uses)):
            continue
        layer = module.get_submodule(name.rpartition(".")[0])
        own_calls = calls_of.get(layer, [])
        shapes = {call.input_shape for call in own_calls if call.input_shape is not None}
        shape = next(iter(shapes)) if len(shapes) == 1 else None
        reason = _why_not_called_once(name, layer, own_calls, layer in first_inputs)
        if reason is None:
            rows = first_inputs[layer] if layer in per_example else None
            reason = _why_not_on_rows(name, own_uses, rows, first_inputs[module])
        weights.append(Weight(name, layer, shape, own_uses, reason))
    return tuple(weights)


def _why_not_called_once(name: str, layer: nn.Module, calls: Sequence[LayerCall], is_called: bool) -> str | None:
    """Return the reason why the layer of a weight is not called once on real numbers; None if it is."""
    if not is_called:
        return f"needs weights that act in a call of their layer, {name!r} acts outside of it"
    if next(layer.children(), None) is not None:
        return f"needs layers without other layers inside, that of {name!r} has some"
    if len(calls) > 1:
        return f"needs layers that are called once, that of {name!r} is called {len(calls)} times"
    if any(call.input_shape is None for call in calls):
        return f"needs layers that are called on a tensor by position, that of {name!r} is not"
    if not all(call.on_real_numbers for call in calls):
        return f"needs layers that are called on real numbers, that of {name!r} is not"
    return None


def _why_not_on_rows(name: str, uses: Sequence[Use], rows: Tensor | None, examples: Tensor | None) -> str | None:
    """Return the reason why a weight does not act on the very inputs of its layer; None if it does.

    Args:
        name: of the weight.
        uses: of the weight.
        rows: inputs of its layer, if it is called on one row for each example.
        examples: inputs of the network.
    """
    if rows is None or examples is None or not uses or len(rows) != len(examples):
        return f"needs layers that act on one row of inputs for each example, that of {name!r} does not"
    if uses[0].operands > 1:
        return f"needs weights that act on one tensor, {name!r} acts on several at once"
    if not any(_same_numbers(rows, data) for data in (uses[0].data, uses[0].before_padding)):
        return f"needs layers whose weights act on their very inputs, {name!r} acts on something computed from them"
    return None


def _same_numbers(inputs: Tensor, data: Tensor | None) -> bool:
    return data is not None and torch.equal(inputs.flatten(), data.flatten())


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
