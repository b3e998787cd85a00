"""What a sweep will take, before anything is trained: the numbers behind `bth plan`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benevolent.orchestrator.estimates.memory import largest_input_bytes
from benevolent.orchestrator.estimates.network_cost import network_cost, training_flops
from benevolent.orchestrator.estimates.rehearsal import rehearse
from benevolent.orchestrator.plan.plan import Plan
from benevolent.trainables import data
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.model import ModelConfig
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig

#: Groups that are rehearsed, the costliest ones; the time of others follows from their arithmetic.
REHEARSED = 12


@dataclass(frozen=True)
class GroupEstimate:
    """Runs of one cohort key. Bytes are for one cohort (`memory_bytes`) and for all runs (`disk_bytes`).

    `flops` and `seconds` are those of all runs. `distinguishing_fields`: those in which the groups of
    the plan differ, beside network and phases.
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


class _Members(NamedTuple):
    """Runs of a group that cost the same: one of them, and how many there are."""

    example: RunConfig
    runs: int


class _Group(NamedTuple):
    """Runs that may share cohorts.

    Attributes:
        members: the runs, those together that cost the same.
        cohort_sizes: runs of each of its cohorts.
        set_bytes: memory of each distinct set of inputs that only some of the runs share.
    """

    members: list[_Members]
    cohort_sizes: list[int]
    set_bytes: list[int]


def estimate_sweep(plan: Plan, slots: int = 1, timed: bool = False) -> SweepEstimate:
    """Estimate what those runs of a plan take that are still to be trained.

    Args:
        plan: of the sweep.
        slots: cohorts that can train at once.
        timed: rehearse the costliest groups for a few seconds; without it, no time is known.
    """
    named = plan.runs["role"] == "run"
    groups = _groups(plan)
    differing = _distinguishing_fields([group.members[0].example for group in groups])
    estimates = [_estimate_group(plan, group, fields) for group, fields in zip(groups, differing, strict=True)]
    if timed:
        estimates = _timed(plan.record, estimates, groups)
    seeds = plan.seeds
    names = {group.members[0].example.data.name for group in groups}
    return SweepEstimate(
        name=plan.name,
        runs=int(named.sum()),
        configurations=int(named.sum()) // seeds,
        seeds=seeds,
        parents=int((plan.is_new & ~named).sum()),
        known=int((named & ~plan.is_new).sum()),
        slots=slots,
        groups=tuple(sorted(estimates, key=lambda group: (-group.seconds, -group.flops))),
        to_fetch=tuple(sorted(name for name in names if name in data.READERS and not data.is_present(name))),
    )


def _groups(plan: Plan) -> list[_Group]:
    """Return the runs to be trained, in groups that may share cohorts."""
    frame = pd.DataFrame(
        {
            "cohort_key": pd.factorize(np.array([example.cohort_key for example in plan.examples]))[0][plan.kind],
            "generation": plan.runs["generation"],
            "kind": plan.kind,
            "cohort_id": plan.runs["cohort_id"],
        }
    )[plan.is_new]
    groups = []
    for _, rows in frame.groupby(["cohort_key", "generation"], sort=False):
        counts = rows["kind"].value_counts(sort=False)
        members = [_Members(plan.examples[kind], int(count)) for kind, count in counts.items()]
        sizes = rows["cohort_id"].value_counts()
        set_bytes = plan.arrays.set_bytes(rows.index.to_numpy())
        groups.append(_Group(members, [int(size) for size in sizes if size], set_bytes))
    return groups


def _distinguishing_fields(examples: Sequence[RunConfig]) -> list[tuple[str, ...]]:
    """Return for each group the fields in which the groups differ, without those of the network, shown anyway."""
    shared = [_shared_fields(example) for example in examples]
    names = dict.fromkeys(name for fields in shared for name in fields)
    differing = [name for name in names if len({str(fields.get(name)) for fields in shared}) > 1]
    return [tuple(f"{name}={fields[name]}" for name in differing if name in fields) for fields in shared]


def _shared_fields(config: RunConfig) -> dict[str, Any]:
    """Return the fields that all runs of a cohort share, without those of the network."""
    fields: dict[str, Any] = {"precision": config.precision}
    for name, section in config.sections.items():
        if isinstance(section, Section) and name != "model":
            for field in section.identity_lines(name, shared_only=True):
                fields[f"{name}.{field}"] = getattr(section, field)
    return fields


def _timed(record: RecordConfig, estimates: Sequence[GroupEstimate], groups: Sequence[_Group]) -> list[GroupEstimate]:
    """Return the groups with their time: of the costliest as rehearsed, of the others by their arithmetic."""
    costliest_first = sorted(zip(estimates, groups, strict=True), key=lambda pair: -pair[0].flops)
    timed, seconds_per_flop = [], 0.0
    for position, (estimate, group) in enumerate(costliest_first):
        flops = max(1, estimate.flops)
        if position < REHEARSED:
            first = group.members[0].example
            run_time = rehearse(first, estimate.cohort_size, record)
            seconds: float = sum(
                count * run_time.seconds(*_epochs(record, example)) for example, count in group.members
            )
            seconds_per_flop = seconds / flops
        timed.append(replace(estimate, seconds=seconds_per_flop * flops))
    return timed


def _epochs(record: RecordConfig, config: RunConfig) -> tuple[int, int]:
    """Return how many epochs a run has at most, and how many of them are recorded."""
    epochs = records = 0
    for phase in config.phases:
        limit = phase.max_epochs
        if phase.max_steps is not None:
            limit = min(limit, -(-phase.max_steps // config.steps_per_epoch))
        epochs += limit
        records += len(record.epochs_until(limit)) + len(record.steps)
    return epochs, records


def _estimate_group(plan: Plan, group: _Group, fields: tuple[str, ...]) -> GroupEstimate:
    members, cohort_sizes = group.members, group.cohort_sizes
    example = members[0].example
    costs = network_cost(example)
    largest = max(cohort_sizes)
    memory = costs.stack_bytes(largest, example.optimizer)
    memory += largest_input_bytes(group.set_bytes, largest)
    memory += costs.subspace_bytes(example.subspace, min(largest, plan.seeds))
    return GroupEstimate(
        network=_network_text(example.model),
        phases=" + ".join(phase.name for phase in example.phases),
        distinguishing_fields=fields,
        runs=sum(cohort_sizes),
        cohorts=len(cohort_sizes),
        cohort_size=largest,
        parameters=costs.parameters,
        memory_bytes=memory,
        disk_bytes=costs.disk_bytes(sum(count * _epochs(plan.record, member)[1] for member, count in members)),
        flops=sum(count * training_flops(member) for member, count in members),
        seconds=0.0,
    )


def _network_text(model: ModelConfig) -> str:
    """Return the family of a network, and the fields that differ from their defaults."""
    fields = model.model_dump(exclude_defaults=True, exclude={"family"})
    return " ".join([model.family, *(f"{name}={value}" for name, value in fields.items())])
