"""Estimate of what a sweep takes, made before anything is trained: the numbers of `bth plan`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benevolent.orchestrator.estimates.prices import (
    SECONDS_PER_ACTOR,
    STARTUP_SECONDS,
    epoch_seconds,
    measuring_epochs,
    measuring_seconds,
    phase_limits,
    recorded_places,
    report_seconds,
    usual_share,
)
from benevolent.orchestrator.estimates.rehearsal import RunTime, rehearsal_key, rehearse
from benevolent.orchestrator.estimates.run_groups import RunGroup, distinguishing_fields, group_new_runs
from benevolent.orchestrator.plan.memory import largest_input_bytes
from benevolent.orchestrator.plan.network_cost import network_cost, table_bytes, training_flops
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.spec.replicates import Replicates
from benevolent.orchestrator.training.wall_time import CohortSeconds, Workers, wall_seconds
from benevolent.trainables import data
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store.statuses import Role

#: Groups that are rehearsed, the costliest ones; the time of the others follows from their arithmetic.
REHEARSED = 12


@dataclass(frozen=True)
class GroupEstimate:
    """Estimate of the runs that may share cohorts.

    Attributes:
        network: family, and fields that differ from their defaults.
        phases: names of the phases.
        distinguishing_fields: fields in which the groups of the plan differ, besides network and phases.
        runs: number of runs.
        cohort_sizes: runs of each cohort, by its id.
        cohort_size: runs of the largest one.
        parameters: of one network.
        memory_bytes: of the largest cohort.
        disk_bytes: of all runs, while parameters are kept.
        parameter_bytes: of these, what `record.keep_parameters: false` removes.
        flops: of all runs, if they end at their limits.
        seconds: of all runs on one core, likewise; 0 if nothing was rehearsed.
        usual_share: part of these that runs are taken to need, since they can end before their limits.
        measuring_seconds: of their networks on one core; 0 if nothing was rehearsed.
    """

    network: str
    phases: str
    distinguishing_fields: tuple[str, ...]
    runs: int
    cohort_sizes: Mapping[str, int]
    cohort_size: int
    parameters: int
    memory_bytes: int
    disk_bytes: int
    parameter_bytes: int
    flops: int
    seconds: float
    usual_share: float
    measuring_seconds: float

    @property
    def cohorts(self) -> int:
        """Number of cohorts."""
        return len(self.cohort_sizes)


@dataclass(frozen=True)
class SweepEstimate:
    """Estimate of the runs of a sweep that are still to be trained.

    Attributes:
        name: of the sweep.
        runs: runs that the sweep names.
        configurations: these runs without their seeds.
        replicates: of each configuration.
        parents: parent and teacher runs, in addition.
        repeated: how many of `parents` are of configurations that the sweep names, with the seeds of another lineage.
        known: number of `runs` that were planned before.
        slots: cohorts that train at once.
        cores: that cohorts and what measures them share.
        groups: the runs to be trained, the costliest group first.
        waits_for: for each cohort in the order to start them, the ids of those that have to be trained before.
        keeps_parameters: False if parameters are removed once they are measured.
        report_seconds: of judging and the report, on one core.
        pace: seconds that a second of price takes on this machine (`machine_pace`).
        to_fetch: data sets that this machine lacks.
    """

    name: str
    runs: int
    configurations: int
    replicates: Replicates
    parents: int
    repeated: int
    known: int
    slots: int
    cores: int
    groups: tuple[GroupEstimate, ...]
    waits_for: Mapping[str, Sequence[str]]
    keeps_parameters: bool
    report_seconds: float
    pace: float = 1.0
    to_fetch: tuple[str, ...] = ()

    @property
    def startup_seconds(self) -> float:
        """Seconds until the first step."""
        return self.pace * STARTUP_SECONDS

    @property
    def cohorts(self) -> int:
        """Number of cohorts of all groups."""
        return sum(group.cohorts for group in self.groups)

    @property
    def seconds(self) -> float:
        """Seconds of all groups on one core of this machine."""
        return sum(group.seconds for group in self.groups)

    @property
    def measuring_seconds(self) -> float:
        """Seconds of measuring the networks of all groups on one core."""
        return sum(group.measuring_seconds for group in self.groups)

    @property
    def can_end_before(self) -> bool:
        """True if runs can end before their limits."""
        return any(group.usual_share < 1 for group in self.groups)

    def wall_seconds(self, cores: int, to_limits: bool = True) -> float:
        """Return the seconds of everything on so many cores: start-up, training, measuring, judging and the report.

        Args:
            cores: of this machine.
            to_limits: every run trains to its limit; else those that can end before train as long as is usual.
        """
        if not self.groups:
            return self.report_seconds
        workers = Workers(min(self.slots, cores), cores, cores)
        starts = [self.pace * SECONDS_PER_ACTOR] * cores
        work = self._work_of_cohorts(to_limits)
        return self.startup_seconds + wall_seconds(work, workers, starts) + self.report_seconds

    def _work_of_cohorts(self, to_limits: bool) -> dict[str, CohortSeconds]:
        """Return what each cohort takes, in the order to start them; runs of a group count the same."""
        works = {}
        for group in self.groups:
            training = group.seconds * (1.0 if to_limits else group.usual_share)
            for cohort_id, runs in group.cohort_sizes.items():
                share = runs / group.runs
                waits_for = self.waits_for[cohort_id]
                works[cohort_id] = CohortSeconds(training * share, group.measuring_seconds * share, waits_for)
        return {cohort_id: works[cohort_id] for cohort_id in self.waits_for}

    @property
    def disk_bytes(self) -> int:
        """Size of the checkpoints and tables of all runs that are still to be trained."""
        return sum(group.disk_bytes for group in self.groups)

    @property
    def kept_bytes(self) -> int:
        """Size of what is left of that at the end."""
        removed = 0 if self.keeps_parameters else sum(group.parameter_bytes for group in self.groups)
        return self.disk_bytes - removed

    @property
    def memory_bytes(self) -> int:
        """Memory of the largest cohorts that train at once."""
        largest = max((group.memory_bytes for group in self.groups), default=0)
        return min(self.slots, self.cohorts) * largest


def estimate_sweep(
    plan: Plan, slots: int = 1, timed: bool = False, cores: int | None = None, outcomes: int = 1, pace: float = 1.0
) -> SweepEstimate:
    """Estimate what the runs of a plan take that are still to be trained.

    Args:
        plan: of the sweep.
        slots: cohorts that can train at once.
        timed: rehearse the costliest groups for a few seconds; without it, no time is known, and all are 0.
        cores: that cohorts and what measures them share; one for each slot by default.
        outcomes: that the report judges.
        pace: seconds that a second of price takes on this machine (`machine_pace`), for what is not rehearsed.
    """
    named = plan.runs["role"] == Role.RUN
    named_runs = int(named.sum())
    groups = group_new_runs(plan)
    estimates = []
    for group, fields in zip(groups, distinguishing_fields(groups), strict=True):
        estimates.append(_estimate_group(plan, group, fields))
    if timed:
        estimates = _timed(plan.record, estimates, groups, pace)
    costliest_first = sorted(estimates, key=lambda group: (-group.seconds, -group.flops))
    data_sets = {group.example.data.name for group in groups} & data.READERS.keys()
    to_fetch = sorted(name for name in data_sets if not data.is_present(name))
    new_parents = plan.is_new & ~named
    is_repeated = plan.configurations.is_repeated.repeat(len(plan.replicates.numbers))
    new_cohorts = plan.cohorts[plan.cohorts["new"]]
    old_runs = int((named & ~plan.is_new).sum())
    return SweepEstimate(
        name=plan.name,
        runs=named_runs,
        configurations=plan.configurations.named,
        replicates=plan.replicates,
        parents=int(new_parents.sum()),
        repeated=int((new_parents & is_repeated).sum()),
        known=old_runs,
        slots=slots,
        cores=cores or slots,
        groups=tuple(costliest_first),
        waits_for=dict(zip(new_cohorts["cohort_id"], new_cohorts["waits_for"], strict=True)),
        keeps_parameters=plan.record.keep_parameters,
        report_seconds=pace * sweep_report_seconds(plan.record, named_runs, outcomes) if timed else 0.0,
        pace=pace,
        to_fetch=tuple(to_fetch),
    )


def sweep_report_seconds(record: RecordConfig, runs: int, outcomes: int) -> float:
    """Return the price of the report on so many runs of a sweep, with verdicts on so many outcomes."""
    from benevolent.orchestrator.estimates.detectable import predictors_of  # with all that judges

    return report_seconds(runs, len(predictors_of(record)), outcomes)


def _estimate_group(plan: Plan, group: RunGroup, fields: tuple[str, ...]) -> GroupEstimate:
    example = group.example
    cost = network_cost(example)
    largest = group.largest_cohort
    memory = cost.stack_bytes(largest, example.optimizer)
    memory += largest_input_bytes(group.set_bytes, largest)
    memory += cost.subspace_bytes(example.subspace, min(largest, group.seeds))
    records = 0
    networks = 0
    flops = 0
    for config, runs in group.members:
        recorded = len(recorded_places(config, plan.record))
        records += runs * recorded
        places = recorded if plan.record.keeps_checkpoints else len(config.phases)
        networks += runs * (1 + places)  # one at the start
        flops += runs * training_flops(config)
    phases = " + ".join(phase.name for phase in example.phases)
    return GroupEstimate(
        network=_network_text(example.model),
        phases=phases,
        distinguishing_fields=fields,
        runs=sum(group.cohorts.values()),
        cohort_sizes=group.cohorts,
        cohort_size=largest,
        parameters=cost.parameters,
        memory_bytes=memory,
        disk_bytes=cost.parameter_bytes(networks) + table_bytes(records),
        parameter_bytes=cost.parameter_bytes(networks),
        flops=flops,
        seconds=0.0,
        usual_share=usual_share(example),
        measuring_seconds=0.0,
    )


def _timed(
    record: RecordConfig, estimates: Sequence[GroupEstimate], groups: Sequence[RunGroup], pace: float
) -> list[GroupEstimate]:
    """Return the groups with their time: the costliest as rehearsed, the others by their arithmetic."""
    costliest_first = sorted(zip(estimates, groups, strict=True), key=lambda pair: -pair[0].flops)
    timed = []
    rehearsed: dict[tuple[str, int], RunTime] = {}
    seconds_per_flop = 0.0
    slowness = pace
    for position, (estimate, group) in enumerate(costliest_first):
        flops = max(1, estimate.flops)
        if position < REHEARSED:
            runs = group.largest_cohort
            key = (rehearsal_key(group.example), runs)
            if key not in rehearsed:
                rehearsed[key] = rehearse(group.example, runs, record)
            seconds_per_flop = _seconds(record, group, rehearsed[key]) / flops
            slowness = _slowness(group.example, rehearsed[key], pace)
        measuring = _measuring_seconds(record, group, slowness, pace)
        timed.append(replace(estimate, seconds=seconds_per_flop * flops, measuring_seconds=measuring))
    return timed


def _slowness(config: RunConfig, run_time: RunTime, pace: float) -> float:
    """Return how long an epoch takes, relative to its price; `pace` where what was rehearsed is no epoch."""
    return pace if config.solved else run_time.epoch / epoch_seconds(config)


def _measuring_seconds(record: RecordConfig, group: RunGroup, slowness: float, pace: float) -> float:
    """Return the seconds of measuring all runs of a group: its passes over examples are as slow as its training."""
    seconds = 0.0
    for config, runs in group.members:
        passes = measuring_epochs(config, record) * epoch_seconds(config) * slowness
        seconds += runs * (measuring_seconds(config, record) * pace + passes)
    return seconds


def _seconds(record: RecordConfig, group: RunGroup, run_time: RunTime) -> float:
    """Return the seconds of all runs of a group."""
    seconds = 0.0
    for config, runs in group.members:
        epochs = sum(phase_limits(config).values())
        seconds += runs * run_time.seconds(epochs, len(recorded_places(config, record)))
    return seconds


def _network_text(model: Section) -> str:
    """Return the family of a network, and the fields that differ from their defaults."""
    fields = model.model_dump(exclude_defaults=True, exclude={"family"})
    family = model.model_dump(include={"family"})["family"]
    return " ".join([family, *(f"{name}={value}" for name, value in fields.items())])
