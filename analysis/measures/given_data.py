"""Data and outputs of a foreign module, checked before it is measured."""

from typing import Any

import torch
from torch import Tensor, nn

from benevolent.trainables.errors import BadInput, did_you_mean, one_line
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.module_probe import UNREPEATABLE
from benevolent.trainables.stack.network import Network

#: What `torch.as_tensor` takes: a tensor, a numpy array, or nested lists of numbers.
ArrayLike = Any


def as_tensors(module: nn.Module, inputs: ArrayLike, labels: ArrayLike) -> tuple[Tensor, Tensor]:
    """Return inputs and labels as tensors that the module and the measures take."""
    tensor = _as_inputs(module, inputs)
    return tensor, as_labels(labels, tensor)


def _as_inputs(module: nn.Module, inputs: ArrayLike) -> Tensor:
    """Return inputs as a tensor that a module takes: integers stay integers if it takes them, else become real numbers.

    Raises:
        BadInput: the inputs are not an array of numbers, or there are none.
    """
    tensor = _as_numbers("inputs", inputs)
    if not tensor.ndim or not len(tensor):
        raise BadInput(f"inputs: of shape {tuple(tensor.shape)}; expected one or more of them, (N, *input_shape)")
    precision = next(module.parameters()).dtype
    if tensor.is_floating_point() or not _takes(module, tensor):
        tensor = tensor.to(precision)
    return tensor


def as_labels(labels: ArrayLike, inputs: Tensor) -> Tensor:
    """Return labels as a tensor beside the inputs: integers of any kind as int64, real targets as they are.

    Raises:
        BadInput: the labels are not an array of numbers.
    """
    tensor = _as_numbers("labels", labels).to(inputs.device)
    return tensor if tensor.is_floating_point() else tensor.long()


def _as_numbers(name: str, given: ArrayLike) -> Tensor:
    """Return an argument as a tensor of real numbers, integers or truth values."""
    expected = "expected a tensor, a numpy array or lists of numbers, one per example"
    try:
        tensor = torch.as_tensor(given)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadInput(f"{name}: {type(given).__name__}; {expected}") from error
    if tensor.is_complex():
        raise BadInput(f"{name}: complex numbers; {expected}")
    return tensor


def _takes(module: nn.Module, inputs: Tensor) -> bool:
    try:
        with torch.no_grad():
            module(inputs[:2].clone())
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    return True


def count_outputs(module: nn.Module, inputs: Tensor) -> int:
    """Return C of a module whose outputs are `(N, C)`.

    Raises:
        BadInput: it fails on the first two inputs, gives outputs of another kind or shape, or other ones when called
            again.
    """
    name = type(module).__name__
    probed = inputs[:2]
    try:
        with torch.no_grad():
            outputs = module(probed.clone())
            repeated = module(probed.clone())
    except Exception as error:
        raise BadInput(f"{name}: fails on inputs {tuple(probed.shape)}: {one_line(error)}") from error
    if not isinstance(outputs, Tensor):
        raise BadInput(f"{name}: gives {type(outputs).__name__}; expected a tensor of logits (N, C)")
    if outputs.ndim != 2 or not outputs.shape[1] or len(outputs) != len(probed):
        raise BadInput(f"{name}: gives outputs {tuple(outputs.shape)}; expected ({len(probed)}, C)")
    if not torch.equal(outputs.nan_to_num(), repeated.nan_to_num()):
        raise BadInput(f"{name}: {UNREPEATABLE}")
    return outputs.shape[1]


def check_loss(network: Network, name: str) -> None:
    """Check that there is a loss of a name, and that it takes the network's outputs.

    Raises:
        BadInput: there is none, or it does not.
    """
    if name not in LOSSES:
        raise BadInput(f"loss: {name!r} is unknown" + did_you_mean(name, LOSSES))
    loss = LOSSES[name]
    needs_one_output = not loss.per_class
    needs_classes = loss.per_class and not loss.real
    if (network.outputs > 1 and needs_one_output) or (network.outputs == 1 and needs_classes):
        expected = "(1, C), C >= 2" if loss.per_class else "(1, 1)"
        module = type(network.module).__name__
        raise BadInput(f"{module}: gives outputs (1, {network.outputs}); expected {expected} for the loss {name!r}")


def check_split(network: Network, inputs: Tensor, labels: Tensor, loss: str) -> None:
    """Check that labels fit the inputs, the outputs and the loss.

    Raises:
        BadInput: they do not.
    """
    real = labels.is_floating_point()
    real_allowed = LOSSES[loss].real and network.outputs == 1
    one_per_input = labels.ndim == 1 and 0 < len(labels) == len(inputs)
    if not one_per_input or (real and not real_allowed):
        raise BadInput(
            f"labels: shape {tuple(labels.shape)}, {labels.dtype}, for inputs {tuple(inputs.shape)}; "
            "expected one integer per input, and at least one"
        )
    classes = max(2, network.outputs)
    if not real and (labels.min() < 0 or labels.max() >= classes):
        raise BadInput(f"labels: from {int(labels.min())} to {int(labels.max())}; expected 0 to {classes - 1}")
