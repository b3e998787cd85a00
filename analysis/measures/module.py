"""Measures of any module on any data: a stack of one."""

import copy
import logging
import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from benevolent.analysis.measures.evaluate import measure_stack
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.optimization.losses import LOSSES
from benevolent.trainables.stack.network import Network

logger = logging.getLogger(__name__)


def measure_network(
    module: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    init: nn.Module | Mapping[str, Tensor] | None = None,
    measures: Sequence[str] | None = None,
    loss: str = "cross_entropy",
    validation: tuple[Tensor, Tensor] | None = None,
    true_labels: Tensor | None = None,
    margin: float = 1.0,
    masks: Mapping[str, Tensor] | None = None,
) -> pd.DataFrame:
    """Compute measures of any classifier on its training data; the module is left unchanged, and runs in eval mode.

    Args:
        module: maps inputs `(N, *input_shape)` to logits `(N, C)`, one example independently of another. Weights that
            `torch.nn.utils.prune` has masked are pruned.
        inputs: `(N, *input_shape)`, on the module's device.
        labels: `(N,)` integers in [0, C), of one output in [0, 2); with the squared loss of one output also real
            targets.
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
    plain, pruned_masks = _without_pruning(module)
    network = Network(plain.eval().requires_grad_())  # frozen parameters are measured like others
    if not network.shapes:
        raise BadInput(f"{type(module).__name__}: has no parameters to measure")
    network.outputs = _count_outputs(network.module, inputs)
    splits = {"train": (inputs, labels)}
    if validation:
        splits["validation"] = validation
    _check_loss(network, loss)
    for split in splits.values():
        _check_split(network, *split, loss)
    if true_labels is not None:
        _check_split(network, inputs, true_labels, loss)
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


def _without_pruning(module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]]:
    """Copy a module, with masked weights of `torch.nn.utils.prune` as plain parameters, and return their masks."""
    memo = {}
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, Tensor) and not value.is_leaf:  # a masked weight, which torch refuses to copy
                memo[id(value)] = value.detach().clone()
    plain = copy.deepcopy(module, memo)
    masks = {}
    for prefix, part in plain.named_modules():
        for name, _ in list(part.named_buffers(recurse=False)):
            weight = name.removesuffix("_mask")
            if name.endswith("_mask") and hasattr(part, f"{weight}_orig"):
                masks[f"{prefix}.{weight}" if prefix else weight] = getattr(part, name)
                prune.remove(part, weight)
    return plain, masks


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


def _count_outputs(module: nn.Module, inputs: Tensor) -> int:
    """Return C of a module whose outputs are `(N, C)`."""
    name = type(module).__name__
    dtype = next(module.parameters()).dtype
    try:
        with torch.no_grad():
            shape = module(inputs[:1].to(dtype)).shape
    except Exception as error:
        raise BadInput(f"{name}: fails on inputs {tuple(inputs[:1].shape)}: {error}") from error
    if len(shape) != 2 or not shape[1]:
        raise BadInput(f"{name}: gives outputs {tuple(shape)}; expected (1, C)")
    return shape[1]


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
    named = dict(_without_pruning(init)[0].named_parameters()) if isinstance(init, nn.Module) else init
    initial = {}
    for name, shape in network.shapes.items():
        if name not in named or named[name].shape != shape:
            raise BadInput(f"init: parameter {name!r} of shape {tuple(shape)} is missing or has another shape")
        initial[name] = named[name].detach().unsqueeze(0)
    return initial
