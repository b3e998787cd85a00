"""Measures of a stack of networks as a table: one row per network and measure.

Measures are functions of one network. A stack goes through `vmap` in chunks; what `vmap` cannot map, and what
came out not finite there, is computed for the networks one by one. What has no value is a row with a status.
"""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from benevolent.analysis.measures.architecture import Architecture, in_order
from benevolent.analysis.measures.batchnorm import fold_stack, untrained_statistics
from benevolent.analysis.measures.measure import Measure, unmet
from benevolent.analysis.measures.measured_network import MeasuredNetwork, Parameters, two_class_logits
from benevolent.analysis.measures.selection import select
from benevolent.trainables.data import Inputs, Split
from benevolent.trainables.stack.network import Network
from benevolent.trainables.training.losses import LOSSES

#: What a status is or begins with. Another attempt gives another result only for an error, so only errors are retried:
#: a measure that does not apply never will, and what is undefined is so because of the parameters themselves.
OK, NOT_APPLICABLE, UNDEFINED, ERROR = "ok", "not applicable", "undefined", "error"

#: Where the true labels are among those of the splits.
TRUE = "train, as they were"

#: Activations (networks x examples x activations each) of one chunk. On a CPU, stacking saves only the cost
#: of calls: above this, one network keeps a core busy and several leave its cache (`benchmarks/measures.py`).
CHUNK = {"cpu": 2**19, "cuda": 2**26}


@dataclass
class Log:
    """What happened to the measures of one subject: the seconds each took, and the failures."""

    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stack:
    """K networks of one architecture and their data.

    Attributes:
        network: what they have in common.
        architecture: its layers, with BatchNorm folded.
        loss: what was minimized.
        inputs: of every split, one set for all.
        rows: `parameters`, `buffers`, `initial` (if known); parameters `folded`, with the buffers that are `kept`, and
            initial ones folded; and `labels` of every split; each `name -> (K, ...)`.
    """

    network: Network
    architecture: Architecture
    loss: Callable[[Tensor, Tensor], Tensor]
    inputs: Mapping[str, Inputs]
    rows: Mapping[str, Parameters]

    def subject(self, rows: Mapping[str, Parameters], stacked: bool) -> MeasuredNetwork:
        """One network; under `vmap` its tensors are those of the network being mapped."""
        return MeasuredNetwork(
            functools.partial(logits_of_one, self.network, rows["buffers"]),
            rows["parameters"],
            rows.get("initial"),
            {name: Split(inputs, rows["labels"][name]) for name, inputs in self.inputs.items()},
            self.architecture,
            self.loss,
            rows["folded"],
            rows["kept"],
            rows.get("initial_folded"),
            rows["labels"].get(TRUE),
            stacked,
        )

    def alone(self, position: int) -> MeasuredNetwork:
        """The network at a position."""
        return self.subject(self._at(position), False)

    def together(self, positions: list[int], measures: Sequence[Measure], log: Log) -> dict[str, Tensor]:
        """Values `(k, M)` of the measures that `vmap` can map over the networks at k positions."""
        try:
            return vmap(lambda rows: evaluate(self.subject(rows, True), measures, log))(self._at(positions))
        except Exception:  # the networks are then tried one by one, and each tells its own error
            return {}

    def _at(self, index: int | list[int]) -> dict[str, Parameters]:
        return {kind: {name: value[index] for name, value in named.items()} for kind, named in self.rows.items()}


def logits_of_one(network: Network, buffers: Parameters, parameters: Parameters, inputs: Tensor) -> Tensor:
    """Logits `(N, C)` of one network in the inputs' precision; floating-point buffers are cast to it.

    A network of one output z has the logits (0, z): of these the logistic loss is the cross-entropy, and the sign of z
    the class.
    """
    own = {**dict(network.module.named_buffers()), **buffers}
    cast = {
        name: value.to(inputs.device, inputs.dtype if value.is_floating_point() else value.dtype)
        for name, value in own.items()
    }
    return two_class_logits(network.single({**cast, **parameters}, inputs))


def loss_of_logits(name: str, outputs: int, margin: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of every example as a function of the logits `(N, C)` that measures see, and the targets `(N,)`.

    Args:
        name: of the loss, in `trainables.training.losses.LOSSES`.
        outputs: of the network. The logits of one output z are (0, z), of which z enters the loss.
        margin: of the hinge loss.

    >>> loss_of_logits("hinge", 1)(torch.tensor([[0.0, 0.25]]), torch.tensor([1]))
    tensor([0.7500])
    """
    loss = LOSSES[name].having(margin).differentiable
    if outputs > 1:
        return loss
    return lambda logits, targets: loss(logits[..., -1:], targets)


def evaluate(subject: MeasuredNetwork, measures: Iterable[Measure], log: Log) -> dict[str, Tensor]:
    """Values `(M,)` in float64 of the measures that do not fail; `log` gets the seconds and the errors.

    The time of a quantity that several measures share is counted for the first of them.
    """
    values = {}
    for measure in measures:
        started = time.perf_counter()
        try:
            values[measure.name] = measure.function(subject).double().reshape(-1)
            if subject.train.labels.is_cuda:
                torch.cuda.synchronize()
        except Exception as error:
            log.errors[measure.name] = f"{ERROR}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.seconds[measure.name] = time.perf_counter() - started
    return values


def measure_stack(
    network: Network,
    parameters: Mapping[str, Tensor],
    initial: Mapping[str, Tensor] | None,
    splits: Mapping[str, tuple[Tensor | Inputs, Tensor]],
    measures: Sequence[str] | None = None,
    buffers: Mapping[str, Tensor] | None = None,
    loss: str = "cross_entropy",
    margin: float = 1.0,
    true_labels: Tensor | None = None,
) -> pd.DataFrame:
    """Every measure of every network of a stack.

    Args:
        network: the architecture; its modules run as they are (put BatchNorm and dropout in eval mode).
        parameters: `name -> (K, ...)`.
        initial: the same at the random initialization, or None.
        splits: `train`, and `validation`, `test` for the measures that read them -> inputs `(N, *input_shape)`, or as
            a data set keeps them for one run, and labels `(K, N)` or `(N,)`, integers, or floats where the targets are
            real numbers.
        measures: what `select` takes; the default set by default.
        buffers: `name -> (K, ...)`: what belongs to a network and is not trained; by default what the module has.
        loss: what was minimized, a name in `trainables.training.losses.LOSSES`.
        margin: of the hinge loss.
        true_labels: `(K, N)` or `(N,)`, of the training examples before some were corrupted, where that is known.

    Returns:
        Columns `position` (in the stack), `name`, `index` (in a vector of values, else 0), `value`, `status`
        (`ok`, `not applicable: why`, `undefined: why` where the value does not exist, or `error: why` where the
        computation failed), `seconds`, `version`; one network after another.

    Raises:
        BadInput: see `select`.
    """
    chosen = select(measures)
    if not parameters:  # a forest
        status, size = f"{NOT_APPLICABLE}: has no parameters", len(next(iter((buffers or {}).values()), ()))
        return _table(row for position in range(size) for measure in chosen for row in _rows(measure, position, status))
    size = len(next(iter(parameters.values())))
    dtype = next(iter(parameters.values())).dtype
    inputs = {name: _one_set(inputs, dtype) for name, (inputs, _) in splits.items()}
    labels = {name: labels.expand(size, -1) for name, (_, labels) in splits.items()}
    if true_labels is not None:
        labels[TRUE] = true_labels.expand(size, -1)
    example = inputs["train"].rows(0, 1)[0]
    own = {
        name: value.to(example.device, dtype if value.is_floating_point() else value.dtype).expand(size, *value.shape)
        for name, value in network.module.named_buffers()
    }
    every = {**own, **(buffers or {}), **parameters}
    layers, folded, kept = fold_stack(network.module, every)
    first = {name: value[0] for name, value in {**kept, **folded}.items()}
    architecture = Architecture.trace(layers, lambda: two_class_logits(functional_call(layers, first, (example,))))
    parameters = in_order(parameters, architecture.calls)
    rows = {"parameters": parameters, "buffers": buffers or {}, "folded": folded, "kept": kept, "labels": labels}
    if initial is not None:
        initial = {name: _unpruned(initial[name], value) for name, value in parameters.items()}
        start = untrained_statistics(network.module, {**every, **initial})
        rows |= {"initial": initial, "initial_folded": fold_stack(network.module, start)[1]}
    minimized = loss_of_logits(loss, network.outputs or architecture.classes, margin)
    stack = Stack(network, architecture, minimized, inputs, rows)
    reasons = {measure.name: unmet(measure, stack.alone(0)) for measure in chosen}
    applicable = [measure for measure in chosen if reasons[measure.name] is None]

    finite = torch.stack([v.reshape(size, -1).isfinite().all(1) for v in parameters.values()]).all(0).tolist()
    positions = [position for position in range(size) if finite[position]]
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for chunk in _chunks(positions, architecture.activations * inputs["train"].examples, example.device.type):
        found |= _measure_chunk(stack, chunk, applicable)
    for position in range(size):
        for measure in chosen:
            if reasons[measure.name] is not None:
                status = f"{NOT_APPLICABLE}: {reasons[measure.name]}"
                found[position, measure.name] = _rows(measure, position, status)
            elif not finite[position]:
                found[position, measure.name] = _rows(measure, position, f"{UNDEFINED}: parameters are not finite")
    return _table(row for position in range(size) for measure in chosen for row in found[position, measure.name])


def _unpruned(initial: Tensor, now: Tensor) -> Tensor:
    """Initial values `(K, ...)`; of weights that are pruned 0, as they are now."""
    return initial.where(now != 0, 0) if now.ndim > 2 else initial


def _table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["position", "name", "index", "value", "status", "seconds", "version"])


def _one_set(inputs: Tensor | Inputs, dtype: torch.dtype) -> Inputs:
    """The inputs of one run."""
    if isinstance(inputs, Tensor):
        return Inputs.of(inputs.to(dtype))
    slot = inputs.slot[:1]
    if len(inputs.stored) == 1:
        return replace(inputs, slot=slot)
    mean, deviation = (None if one is None else one[slot] for one in (inputs.mean, inputs.deviation))
    return replace(inputs, stored=inputs.stored[slot], slot=torch.zeros_like(slot), mean=mean, deviation=deviation)


def _measure_chunk(
    stack: Stack, positions: list[int], measures: Sequence[Measure]
) -> dict[tuple[int, str], list[dict[str, Any]]]:
    log = Log()
    values = stack.together(positions, measures, log) if len(positions) > 1 else {}
    rows = {}
    for place, position in enumerate(positions):
        found = {name: (value[place].cpu(), log.seconds[name] / len(positions)) for name, value in values.items()}
        missing = [m for m in measures if m.name not in found or not found[m.name][0].isfinite().all()]
        own = Log()
        again = evaluate(stack.alone(position), missing, own)
        found |= {name: (value.cpu(), own.seconds[name]) for name, value in again.items()}
        for measure in measures:
            if measure.name in own.errors:
                seconds = own.seconds[measure.name]
                rows[position, measure.name] = _rows(measure, position, own.errors[measure.name], seconds=seconds)
            else:
                rows[position, measure.name] = _rows(measure, position, OK, *found[measure.name])
    return rows


def _rows(
    measure: Measure, position: int, status: str, values: Tensor | None = None, seconds: float = 0.0
) -> list[dict[str, Any]]:
    base = {"position": position, "name": measure.name, "seconds": seconds, "version": measure.version}
    listed = [float("nan")] if values is None else values.tolist()
    if values is not None and not values.isfinite().all():
        listed, status = [float("nan")], f"{UNDEFINED}: {measure.undefined}"
    return [{**base, "index": index, "value": value, "status": status} for index, value in enumerate(listed)]


def _chunks(positions: list[int], activations: int, device: str) -> list[list[int]]:
    size = max(1, CHUNK.get(device, CHUNK["cuda"]) // activations)
    return [positions[start : start + size] for start in range(0, len(positions), size)]
