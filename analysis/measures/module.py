"""Measures of any module on any data: a stack of one."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benevolent.analysis.measures.effective_weights import plain_copy
from benevolent.analysis.measures.evaluate import measure_stack
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.network import Network

#: What `torch.as_tensor` takes: a tensor, a numpy array, or nested lists of numbers.
ArrayLike = Any

logger = logging.getLogger(__name__)


def measure_network(
    module: nn.Module,
    inputs: ArrayLike,
    labels: ArrayLike,
    init: nn.Module | Mapping[str, Tensor] | None = None,
    measures: Sequence[str] | None = None,
    loss: str = "cross_entropy",
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    true_labels: ArrayLike | None = None,
    margin: float = 1.0,
    masks: Mapping[str, Tensor] | None = None,
) -> pd.DataFrame:
    """Compute measures of any classifier on its training data; the module is left unchanged, and runs in eval mode.

    Args:
        module: maps inputs `(N, *input_shape)` to logits `(N, C)`. Measured are the weights that act: those that
            parametrizations stand for, and those that `torch.nn.utils.prune` leaves (see `plain_copy`).
        inputs: `(N, *input_shape)`, on the module's device; a tensor, a numpy array or lists. Integers stay integers if
            the module takes them.
        labels: `(N,)` integers of any kind in [0, C), of one output in [0, 2); with the squared loss of one output also
            real targets.
        init: the module, or its named parameters, at the random initialization.
        measures: names in `MEASURES`, `default`, `all`, or `package.module:function` for a user's own; the default set
            by default.
        loss: the loss that was minimized, a name in `trainables.optimization.losses.LOSSES`; `logistic`, `hinge` and
            `squared` take networks of one output.
        validation: held-out inputs and labels, for the measures that read them.
        true_labels: `(N,)`, the labels before some were corrupted.
        margin: of the hinge loss.
        masks: name of a parameter -> 0 for its pruned entries and 1 for the others, beside those of
            `torch.nn.utils.prune`. Without a mask nothing is pruned, not even a weight that is exactly zero.

    Returns:
        Index `measure`; columns `value`, `status` (`ok`, `not applicable: why`, `undefined: why` or `error: why`),
        `seconds`. The traceback of an error is logged.

    Raises:
        BadInput: an unknown measure or loss; a margin that is not positive; a module, data, masks or initial parameters
            that do not fit together.

    >>> module = nn.Linear(2, 2, bias=False)
    >>> _ = module.weight.data.copy_(torch.diag(torch.tensor([3.0, 4.0])))
    >>> names = ["parameter_norm", "lipschitz_max"]
    >>> table = measure_network(module, torch.eye(2), torch.tensor([0, 1]), measures=names)
    >>> table["value"].round(4).to_dict()
    {'parameter_norm': 5.0, 'lipschitz_max': 4.0}
    """
    plain, pruned_masks = plain_copy(module)
    network = Network(plain.requires_grad_())  # frozen parameters are measured like others
    if not network.shapes:
        raise BadInput(f"{type(module).__name__}: has no parameters to measure")
    splits = {"train": _as_tensors(network.module, inputs, labels)}
    if validation:
        splits["validation"] = _as_tensors(network.module, *validation)
    if true_labels is not None:
        true_labels = _as_labels(true_labels, splits["train"][0])
    network.outputs = _count_outputs(network.module, splits["train"][0])
    _check_loss(network, loss)
    for split in splits.values():
        _check_split(network, *split, loss)
    if true_labels is not None:
        _check_split(network, splits["train"][0], true_labels, loss)
    if not 0 < margin < math.inf:
        raise BadInput(f"margin: {margin}; expected a positive number")
    parameters = {name: value.detach().unsqueeze(0) for name, value in network.module.named_parameters()}
    masks = {**pruned_masks, **(masks or {})}
    initial = None if init is None else _initial_parameters(network, init)
    table = measure_stack(
        network,
        parameters,
        initial,
        splits,
        measures,
        loss=loss,
        margin=margin,
        true_labels=true_labels,
        masks=_checked_masks(network, masks),
    )
    for row in table.dropna(subset="traceback").itertuples():
        logger.error("measure %s: %s", row.name, row.traceback)
    return table.rename(columns={"name": "measure"}).set_index("measure")[["value", "status", "seconds"]]


def _checked_masks(network: Network, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parameters = dict(network.module.named_parameters())
    for name, mask in masks.items():
        if name not in parameters or parameters[name].shape != mask.shape:
            raise BadInput(f"masks: {name!r} of shape {tuple(mask.shape)} is not the name and shape of a parameter")
        if not ((mask == 0) | (mask == 1)).all():
            raise BadInput(f"masks: {name!r} has other values than 0 and 1")
        if parameters[name][mask == 0].any():
            raise BadInput(f"masks: {name!r} is 0 at weights that are not 0; pruned weights must be 0")
    return {name: mask.unsqueeze(0) for name, mask in masks.items()}


def _as_tensors(module: nn.Module, inputs: ArrayLike, labels: ArrayLike) -> tuple[Tensor, Tensor]:
    """Return inputs and labels as tensors that the module and the measures take.

    Integer inputs stay integers if the module takes them, and become real numbers else.
    """
    tensor = torch.as_tensor(inputs)
    precision = next(module.parameters()).dtype
    if tensor.is_floating_point() or not _takes(module, tensor):
        tensor = tensor.to(precision)
    return tensor, _as_labels(labels, tensor)


def _as_labels(labels: ArrayLike, inputs: Tensor) -> Tensor:
    """Return labels as a tensor beside the inputs: integers of any kind as int64, real targets as they are."""
    tensor = torch.as_tensor(labels).to(inputs.device)
    return tensor if tensor.is_floating_point() else tensor.long()


def _takes(module: nn.Module, inputs: Tensor) -> bool:
    try:
        with torch.no_grad():
            module(inputs[:2].clone())
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    return True


def _count_outputs(module: nn.Module, inputs: Tensor) -> int:
    """Return C of a module whose outputs are `(N, C)`."""
    name = type(module).__name__
    probed = inputs[:2]
    try:
        with torch.no_grad():
            outputs = module(probed.clone())
            repeated = module(probed.clone())
    except Exception as error:
        raise BadInput(f"{name}: fails on inputs {tuple(probed.shape)}: {error}") from error
    if not isinstance(outputs, Tensor):
        raise BadInput(f"{name}: gives {type(outputs).__name__}; expected a tensor of logits (N, C)")
    if outputs.ndim != 2 or not outputs.shape[1] or len(outputs) != len(probed):
        raise BadInput(f"{name}: gives outputs {tuple(outputs.shape)}; expected ({len(probed)}, C)")
    if not torch.equal(outputs.nan_to_num(), repeated.nan_to_num()):
        raise BadInput(f"{name}: gives other outputs for the same inputs, although it is in eval mode")
    return outputs.shape[1]


def _check_loss(network: Network, name: str) -> None:
    if name not in LOSSES:
        raise BadInput(f"loss: {name!r} is unknown" + did_you_mean(name, LOSSES))
    loss = LOSSES[name]
    needs_one_output = not loss.per_class
    needs_classes = loss.per_class and not loss.real
    if (network.outputs > 1 and needs_one_output) or (network.outputs == 1 and needs_classes):
        expected = "(1, C), C >= 2" if loss.per_class else "(1, 1)"
        module = type(network.module).__name__
        raise BadInput(f"{module}: gives outputs (1, {network.outputs}); expected {expected} for the loss {name!r}")


def _check_split(network: Network, inputs: Tensor, labels: Tensor, loss: str) -> None:
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


def _initial_parameters(network: Network, init: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = dict(plain_copy(init)[0].named_parameters()) if isinstance(init, nn.Module) else init
    initial = {}
    for name, shape in network.shapes.items():
        if name not in named or named[name].shape != shape:
            raise BadInput(f"init: parameter {name!r} of shape {tuple(shape)} is missing or has another shape")
        initial[name] = named[name].detach().unsqueeze(0)
    return initial
