"""Measures of anybody's module on anybody's data: a stack of one."""

import copy
import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from benevolent.analysis.measures.evaluate import measure_stack
from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.network import Network
from benevolent.trainables.training.losses import LOSSES


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
) -> pd.DataFrame:
    """The measures of any classifier on its training data; the module stays untouched, and runs in eval mode.

    Args:
        module: maps inputs `(N, *input_shape)` to logits `(N, C)`, one example independently of another.
        inputs: `(N, *input_shape)`, on the module's device.
        labels: `(N,)` integers in [0, C), of one output in [0, 2); with the squared loss of one output also real
            targets.
        init: the module, or its named parameters, at the random initialization.
        measures: names in `MEASURES`, `default`, `all`, or `package.module:function` for one's own; the default set by
            default.
        loss: the loss that was minimized, a name in `trainables.training.losses.LOSSES`; `logistic`, `hinge` and
            `squared` take networks of one output.
        validation: inputs and labels that were held out, for the measures that read them.
        true_labels: `(N,)`, those before some were corrupted.
        margin: of the hinge loss.

    Returns:
        Index `measure`; columns `value`, `status` (`ok`, `not applicable: why`, `undefined: why` or `error: why`),
        `seconds`.

    Raises:
        BadInput: an unknown measure or loss; a margin that is no positive number; a module, data or initial
            parameters that do not go together.

    >>> module = nn.Linear(2, 2, bias=False)
    >>> _ = module.weight.data.copy_(torch.diag(torch.tensor([3.0, 4.0])))
    >>> names = ["parameter_norm", "lipschitz_max"]
    >>> table = measure_network(module, torch.eye(2), torch.tensor([0, 1]), measures=names)
    >>> table["value"].round(4).to_dict()
    {'parameter_norm': 5.0, 'lipschitz_max': 4.0}
    """
    network = Network(copy.deepcopy(module).eval().requires_grad_())  # frozen parameters are measured like others
    parameters = {name: value.detach().unsqueeze(0) for name, value in network.module.named_parameters()}
    if not parameters:
        raise BadInput(f"{type(module).__name__}: has no parameters to measure")
    network.outputs = _outputs(network.module, inputs)
    for split in filter(
        None, ((inputs, labels), validation, (inputs, true_labels) if true_labels is not None else None)
    ):
        _check_data(network, *split, loss)
    if not 0 < margin < math.inf:
        raise BadInput(f"margin: {margin}; expected a positive number")
    initial = None if init is None else _initial(network, init)
    splits = {"train": (inputs, labels)} | ({"validation": validation} if validation else {})
    table = measure_stack(network, parameters, initial, splits, measures, None, loss, margin, true_labels)
    return table.rename(columns={"name": "measure"}).set_index("measure")[["value", "status", "seconds"]]


def _outputs(module: nn.Module, inputs: Tensor) -> int:
    """C of a module that gives outputs `(N, C)`."""
    name, dtype = type(module).__name__, next(module.parameters()).dtype
    try:
        with torch.no_grad():
            shape = module(inputs[:1].to(dtype)).shape
    except Exception as error:
        raise BadInput(f"{name}: fails on inputs {tuple(inputs[:1].shape)}: {error}") from error
    if len(shape) != 2 or not shape[1]:
        raise BadInput(f"{name}: gives outputs {tuple(shape)}; expected (1, C)")
    return shape[1]


def _check_data(network: Network, inputs: Tensor, labels: Tensor, loss: str) -> None:
    if loss not in LOSSES:
        raise BadInput(f"loss: {loss!r} is unknown" + did_you_mean(loss, LOSSES))
    name, outputs, about = type(network.module).__name__, network.outputs, LOSSES[loss]
    if (outputs > 1 and not about.per_class) or (outputs == 1 and about.per_class and not about.real):
        expected = "(1, C), C >= 2" if about.per_class else "(1, 1)"
        raise BadInput(f"{name}: gives outputs (1, {outputs}); expected {expected} for the loss {loss!r}")
    real = about.real and outputs == 1
    if labels.ndim != 1 or len(inputs) != len(labels) or not len(labels) or (labels.is_floating_point() and not real):
        raise BadInput(
            f"labels: shape {tuple(labels.shape)}, {labels.dtype}, for inputs {tuple(inputs.shape)}; "
            "expected one integer per input, and at least one"
        )
    classes = max(2, outputs)
    if not labels.is_floating_point() and (labels.min() < 0 or labels.max() >= classes):
        raise BadInput(f"labels: from {int(labels.min())} to {int(labels.max())}; expected 0 to {classes - 1}")


def _initial(network: Network, init: nn.Module | Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = dict(init.named_parameters()) if isinstance(init, nn.Module) else init
    for name, shape in network.shapes.items():
        if name not in named or named[name].shape != shape:
            raise BadInput(f"init: parameter {name!r} of shape {tuple(shape)} is missing or has another shape")
    return {name: named[name].detach().unsqueeze(0) for name in network.shapes}
