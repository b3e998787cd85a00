"""Uses of weights in one forward pass: where, how and how often each one acts on data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from benevolent.analysis.measures.weight_kinds import ADDING_UP, RECURRENT, Kind, kind_of, long_axes, summed_axes
from benevolent.trainables.stack.module_calls import tensors_in

#: Functions of a weight alone that give the same numbers in another form; a weight may act through them.
SAME_NUMBERS = frozenset(
    ["t", "transpose", "permute", "view", "reshape", "flatten", "unflatten", "contiguous", "unsqueeze", "squeeze"]
    + ["to", "type_as", "clone", "detach", "expand", "__get__"]
)
#: Functions that put a border around data.
PADS = frozenset(["pad"])
#: Functions that turn units on and off by their sign, as `nn.ReLU` does.
RELUS = frozenset(["relu", "relu_", "threshold", "threshold_"])


@dataclass(frozen=True)
class Use:
    """One meeting of a weight with data.

    Attributes:
        function: name of the function of torch that reads both.
        kind: the weight acts as a `matrix` (or a kernel), a `bias`, a `scale`, or in an `unknown` way.
        changed: True if it acts as something computed from it, such as twice its value.
        operands: number of the function's arguments that depend on the inputs.
        data: a copy of the first of these.
        before_padding: the same before a border was put around it; None if there is none.
    """

    function: str
    kind: Kind
    changed: bool
    operands: int
    data: Tensor
    before_padding: Tensor | None


class WeightUses(TorchFunctionMode):
    """Watch torch's functions while a network runs, and collect where its weights meet data.

    A weight acts where a function reads it, or its numbers in another form, together with something that depends on the
    inputs: the product of a linear layer, a convolution. What is computed from a weight alone, such as twice its value,
    is another weight; where that one acts, the stored one does not act as itself. A scale whose products are added up
    right after is none, but acts in an unknown way.

    Args:
        weights: by name, the very tensors that the network reads.
        inputs: the network's inputs.

    Attributes:
        uses: of each weight that acts, in the order in which they first do; a use in a recurrent layer is listed twice.
        relus: number of functions of data that turn units on and off by their sign.
    """

    def __init__(self, weights: Mapping[str, Tensor], inputs: Tensor) -> None:
        super().__init__()
        self.uses: dict[str, list[Use]] = {}
        self.relus = 0
        self._names = {id(weight): frozenset([name]) for name, weight in weights.items()}
        self._same = {id(weight) for weight in weights.values()}
        self._of_data = {id(inputs)}
        self._before_padding: dict[int, Tensor] = {}  # of data with a border
        self._scales: dict[int, tuple[Tensor, set[int]]] = {}  # of products: the scale, the axes where it differs
        self._kept: list[Tensor] = []  # so that no id is given to another tensor

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch, and record the weights that it reads."""
        keywords = kwargs or {}
        name = _name_of(function)
        read = list(tensors_in((args, keywords)))
        data = [tensor for tensor in read if id(tensor) in self._of_data]
        first = data[0].clone() if data else None  # it may be changed in place
        self._look_for_sums(name, args, keywords, data)
        result = function(*args, **keywords)
        returned = read[:1] if name == "__setitem__" else list(tensors_in(result))
        self._kept += returned
        weights = [tensor for tensor in read if id(tensor) in self._names and id(tensor) not in self._of_data]
        if first is None:
            self._name_results(name, weights, returned)
            return result
        before_padding = self._before_padding.get(id(data[0]))
        if name in SAME_NUMBERS and id(data[0]) in self._scales:
            scale, _ = self._scales[id(data[0])]
            self._scales.update({id(tensor): (scale, set(range(-tensor.ndim, 0))) for tensor in returned})
        self._of_data.update(map(id, returned))
        self.relus += name in RELUS
        for weight in weights:
            kind = kind_of(weight, name, args, first, returned)
            if kind == "scale":
                self._scales.update({id(tensor): (weight, long_axes(weight)) for tensor in returned})
            self._add_use(weight, Use(name, kind, id(weight) not in self._same, len(data), first, before_padding))
        for tensor in returned:
            self._before_padding.pop(id(tensor), None)
            if name in PADS:
                self._before_padding[id(tensor)] = first
        return result

    def _look_for_sums(
        self, function: str, args: tuple[Any, ...], keywords: dict[str, Any], data: list[Tensor]
    ) -> None:
        """Add a use of a scale if its products are added up over an axis along which its numbers differ."""
        scaled = self._scales.get(id(data[0])) if data else None
        if scaled is None or function not in ADDING_UP:
            return
        scale, axes = scaled
        if summed_axes(data[0], args, keywords) & axes:
            self._add_use(scale, Use(function, "unknown", False, len(data), data[0].clone(), None))

    def _name_results(self, function: str, weights: list[Tensor], returned: list[Tensor]) -> None:
        """Note what is computed from weights alone."""
        if not weights:
            return
        names = frozenset().union(*(self._names[id(weight)] for weight in weights))
        keeps_numbers = len(weights) == 1 and function in SAME_NUMBERS and id(weights[0]) in self._same
        for tensor in returned:
            self._names.setdefault(id(tensor), names)
            if keeps_numbers:
                self._same.add(id(tensor))

    def _add_use(self, weight: Tensor, use: Use) -> None:
        times = 2 if use.function in RECURRENT else 1
        for name in sorted(self._names[id(weight)]):
            self.uses.setdefault(name, []).extend([use] * times)


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "")
