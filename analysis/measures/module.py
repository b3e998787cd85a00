"""Measures of any module on any data: a stack of one."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from benevolent.analysis.measures.effective_weights import PRECISIONS, eval_copy, has_hooks, plain_copy, without_hooks
from benevolent.analysis.measures.evaluate import measure_stack
from benevolent.analysis.measures.given_data import (
    ArrayLike,
    as_labels,
    as_tensors,
    check_loss,
    check_split,
    count_outputs,
)
from benevolent.analysis.measures.network_stack import PROBED, ROUNDING, are_close
from benevolent.analysis.measures.progress_line import MeasureStart, shown_progress
from benevolent.analysis.measures.time_budget import time_budget
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.errors import BadInput, located_in
from benevolent.trainables.models.wrappers import unwrapped
from benevolent.trainables.stack.computed_weights import computed_weights
from benevolent.trainables.stack.module_calls import named_tensors
from benevolent.trainables.stack.module_probe import UNREPEATABLE
from benevolent.trainables.stack.network import Network

#: Difference of outputs in half precision that counts as rounding, as a fraction of the largest output.
HALF_ROUNDING = 0.1

logger = logging.getLogger(__name__)


@checked_arguments
def measure_network(
    module: nn.Module,
    inputs: ArrayLike,
    labels: ArrayLike,
    init: nn.Module | Mapping[str, Tensor] | None = None,
    measures: str | Sequence[str] | None = None,
    loss: str = "cross_entropy",
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    true_labels: ArrayLike | None = None,
    margin: float = 1.0,
    masks: Mapping[str, Tensor] | None = None,
    seconds: float | None = None,
    progress: bool | Callable[[MeasureStart], None] | None = None,
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
        measures: one or several names in `MEASURES`, `default`, `all`, or `package.module:function` for a user's own;
            the default set by default.
        loss: the loss that was minimized, a name in `trainables.optimization.losses.LOSSES`; `logistic`, `hinge` and
            `squared` take networks of one output.
        validation: held-out inputs and labels, for the measures that read them.
        true_labels: `(N,)`, the labels before some were corrupted.
        margin: of the hinge loss.
        masks: name of a parameter -> 0 for its pruned entries and 1 for the others, in addition to those of
            `torch.nn.utils.prune`. Without a mask nothing is pruned, not even a weight that is exactly zero.
        seconds: time budget, after which what is left has the status `skipped: budget`. With a budget the cheap
            measures are computed first; a measure that has begun ends soon after it.
        progress: True writes a line to stderr as each measure begins, with its name, its number and the seconds so far;
            None does so in a terminal only, False never. Or a function, called with a `MeasureStart` each time.

    Returns:
        Index `measure`, one row for each component of each measure asked for; columns `value`, `status` (`ok`,
        `not applicable: why`, `undefined: why`, `skipped: budget` or `error: why`), `seconds`. The traceback of an
        error is logged.

    Raises:
        BadInput: an unknown measure or loss; a margin or budget that is not positive; a module, data, masks or initial
            parameters that do not fit together.

    >>> module = nn.Linear(2, 2, bias=False)
    >>> _ = module.weight.data.copy_(torch.diag(torch.tensor([3.0, 4.0])))
    >>> names = ["parameter_norm", "lipschitz_max"]
    >>> table = measure_network(module, torch.eye(2), torch.tensor([0, 1]), measures=names)
    >>> table["value"].round(4).to_dict()
    {'parameter_norm': 5.0, 'lipschitz_max': 4.0}
    """
    if isinstance(measures, str):
        measures = [measures]
    plain, pruned_masks = plain_copy(module)
    if next(plain.parameters(), None) is None:
        raise BadInput(f"{type(module).__name__}: has no parameters to measure")
    splits = {"train": as_tensors(plain, inputs, labels)}
    outputs = count_outputs(plain, splits["train"][0])
    plain = _checked_copy(module, plain, splits["train"][0])
    network = Network(plain.requires_grad_(), outputs)  # frozen parameters are measured like others
    check_loss(network, loss)
    check_split(network, *splits["train"], loss)
    if validation is not None:
        with located_in("validation"):
            splits["validation"] = as_tensors(network.module, *validation)
            count_outputs(network.module, splits["validation"][0])
            check_split(network, *splits["validation"], loss)
    if true_labels is not None:
        with located_in("true_labels"):
            true_labels = as_labels(true_labels, splits["train"][0])
            check_split(network, splits["train"][0], true_labels, loss)
    if not 0 < margin < math.inf:
        raise BadInput(f"margin: {margin}; expected a positive number")
    if seconds is not None and not seconds > 0:
        raise BadInput(f"seconds: {seconds}; expected a positive number")
    parameters = {name: value.detach().unsqueeze(0) for name, value in network.module.named_parameters()}
    masks = {**pruned_masks, **(masks or {})}
    initial = None if init is None else _initial_parameters(module, network, init)
    masks = _checked_masks(network, masks)
    with time_budget(seconds), shown_progress(progress) as on_start:
        table = measure_stack(
            network,
            parameters,
            initial,
            splits,
            measures,
            loss=loss,
            margin=margin,
            true_labels=true_labels,
            masks=masks,
            on_start=on_start,
            alone=True,
        )
    for name, lines in zip(table["name"], table["traceback"], strict=True):
        if isinstance(lines, str):
            logger.error("measure %s: %s", name, lines)
    columns = {name: table[name].array for name in ("value", "status", "seconds")}
    return pd.DataFrame(columns, index=pd.Index(table["name"], name="measure"))


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


def _checked_copy(module: nn.Module, plain: nn.Module, inputs: Tensor) -> nn.Module:
    """Return a plain copy of a module, without hooks where these only watch.

    Raises:
        BadInput: the copy has other outputs than the module, or the module draws random numbers in eval mode.
    """
    copied = _outputs(plain, inputs)
    own = eval_copy(module)
    outputs = _outputs(own, inputs)
    rounding = HALF_ROUNDING if _has_half_precision(module) else ROUNDING
    if copied is None or outputs is None:  # measures will say why
        return plain
    if not are_close(copied, outputs.to(copied.dtype), rounding):
        name = type(module).__name__
        again = _outputs(own, inputs)
        if again is None or not are_close(again, outputs, rounding):
            raise BadInput(f"{name}: {UNREPEATABLE}")
        raise BadInput(f"{name}: its copy with plain weights, in float32 or float64, has other outputs")
    if not has_hooks(plain):
        return plain
    bare = without_hooks(plain)
    without = _outputs(bare, inputs)
    if without is None or not torch.equal(without.nan_to_num(), copied.nan_to_num()):
        return plain
    return bare


def _has_half_precision(module: nn.Module) -> bool:
    tensors = [*module.parameters(), *module.buffers()]
    return any(tensor.is_floating_point() and tensor.dtype not in PRECISIONS for tensor in tensors)


def _outputs(module: nn.Module, inputs: Tensor) -> Tensor | None:
    """Return the outputs of a module on some inputs, in its own precision; None if it fails."""
    probed = inputs[:PROBED].clone()
    if probed.is_floating_point():
        probed = probed.to(next(module.parameters()).dtype)
    try:
        with torch.no_grad():
            outputs = module(probed)
    except Exception:  # whatever the module raises
        return None
    return outputs if isinstance(outputs, Tensor) else None


def _initial_parameters(
    module: nn.Module, network: Network, init: nn.Module | Mapping[str, Tensor]
) -> dict[str, Tensor]:
    named = dict(plain_copy(init)[0].named_parameters()) if isinstance(init, nn.Module) else _plain_names(module, init)
    initial = {}
    for name, shape in network.shapes.items():
        if name not in named or named[name].shape != shape:
            raise BadInput(f"init: parameter {name!r} of shape {tuple(shape)} is missing or has another shape")
        initial[name] = named[name].detach().unsqueeze(0)
    return initial


def _plain_names(module: nn.Module, init: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return initial parameters by the names of the plain copy, where they have those of the module itself."""
    inner = unwrapped(module)
    names = dict(zip(named_tensors(module), named_tensors(inner), strict=True))
    named = {names.get(name, name): value for name, value in init.items()}
    sources = [source for weight in computed_weights(inner) for source in weight.sources]
    if sources and named.keys() >= set(sources):
        return dict(plain_copy(inner, named)[0].named_parameters())
    return named
