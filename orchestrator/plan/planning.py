"""Which runs train together, and which wait for which: from a sweep to cohorts."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benevolent.orchestrator.estimates.memory import input_bytes, largest_cohort
from benevolent.orchestrator.estimates.network_cost import training_flops
from benevolent.orchestrator.plan.configuration import PARTS, Configuration
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.compatibility import check
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.manifest import Manifest, Record

_DATA = PARTS.index("data")
_OPTIMIZER = PARTS.index("optimizer")

#: `parent`: a run that no axis names, trained because others start from it.
Role = Literal["run", "parent"]

#: Runs of a cohort at most; beyond, a stack gains nothing more and less is lost with a cohort that fails.
MAX_COHORT = 128
#: Cohorts wanted for every slot, so that slots end together, and the runs below which a stack no longer pays.
COHORTS_PER_SLOT, MIN_COHORT = 2, 16


class PlannedRun(NamedTuple):
    """A run, before its `RunConfig` is made."""

    configuration: Configuration
    seed: int
    run_id: str
    role: Role


@dataclass(frozen=True, eq=False)
class Kind:
    """What configurations of one cohort key and equally long phases have in common; `example` is one run.

    `flops`: of one run that ends at its limits. `input_bytes`: memory of the inputs that runs of other seeds do not
    share.
    """

    cohort_key: tuple[str, ...]
    flops: int
    input_bytes: int
    example: RunConfig


class Kinds(dict[tuple[object, ...], Kind]):
    """The kind of every configuration met, worked out and checked once for each `Configuration.kind`.

    Args:
        record: what is written down while runs train.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record

    def of(self, configuration: Configuration) -> Kind:
        """The kind of a configuration.

        Raises:
            BadInput: its data set or its network cannot be used, or its sections do not go together.
        """
        key = configuration.kind
        if key not in self:
            try:
                config = configuration.run(0)
                check(config, self.record)
                self[key] = Kind(config.cohort_key, training_flops(config), input_bytes(config), config)
            except BadInput as error:
                raise BadInput(configuration.located(str(error))) from None
        return self[key]


def planned_runs(spec: SweepSpec) -> Iterator[PlannedRun]:
    """The runs of a sweep, then those that some of them start from, or have labels from, and no axis names.

    Raises:
        BadInput: as `SweepSpec.runs`, and for arithmetic that the sweep's machines have not.
    """
    parents: dict[tuple[str, ...], Configuration] = {}
    for configuration in spec.configurations():
        _check_arithmetic(configuration, spec)
        waiting = list(configuration.before)
        while waiting:
            parent = waiting.pop()
            if parent.lines not in parents:
                parents[parent.lines] = parent
                waiting += parent.before
        for seed in spec.seed_values:
            yield PlannedRun(configuration, seed, configuration.run_id(seed), "run")
    if parents:  # a second pass instead of a memory of all dense configurations
        for configuration in spec.configurations():
            parents.pop(configuration.lines, None)
    for parent in parents.values():
        _check_arithmetic(parent, spec)
        for seed in spec.seed_values:
            yield PlannedRun(parent, seed, parent.run_id(seed), "parent")


def _check_arithmetic(configuration: Configuration, spec: SweepSpec) -> None:
    """Refuse to round on a GPU where there is none; of all sections only `resources`, which no run has, tells."""
    if not spec.resources.gpus and 'arithmetic="tf32"' in configuration.parts[_OPTIMIZER].lines:
        line = "optimizer.arithmetic = 'tf32': without a GPU it rounds nothing, and resources.gpus is 0"
        raise BadInput(configuration.located(f"{line}; allowed: full, bf16, or tf32 with resources.gpus above 0"))


def cohort_sizes(runs: int, total: int, slots: int, size: int | None = None, max_cohort: int = MAX_COHORT) -> list[int]:
    """How many runs each cohort of a group gets, nearly equal.

    Args:
        runs: in the group.
        total: in all groups.
        slots: cohorts that train at once.
        size: asked for by the user; the rest of the arguments is then not looked at.
        max_cohort: runs of a cohort at most.

    >>> cohort_sizes(240, 240, slots=2)
    [60, 60, 60, 60]
    >>> cohort_sizes(20, 20, slots=8)
    [20]
    """
    if size:
        cohorts = math.ceil(runs / size)
    else:
        wanted = max(MIN_COHORT, math.ceil(total / (COHORTS_PER_SLOT * slots)))
        cohorts = max(math.ceil(runs / max_cohort), runs // wanted, 1)
    small, larger = divmod(runs, cohorts)
    return [small + 1] * larger + [small] * (cohorts - larger)


def cohort_id(run_ids: Iterable[str], record: Record | None = None) -> str:
    """16 hexadecimal digits: a hash of the sorted ids of a cohort's runs, and of a record that is not the default."""
    lines = record.identity("record") if record else []
    return hashlib.sha256("\n".join([*sorted(run_ids), *lines]).encode()).hexdigest()[:16]


def plan(
    spec: SweepSpec,
    known: Mapping[str, str] | None = None,
    slots: int = 1,
    max_cohort: int = MAX_COHORT,
    records: Mapping[str, Record] | None = None,
) -> list[Manifest]:
    """The cohorts still to be trained, in the order to start them: parents first, then the costliest first.

    Args:
        spec: the sweep.
        known: `run_id -> cohort_id` of the runs in manifests that record what the sweep asks for; they are not
            planned again.
        slots: cohorts that can train at once.
        max_cohort: runs of a cohort at most, where the sweep does not give `resources.cohort_size`.
        records: `run_id -> record` of other runs in manifests. They are trained again, and record that too, so that
            nothing that could be read before is lost.

    Raises:
        BadInput: as `SweepSpec.runs`, and for data sets and networks that cannot be used.
    """
    known, records, asked = known or {}, records or {}, spec.record.while_training
    kinds = Kinds(asked)
    groups: dict[tuple[Record, tuple[str, ...]], list[PlannedRun]] = defaultdict(list)
    for run in planned_runs(spec):
        if run.run_id not in known:
            record = asked | records[run.run_id] if run.run_id in records else asked
            groups[record, kinds.of(run.configuration).cohort_key].append(run)
    total = sum(map(len, groups.values()))
    members: dict[str, tuple[Record, list[PlannedRun]]] = {}
    for (record, _), runs in groups.items():
        input_sets = {
            (run.seed, run.configuration.parts[_DATA].lines): kinds.of(run.configuration).input_bytes for run in runs
        }
        most = largest_cohort([*input_sets.values()], spec.resources, max_cohort)
        for size in cohort_sizes(len(runs), total, slots, spec.resources.cohort_size, most):
            members[cohort_id((run.run_id for run in runs[:size]), record)] = record, runs[:size]
            runs = runs[size:]
    home = dict(known) | {run.run_id: name for name, (_, runs) in members.items() for run in runs}
    cohorts = []
    for name, (record, runs) in members.items():
        parents = {home[before.run_id(run.seed)] for run in runs for before in run.configuration.ancestors}
        configs = tuple(run.configuration.run(run.seed) for run in runs)
        cohorts.append(Manifest(name, configs, tuple(run.role for run in runs), tuple(sorted(parents)), record))
    cost = {name: sum(kinds.of(run.configuration).flops for run in runs) for name, (_, runs) in members.items()}
    return sorted(cohorts, key=lambda cohort: (cohort.depth, -cost[cohort.cohort_id], cohort.cohort_id))
