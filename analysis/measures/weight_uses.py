"""Uses of weights in one forward pass: where, how and how often each one acts on data."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Functions of a weight alone that give the same numbers in another form; a weight may act through them.
SAME_NUMBERS = frozenset(
    ["t", "transpose", "permute", "view", "reshape", "flatten", "unflatten", "contiguous", "unsqueeze", "squeeze"]
    + ["to", "type_as", "clone", "detach", "expand", "__get__"]
)
#: Recurrent layers, in which the weights act at every time step.
RECURRENT = frozenset(["lstm", "gru", "rnn_tanh", "rnn_relu"])
#: Functions of data and one matrix.
MATRIX_PRODUCTS = frozenset(["linear", "matmul", "__matmul__", "__rmatmul__", "mm", "addmm"])
#: Functions in which a weight acts as a matrix or a kernel, or as several.
PRODUCTS = (
    RECURRENT
    | MATRIX_PRODUCTS
    | frozenset(
        ["bmm", "mv", "dot", "einsum", "tensordot", "inner", "addbmm", "baddbmm", "addmv"]
        + ["bilinear", "embedding", "embedding_bag"]
        + ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
        + ["multi_head_attention_forward", "scaled_dot_product_attention", "lstm_cell", "gru_cell"]
        + ["rnn_tanh_cell", "rnn_relu_cell"]
    )
)
#: Functions in which a tensor is added to data or put beside them: it is a bias, whatever its shape.
SUMS = frozenset(
    ["add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "subtract", "__sub__", "__rsub__", "__isub__"]
    + ["rsub", "cat", "concat", "concatenate", "stack", "hstack", "vstack", "__setitem__", "masked_fill", "where"]
)
#: Functions of a sum and a product, of which the first argument is added.
ADDS_FIRST = frozenset(["addmm", "addbmm", "baddbmm", "addmv"])
#: Functions that scale and shift what they have normalized, or scale one channel each.
SCALES = frozenset(["batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "prelu"])
#: Functions in which a vector, whatever the axes of length 1 around it, scales one channel each.
CHANNEL_SCALES = frozenset(["mul", "mul_", "__mul__", "__rmul__", "__imul__", "multiply", "div", "__truediv__"])
#: Functions that turn units on and off by their sign, as `nn.ReLU` does.
RELUS = frozenset(["relu", "relu_", "threshold", "threshold_"])


@dataclass(frozen=True)
class Use:
    """One meeting of a weight with data.

    Attributes:
        function: name of the function of torch that reads both.
        kind: the weight acts as a `matrix` (or a kernel), a `bias`, a `scale`, or in an `unknown` way.
        changed: True if it acts as something computed from it, such as twice its value.
        data: a copy of the first of the data.
    """

    function: str
    kind: Literal["matrix", "bias", "scale", "unknown"]
    changed: bool
    data: Tensor


class WeightUses(TorchFunctionMode):
    """Watch torch's functions while a network runs, and collect where its weights meet data.

    A weight acts where a function reads it, or its numbers in another form, together with something that depends on the
    inputs: the product of a linear layer, a convolution. What is computed from a weight alone, such as twice its value,
    is another weight; where that one acts, the stored one does not act as itself.

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
        self._kept: list[Tensor] = []  # so that no id is given to another tensor

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run a function of torch, and record the weights that it reads."""
        keywords = kwargs or {}
        name = _name_of(function)
        read = list(_tensors((args, keywords)))
        data = [tensor.clone() for tensor in read if id(tensor) in self._of_data][:1]  # it may be changed in place
        result = function(*args, **keywords)
        returned = list(_tensors(result))
        if name == "__setitem__":
            returned = read[:1]
        self._record(name, args, read, data, returned)
        return result

    def _record(
        self, function: str, args: tuple[Any, ...], read: list[Tensor], data: list[Tensor], returned: list[Tensor]
    ) -> None:
        self._kept += returned
        weights = [tensor for tensor in read if id(tensor) in self._names and id(tensor) not in self._of_data]
        if data:
            self._of_data.update(map(id, returned))
            self.relus += function in RELUS
            for weight in weights:
                self._add_use(weight, function, args, data[0])
            return
        if not weights:
            return
        names = frozenset().union(*(self._names[id(weight)] for weight in weights))
        keeps_numbers = len(weights) == 1 and function in SAME_NUMBERS and id(weights[0]) in self._same
        for tensor in returned:
            self._names.setdefault(id(tensor), names)
            if keeps_numbers:
                self._same.add(id(tensor))

    def _add_use(self, weight: Tensor, function: str, args: tuple[Any, ...], data: Tensor) -> None:
        use = Use(function, _kind_of(weight, function, args), id(weight) not in self._same, data)
        for name in sorted(self._names[id(weight)]):
            self.uses.setdefault(name, []).extend([use] * (2 if function in RECURRENT else 1))


def _kind_of(weight: Tensor, function: str, args: tuple[Any, ...]) -> Literal["matrix", "bias", "scale", "unknown"]:
    is_first = bool(args) and args[0] is weight
    if function in SUMS or (function in ADDS_FIRST and is_first):
        return "bias"
    if function in PRODUCTS:
        return "matrix"
    is_vector = sum(length > 1 for length in weight.shape) <= 1
    if function in SCALES or (function in CHANNEL_SCALES and is_vector):
        return "scale"
    return "unknown"


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
