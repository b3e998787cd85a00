"""Uses of weights in one forward pass: how often each one acts on data."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Functions of a weight alone that give the same numbers in another form; a weight may act through them.
SAME_NUMBERS = frozenset(
    ["t", "transpose", "permute", "view", "reshape", "flatten", "unflatten", "contiguous", "unsqueeze", "squeeze"]
    + ["to", "type_as", "clone", "detach", "expand", "__get__"]
)
#: Recurrent layers, in which the weights act at every time step.
RECURRENT = frozenset(["lstm", "gru", "rnn_tanh", "rnn_relu"])


class WeightUses(TorchFunctionMode):
    """Watch torch's functions while a network runs, and count where its weights meet data.

    A weight acts where a function reads it, or its numbers in another form, together with something that depends on the
    inputs: the product of a linear layer, a convolution. What is computed from a weight alone, such as twice its value,
    is another weight; where that one acts, the stored one does not act as itself.

    Args:
        weights: by name, the very tensors that the network reads.
        inputs: the network's inputs.

    Attributes:
        count: how often each weight acts; recurrent layers count twice.
        changed: names of the weights that act as something computed from them.
    """

    def __init__(self, weights: Mapping[str, Tensor], inputs: Tensor) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.changed: set[str] = set()
        self._names = {id(weight): frozenset([name]) for name, weight in weights.items()}
        self._same = {id(weight) for weight in weights.values()}
        self._of_data = {id(inputs)}
        self._kept: list[Tensor] = []  # so that no id is given to another tensor

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch, and record the weights that it reads."""
        keywords = kwargs or {}
        result = function(*args, **keywords)
        self._record(function, list(_tensors((args, keywords))), list(_tensors(result)))
        return result

    def _record(self, function: Callable[..., Any], read: list[Tensor], returned: list[Tensor]) -> None:
        self._kept += returned
        weights = [tensor for tensor in read if id(tensor) in self._names and id(tensor) not in self._of_data]
        if any(id(tensor) in self._of_data for tensor in read):
            self._of_data.update(map(id, returned))
            for weight in weights:
                self._count_use(weight, function)
            return
        if not weights:
            return
        names = frozenset().union(*(self._names[id(weight)] for weight in weights))
        keeps_numbers = len(weights) == 1 and _name_of(function) in SAME_NUMBERS and id(weights[0]) in self._same
        for tensor in returned:
            self._names.setdefault(id(tensor), names)
            if keeps_numbers:
                self._same.add(id(tensor))

    def _count_use(self, weight: Tensor, function: Callable[..., Any]) -> None:
        for name in self._names[id(weight)]:
            self.count[name] += 2 if _name_of(function) in RECURRENT else 1
            if id(weight) not in self._same:
                self.changed.add(name)


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "")


def _tensors(values: Any) -> Iterator[Tensor]:
    """Yield the tensors among arguments or results, which may be nested."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
