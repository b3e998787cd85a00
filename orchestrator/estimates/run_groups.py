"""Groups of runs that may share cohorts: the rows of `bth plan`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benevolent.orchestrator.plan.plan import Plan
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.run import RunConfig

#: Fields that are shown wherever they are set: with them a run is about something else than the sizes of the splits.
ALWAYS_SHOWN = ("data.subset",)


class EqualRuns(NamedTuple):
    """Runs of a group that cost the same: one of them, and how many there are."""

    example: RunConfig
    runs: int


class RunGroup(NamedTuple):
    """Runs that may share cohorts.

    Attributes:
        members: the runs, those together that cost the same.
        cohorts: the number of runs of each of its cohorts, by their ids.
        set_bytes: memory of each distinct set of inputs that only some of the runs share.
        seeds: number of different seeds; counted only where runs of one seed share a random subspace.
    """

    members: list[EqualRuns]
    cohorts: dict[str, int]
    set_bytes: list[int]
    seeds: int

    @property
    def example(self) -> RunConfig:
        """One of the runs."""
        return self.members[0].example

    @property
    def largest_cohort(self) -> int:
        """The number of runs of its largest cohort."""
        return max(self.cohorts.values())


def group_new_runs(plan: Plan) -> list[RunGroup]:
    """Return the runs of a plan that are still to be trained, in groups."""
    keys_of_kinds = pd.factorize(np.array([example.cohort_key for example in plan.examples]))[0]
    columns = {
        "cohort_key": keys_of_kinds[plan.kind],
        "generation": plan.runs["generation"],
        "kind": plan.kind,
        "cohort_id": plan.runs["cohort_id"],
    }
    new_runs = pd.DataFrame(columns, copy=False)
    if not plan.is_new.all():
        new_runs = new_runs[plan.is_new]
    groups = []
    for _, rows in new_runs.groupby(["cohort_key", "generation"], sort=False):
        members = []
        for kind, count in rows["kind"].value_counts(sort=False).items():
            members.append(EqualRuns(plan.examples[kind], int(count)))
        sizes = rows["cohort_id"].value_counts()
        cohorts = {cohort: int(size) for cohort, size in sizes.items() if size}  # a category without rows has size 0
        own_rows = rows.index.to_numpy()
        in_subspace = members[0].example.subspace.dimension is not None
        seeds = plan.runs["seed"].iloc[own_rows].nunique() if in_subspace else 0
        groups.append(RunGroup(members, cohorts, plan.arrays.set_bytes(own_rows), seeds))
    return groups


def distinguishing_fields(groups: Sequence[RunGroup]) -> list[tuple[str, ...]]:
    """Return for each group the fields in which the groups differ, such as `optimizer.lr=0.1`, and `ALWAYS_SHOWN`.

    Fields of the network are left out: `bth plan` shows the network anyway.
    """
    shared = [_shared_fields(group.example) for group in groups]
    values_of: dict[str, set[str]] = {}
    for fields in shared:
        for name in fields:
            values_of[name] = {str(other.get(name)) for other in shared}
    differing = [name for name, values in values_of.items() if len(values) > 1 or name in ALWAYS_SHOWN]
    return [_assignments(fields, differing) for fields in shared]


def _assignments(fields: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{name}={fields[name]}" for name in names if name in fields)


def _shared_fields(config: RunConfig) -> dict[str, Any]:
    """Return the fields that all runs of a cohort share, without those of the network."""
    fields: dict[str, Any] = {"precision": config.precision}
    for name, section in config.sections.items():
        if isinstance(section, Section) and name != "model":
            for field in section.identity_lines(name, shared_only=True):
                fields[f"{name}.{field}"] = getattr(section, field)
    return fields
