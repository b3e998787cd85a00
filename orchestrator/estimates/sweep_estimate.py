"""What a sweep will take, before anything is trained: the numbers behind `bth plan`."""

import contextlib
import gc
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from benevolent.orchestrator.estimates.memory import largest_cohort, largest_input_bytes
from benevolent.orchestrator.estimates.network_cost import network_cost
from benevolent.orchestrator.estimates.rehearsal import rehearse
from benevolent.orchestrator.plan.configuration import PARTS
from benevolent.orchestrator.plan.planning import MAX_COHORT, Kind, Kinds, cohort_sizes, planned_runs
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig

_DATA = PARTS.index("data")

#: Groups that are rehearsed, the costliest ones; the time of others follows from their arithmetic.
REHEARSED = 12
#: New objects until garbage is looked for while a large sweep is priced; Python's own bound is 2,000 or fewer.
OBJECTS_PER_COLLECTION = 200_000
#: Groups that the printed table names; the others are summed up.
GROUPS_SHOWN = 12


@dataclass(frozen=True)
class GroupEstimate:
    """Runs of one cohort key. Bytes are for one cohort (`memory_bytes`) and for all runs (`disk_bytes`).

    `flops` and `seconds` are those of all runs. `distinguishing_fields`: what tells the group from the others of its plan, beside
    network and phases.
    """

    network: str
    phases: str
    distinguishing_fields: tuple[str, ...]
    runs: int
    cohorts: int
    cohort_size: int
    parameters: int
    memory_bytes: int
    disk_bytes: int
    flops: int
    seconds: float


@dataclass(frozen=True)
class SweepEstimate:
    """What is still to be trained of a sweep; of `runs`, `known` were planned before.

    `seconds` is about what one core of this machine needs if every run ends at its limits, rehearsed on random numbers;
    0 if nothing was. `to_fetch`: the data sets that it has not got yet.
    """

    name: str
    runs: int
    configurations: int
    seeds: int
    parents: int
    known: int
    slots: int
    groups: tuple[GroupEstimate, ...]
    to_fetch: tuple[str, ...] = ()

    @property
    def cohorts(self) -> int:
        """Cohorts of all groups."""
        return sum(group.cohorts for group in self.groups)

    @property
    def seconds(self) -> float:
        """Of all groups, on one core."""
        return sum(group.seconds for group in self.groups)

    @property
    def disk_bytes(self) -> int:
        """Checkpoints and tables of all runs that are still to be trained."""
        return sum(group.disk_bytes for group in self.groups)

    @property
    def memory_bytes(self) -> int:
        """Of the largest cohorts that train at once."""
        return min(self.slots, self.cohorts) * max((group.memory_bytes for group in self.groups), default=0)


def estimate_sweep(
    spec: SweepSpec,
    known: Mapping[str, str] | None = None,
    slots: int = 1,
    max_cohort: int = MAX_COHORT,
    timed: bool = False,
) -> SweepEstimate:
    """What `plan` with the same arguments will take. Holds no run, so a million are fine.

    Args:
        spec: as in `plan`.
        known: as in `plan`.
        slots: as in `plan`.
        max_cohort: as in `plan`.
        timed: rehearse the costliest groups for a few seconds; else nothing is trained, and no time known.

    Raises:
        BadInput: as `plan`.
    """
    known, kinds = known or {}, Kinds(spec.record.while_training)
    counts: Counter[Kind] = Counter()
    input_sets: dict[tuple[str, ...], dict[Any, int]] = defaultdict(dict)
    runs = old = parents = 0
    with _rare_collections():
        for run in planned_runs(spec):
            runs += run.role == "run"
            if run.run_id in known:
                old += run.role == "run"
                continue
            parents += run.role == "parent"
            kind = kinds.of(run.configuration)
            counts[kind] += 1
            if kind.input_bytes:
                input_sets[kind.cohort_key][run.seed, run.configuration.parts[_DATA].lines] = kind.input_bytes
    names = (kind.example.data.name for kind in counts)
    groups: dict[tuple[str, ...], list[tuple[Kind, int]]] = defaultdict(list)
    for kind, count in counts.items():
        groups[kind.cohort_key].append((kind, count))
    common = set.intersection(*map(set, groups)) if groups else set()
    prices = [
        _estimate_group(spec, members, common, counts.total(), slots, max_cohort, [*input_sets[key].values()])
        for key, members in groups.items()
    ]
    if timed:
        prices = _timed(spec, prices, groups)
    return SweepEstimate(
        name=spec.name,
        runs=runs,
        configurations=runs // len(spec.seed_values),
        seeds=len(spec.seed_values),
        parents=parents,
        known=old,
        slots=slots,
        groups=tuple(sorted(prices, key=lambda group: (-group.seconds, -group.flops))),
        to_fetch=tuple(sorted(name for name in {*names} if name in data.READERS and not data.is_present(name))),
    )


def _timed(
    spec: SweepSpec, prices: list[GroupEstimate], groups: Mapping[tuple[str, ...], list[tuple[Kind, int]]]
) -> list[GroupEstimate]:
    """The groups with their time: of the costliest as rehearsed, of the others as long as arithmetic took there."""
    order = sorted(zip(prices, groups.values(), strict=True), key=lambda pair: -pair[0].flops)
    found, per_flop = [], 0.0
    for place, (group, members) in enumerate(order):
        if place < REHEARSED:
            run_time = rehearse(members[0][0].example, group.cohort_size, spec.record.while_training)
            whole: float = sum(count * run_time.seconds(*_epochs(spec, kind.example)) for kind, count in members)
            per_flop = whole / max(1, group.flops)
        found.append(replace(group, seconds=per_flop * max(1, group.flops)))
    return found


def _epochs(spec: SweepSpec, config: RunConfig) -> tuple[int, int]:
    """How many epochs a run has at most, and how many of them are recorded."""
    whole = config.steps_per_epoch
    limits = [min(phase.max_epochs, -(-(phase.max_steps or sys.maxsize) // whole)) for phase in config.phases]
    return sum(limits), sum(len(spec.record.epochs_until(limit)) + len(spec.record.steps) for limit in limits)


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage rarely, and never walk torch: collections were a third of the time of a large plan."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS_PER_COLLECTION, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _estimate_group(
    spec: SweepSpec,
    members: list[tuple[Kind, int]],
    common: set[str],
    total: int,
    slots: int,
    max_cohort: int,
    set_bytes: list[int],
) -> GroupEstimate:
    """Of a group; `common`: lines that the cohort keys of all groups have."""
    kind = members[0][0]
    runs = sum(count for _, count in members)
    most = largest_cohort(set_bytes, spec.resources, max_cohort)
    sizes = cohort_sizes(runs, total, slots, spec.resources.cohort_size, most)
    costs = network_cost(kind.example)
    records = sum(count * _epochs(spec, member.example)[1] for member, count in members)
    memory = costs.stack_bytes(max(sizes), kind.example.optimizer)
    memory += largest_input_bytes(set_bytes, max(sizes))
    memory += costs.subspace_bytes(kind.example.subspace, min(max(sizes), len(spec.seed_values)))
    model = kind.example.model.model_dump()
    return GroupEstimate(
        network=" ".join([model.pop("family"), *(f"{name}={value}" for name, value in model.items())]),
        phases=" + ".join(phase.name for phase in kind.example.phases),
        distinguishing_fields=tuple(line for line in kind.cohort_key if _tells(line) and line not in common),
        runs=runs,
        cohorts=len(sizes),
        cohort_size=max(sizes),
        parameters=costs.parameters,
        memory_bytes=memory,
        disk_bytes=costs.disk_bytes(records),
        flops=sum(member.flops * count for member, count in members),
        seconds=0.0,
    )


def _tells(line: str) -> bool:
    """Whether a line of a cohort key is a field, and not of the network, which is shown anyway."""
    return "=" in line and not line.startswith("model.")


def plan_table(summary: SweepEstimate) -> RenderableType:
    """The summary for a terminal: a line for each group of runs that may share cohorts, and totals."""
    table = Table(title=f"plan of {escape(summary.name)}", title_justify="left")
    table.add_column("network")
    table.add_column("phases")
    for name in ("parameters", "runs", "cohorts", "stack up to", "memory per cohort", "disk up to"):
        table.add_column(name, justify="right")
    shown, rest = summary.groups[:GROUPS_SHOWN], summary.groups[GROUPS_SHOWN:]
    if rest:
        shown = (*shown, _united(rest))
    for group in shown:
        table.add_row(
            escape("\n".join([group.network, *group.distinguishing_fields])),
            group.phases,
            f"{group.parameters:,}",
            f"{group.runs:,}",
            f"{group.cohorts:,}",
            str(group.cohort_size),
            decimal(group.memory_bytes),
            decimal(group.disk_bytes),
        )
    extra = f" + {summary.parents:,} that others start or learn from" if summary.parents else ""
    known = f", {summary.known:,} of them planned or trained before" if summary.known else ""
    totals = (
        f"{summary.runs:,} runs ({summary.configurations:,} configurations x {summary.seeds} seeds)"
        f"{known}{extra}\n"
        f"{summary.cohorts:,} cohorts, {summary.slots} at once; "
        f"memory up to {decimal(summary.memory_bytes)}, disk up to {decimal(summary.disk_bytes)}\n"
        f"training takes about {_duration(summary.seconds)} of one core of this machine, if all runs end at their "
        "limits (rehearsed on random numbers)"
    )
    if summary.to_fetch:
        names = ", ".join(summary.to_fetch)
        totals += f"\nnot at the data root {escape(str(data.data_root()))}: {names}; bth run fetches what is missing"
    return Group(table, totals)


def _united(groups: tuple[GroupEstimate, ...]) -> GroupEstimate:
    largest = {name: max(getattr(group, name) for group in groups) for name in ("cohort_size", "parameters")}
    names = ("runs", "cohorts", "disk_bytes", "flops", "seconds")
    summed = {name: sum(getattr(group, name) for group in groups) for name in names}
    memory = max(group.memory_bytes for group in groups)
    network = f"... {len(groups)} more groups, each up to"
    return replace(
        groups[0], network=network, phases="", distinguishing_fields=(), memory_bytes=memory, **largest, **summed
    )


def _duration(seconds: float) -> str:
    """Rounded up to what one would say.

    >>> _duration(75), _duration(5 * 3600)
    ('75 s', '5.0 h')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
