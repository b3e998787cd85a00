"""Ways in which a weight acts in a function of torch: as a matrix, a bias or a scale.

A weight acts as a matrix (or a kernel) where data are multiplied by it and the products are added up. As a scale it
multiplies each number of the data, whatever its shape, and nothing is added up; as a bias it is added to each.
"""

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor

from benevolent.trainables.stack.module_calls import tensors_in

Kind = Literal["matrix", "bias", "scale", "unknown"]

#: Recurrent layers, in which the weights act at every time step.
RECURRENT = frozenset(["lstm", "gru", "rnn_tanh", "rnn_relu"])
#: Functions of data and one matrix.
MATRIX_PRODUCTS = frozenset(["linear", "matmul", "__matmul__", "__rmatmul__", "mm", "addmm"])
#: Functions in which a weight acts as a matrix or a kernel, or as several.
PRODUCTS = (
    RECURRENT
    | MATRIX_PRODUCTS
    | frozenset(
        ["bmm", "mv", "dot", "tensordot", "inner", "addbmm", "baddbmm", "addmv"]
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
#: Functions that multiply number by number.
FACTORS = frozenset(["mul", "mul_", "__mul__", "__rmul__", "__imul__", "multiply"])
#: Functions that divide the first argument by the second.
DIVISIONS = frozenset(["div", "div_", "__truediv__", "divide", "true_divide"])
#: Functions that add numbers up; after a scale, the two together act as a matrix.
ADDING_UP = frozenset(["sum", "nansum", "mean", "nanmean"])


def kind_of(weight: Tensor, function: str, args: Sequence[Any], data: Tensor, returned: Sequence[Tensor]) -> Kind:
    """Return how a weight acts in a call of a function.

    Args:
        weight: one of the arguments.
        function: its name.
        args: all of the arguments by position.
        data: the first of the arguments that depend on the inputs.
        returned: the results.
    """
    is_first = bool(args) and args[0] is weight
    if function in SUMS or (function in ADDS_FIRST and is_first):
        return "bias"
    if function == "einsum":
        return _kind_in_einsum(weight, args)
    if function in PRODUCTS:
        return "matrix"
    if function in SCALES:
        return "scale"
    is_factor = function in FACTORS or (function in DIVISIONS and not is_first)
    keeps_shape = len(returned) == 1 and returned[0].shape == data.shape  # else a number has several products
    return "scale" if is_factor and keeps_shape else "unknown"


def long_axes(weight: Tensor) -> set[int]:
    """Return the axes along which a weight can have different numbers, counted from the last, which is -1."""
    return {axis - weight.ndim for axis, length in enumerate(weight.shape) if length > 1}


def summed_axes(data: Tensor, args: Sequence[Any], keywords: dict[str, Any]) -> set[int]:
    """Return the axes of data that a call of one of `ADDING_UP` sums over, counted from the last."""
    axes = keywords.get("dim", args[1] if len(args) > 1 else None)
    if axes is None or axes == ():
        axes = range(data.ndim)
    elif isinstance(axes, int):
        axes = (axes,)
    return {axis if axis < 0 else axis - data.ndim for axis in axes}


def _kind_in_einsum(weight: Tensor, args: Sequence[Any]) -> Kind:
    """Return `matrix` if an axis that weight and data share is summed over, `scale` if all are kept."""
    operands = list(tensors_in(args[1:]))
    place = next((place for place, operand in enumerate(operands) if operand is weight), None)
    if not isinstance(args[0], str) or place is None:
        return "unknown"
    equation = args[0].replace(" ", "").replace("...", ".")
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    own = terms[place]
    others = set("".join(terms[:place] + terms[place + 1 :]))
    if not arrow:  # letters that are there once are kept
        output = "".join(letter for letter in set(inputs) if inputs.count(letter) == 1 or letter == ".")
    summed_alone = set(own) - others - set(output)
    if summed_alone or len(set(own)) < len(own):
        return "unknown"
    if set(own) & others - set(output):
        return "matrix"
    return "scale" if set(own) <= others else "unknown"
