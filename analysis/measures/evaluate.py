"""Measures of a stack of networks as a table: one row per network, measure and component.

Measures are functions of one network. `vmap` maps them over the stack in chunks. Networks are measured one by one where
a measure cannot be mapped, which is said once by a `MappingWarning`, and where a mapped value is not finite. A measure
without a value has a row with a status that says why.
"""

import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.func import vmap

from benevolent.analysis.measures.attention import twice_differentiable_attention
from benevolent.analysis.measures.measure import Measure
from benevolent.analysis.measures.measured_network import MeasuredNetwork
from benevolent.analysis.measures.network_stack import NetworkStack, Rows
from benevolent.analysis.measures.progress_line import MeasureStart
from benevolent.analysis.measures.rng import drawing
from benevolent.analysis.measures.selection import select
from benevolent.analysis.measures.time_budget import OutOfTime, check_time, has_time_budget
from benevolent.trainables.data import Inputs
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store.statuses import MEASURE_ERROR

#: A status is one of these or begins with it. Only errors are tried again, since only they may give another result: a
#: measure that does not apply never will, and an undefined value is a fact about the parameters themselves.
OK = "ok"
NOT_APPLICABLE = "not applicable"
UNDEFINED = "undefined"
SKIPPED = "skipped"

#: Activations (networks x examples x activations each) of one chunk. On a CPU, stacking saves only the cost
#: of calls: above this, one network keeps a core busy and several leave its cache (`benchmarks/measures.py`).
CHUNK = {"cpu": 2**19, "cuda": 2**26}

COLUMNS = ["position", "name", "index", "value", "status", "seconds", "version", "traceback"]


class MappingWarning(UserWarning):
    """Some measures cannot be mapped over a stack of networks: they are slow, and their values are right."""


class Failure(NamedTuple):
    """An exception that a measure raised: the status that tells of it, and the whole traceback of an error."""

    status: str
    traceback: str | None = None


class Result(NamedTuple):
    """A measure of one network: M finite values, or a status that says why there are none."""

    status: str
    values: list[float] | None = None
    seconds: float = 0.0
    traceback: str | None = None


@dataclass
class Evaluation:
    """Measures of one network, or of networks being mapped: values `(M,)`, seconds of each, and failures, by name."""

    values: dict[str, Tensor] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)


def evaluate(
    network: MeasuredNetwork,
    measures: Sequence[Measure],
    on_start: Callable[[MeasureStart], None] | None = None,
) -> Evaluation:
    """Evaluate measures of a network; values are in float64.

    The time of a quantity that several measures share counts for the first of them. Within a time budget the cheap ones
    come first, and those that are not done when it ends are failures.

    Args:
        network: the network.
        measures: to evaluate.
        on_start: called at the beginning of each.
    """
    evaluation = Evaluation()
    began = time.perf_counter()
    ordered = sorted(measures, key=lambda measure: measure.cost) if has_time_budget() else measures
    for number, measure in enumerate(ordered, 1):
        started = time.perf_counter()
        if on_start is not None:
            on_start(MeasureStart(measure.name, number, len(ordered), started - began))
        try:
            check_time()
            with drawing(measure.draw):
                evaluation.values[measure.name] = measure.function(network).double().reshape(-1)
            if network.train.labels.is_cuda:
                torch.cuda.synchronize()
        except OutOfTime:
            evaluation.failures[measure.name] = Failure(f"{SKIPPED}: budget")
        except Exception as error:
            line = str(error).partition("\n")[0]
            status = f"{MEASURE_ERROR}: {type(error).__name__}: {line}"
            evaluation.failures[measure.name] = Failure(status, traceback.format_exc())
        evaluation.seconds[measure.name] = time.perf_counter() - started
    return evaluation


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
    masks: Mapping[str, Tensor] | None = None,
    on_start: Callable[[MeasureStart], None] | None = None,
    alone: bool = False,
) -> pd.DataFrame:
    """Compute measures of every network of a stack, within a `time_budget` if there is one.

    Networks are computed several at once. One that is left over at the end of a stack, or the only one, is computed
    beside a copy of itself, since alone it would be rounded differently. So on a CPU values are the same to the last
    bit in any stack, except where the rounding of a product of matrices depends on its place in memory, as for some odd
    sizes.

    Args:
        network: the architecture; its modules run as they are (put BatchNorm and dropout in eval mode).
        parameters: `name -> (K, ...)`.
        initial: the same at the random initialization, or None.
        splits: `train`, and `validation`, `test` for the measures that read them -> inputs `(N, *input_shape)`, or as
            a data set keeps them for one run, and labels `(K, N)` or `(N,)`, integers, or floats where the targets are
            real numbers.
        measures: names that `select` takes; the default set by default.
        buffers: `name -> (K, ...)`: untrained tensors of the networks; by default those of the module.
        loss: the loss that was minimized, a name in `trainables.optimization.losses.LOSSES`.
        margin: of the hinge loss.
        true_labels: `(K, N)` or `(N,)`, the training labels before some were corrupted, if known.
        masks: `name -> (K, ...)`, 0 for pruned weights and 1 for the others; without a mask nothing is pruned, not even
            a weight that is exactly zero.
        on_start: called at the beginning of each measure that is computed for one network alone.
        alone: compute each network alone, and none twice.

    Returns:
        Columns `position` (in the stack), `name`, `index` (in a vector of values, else 0), `value`, `status`
        (`ok`, `not applicable: why`, `undefined: why` where the value does not exist, `skipped: budget` where there was
        no time left, or `error: why` where the computation failed), `seconds`, `version`, `traceback` (of an error,
        else None); one network after another.

    Raises:
        BadInput: see `select`.
    """
    chosen = select(measures)
    buffers = buffers or {}
    if not parameters:
        return _table_without_parameters(buffers, chosen)
    masks = masks or {}
    with twice_differentiable_attention():
        tried = any(measure.tries_derivatives for measure in chosen)
        stack = NetworkStack.build(
            network, parameters, initial, splits, buffers, loss, margin, true_labels, masks, tried
        )
        return _measure(stack, chosen, on_start, alone)


def _measure(
    stack: NetworkStack, chosen: Sequence[Measure], on_start: Callable[[MeasureStart], None] | None, alone: bool
) -> pd.DataFrame:
    """Return the table of a stack, see `measure_stack`."""
    first_network = stack.measured_network(stack.tensors_at(0))
    reasons = {measure.name: measure.why_not_applicable(first_network) for measure in chosen}
    applicable = [measure for measure in chosen if reasons[measure.name] is None]
    finite = stack.finite
    results = _StackResults(stack, applicable, on_start, alone)
    results.measure([position for position in range(len(stack)) if finite[position]])
    rows = []
    for position in range(len(stack)):
        for measure in chosen:
            reason = reasons[measure.name]
            if reason is not None:
                result = Result(f"{NOT_APPLICABLE}: {reason}")
            elif not finite[position]:
                result = Result(f"{UNDEFINED}: parameters are not finite")
            else:
                result = results.found[position, measure.name]
            rows += _rows(position, measure, result)
    return pd.DataFrame(rows, columns=COLUMNS)


class _StackResults:
    """Results of measures of a stack by (position, measure), found chunk by chunk."""

    def __init__(
        self,
        stack: NetworkStack,
        measures: Sequence[Measure],
        on_start: Callable[[MeasureStart], None] | None,
        alone: bool,
    ) -> None:
        self.stack = stack
        self.measures = measures
        self.on_start = on_start
        self.found: dict[tuple[int, str], Result] = {}
        train = stack.inputs["train"]
        limit = CHUNK.get(train.stored.device.type, CHUNK["cuda"])
        fitting = limit // (stack.architecture.activations * train.examples)
        self.chunk = 1 if alone else max(1, fitting)
        self.mapped = [measure for measure in measures if measure.mapped]

    def measure(self, positions: Sequence[int]) -> None:
        """Measure the networks at some positions."""
        for start in range(0, len(positions), self.chunk):
            self._measure_chunk(list(positions[start : start + self.chunk]))

    def _measure_chunk(self, positions: list[int]) -> None:
        mapped = Evaluation()
        if self.chunk > 1:
            mapped = self._evaluate_mapped(positions if len(positions) > 1 else positions * 2)
        values = {name: value.tolist() for name, value in mapped.values.items()}
        finite = {name: value.isfinite().all(1).tolist() for name, value in mapped.values.items()}
        computed_alone: set[str] = set()
        for place, position in enumerate(positions):
            missing = []
            for measure in self.measures:
                if measure.name in values and finite[measure.name][place]:
                    seconds = mapped.seconds[measure.name] / len(positions)
                    self.found[position, measure.name] = Result(OK, values[measure.name][place], seconds)
                else:
                    missing.append(measure)
            if missing:
                alone = evaluate(self.stack.measured_network(self.stack.tensors_at(position)), missing, self.on_start)
                computed_alone |= alone.values.keys()
                self.found |= {(position, measure.name): _result(measure, alone) for measure in missing}
        self._warn_of_mapping({name: mapped.failures[name] for name in mapped.failures if name in computed_alone})

    def _evaluate_mapped(self, positions: list[int]) -> Evaluation:
        """Evaluate measures of several networks in one program; values are `(len(positions), M)`."""
        evaluation = Evaluation()
        rows = self.stack.tensors_at(positions)
        networks = self.stack.measured_network(rows)

        def of_one_network(tensors: Rows, place: Tensor) -> dict[str, Tensor]:
            mapped = evaluate(self.stack.measured_network(tensors, networks, place), self.mapped)
            evaluation.seconds = mapped.seconds
            evaluation.failures = mapped.failures
            return mapped.values

        evaluation.values = vmap(of_one_network)(rows, torch.arange(len(positions), device=self.stack.device))
        return evaluation

    def _warn_of_mapping(self, failures: Mapping[str, Failure]) -> None:
        """Warn of measures that fail for networks in one program and not for one network; do not map them again."""
        if not failures:
            return
        self.mapped = [measure for measure in self.mapped if measure.name not in failures]
        first, *others = failures
        names = first + (f" and {len(others)} other measures" if others else "")
        warnings.warn(
            f"{names}: cannot be mapped over a stack of networks, which are measured one by one instead: "
            f"{failures[first].status.removeprefix(f'{MEASURE_ERROR}: ')}",
            MappingWarning,
            stacklevel=4,
        )


def _result(measure: Measure, evaluation: Evaluation) -> Result:
    seconds = evaluation.seconds[measure.name]
    failure = evaluation.failures.get(measure.name)
    if failure is not None:
        return Result(failure.status, None, seconds, failure.traceback)
    values = evaluation.values[measure.name].cpu()
    if not values.isfinite().all():
        return Result(f"{UNDEFINED}: {measure.undefined}", None, seconds)
    return Result(OK, values.tolist(), seconds)


def _table_without_parameters(buffers: Mapping[str, Tensor], measures: Sequence[Measure]) -> pd.DataFrame:
    """Return the table of networks without trained parameters, such as forests: no measure applies."""
    size = len(next(iter(buffers.values()), ()))
    result = Result(f"{NOT_APPLICABLE}: has no parameters")
    rows = []
    for position in range(size):
        for measure in measures:
            rows += _rows(position, measure, result)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(position: int, measure: Measure, result: Result) -> list[tuple[Any, ...]]:
    """Return one row of `COLUMNS` for every component of the values, or one row without a value."""
    values = [float("nan")] if result.values is None else result.values
    rows = []
    for index, value in enumerate(values):
        rows.append(
            (
                position,
                measure.name,
                index,
                value,
                result.status,
                result.seconds,
                measure.version,
                result.traceback,
            )
        )
    return rows
