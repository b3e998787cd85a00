"""Prices of the parts of a sweep on one quiet core of one machine, before any of it is measured.

Other machines take other times: `machine_pace` says how much longer this one takes, and a sweep that runs corrects it.

`benchmarks/prices.py` measures them, at the sizes of the quickstart; its print is `benchmarks/results/prices.txt`.
"""

from collections.abc import Sequence

from benevolent.analysis.measures.selection import select
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.orchestrator.training.time_left import CohortWork
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunSections
from benevolent.trainables.store.manifest import Manifest

#: Of the work by which `machine_pace` compares machines.
SECONDS_PER_PROBE = 7.8e-3
#: Until the first step: start of Ray, its workers and their imports (`benchmarks/results/start_up.txt`).
STARTUP_SECONDS = 4.7
#: Of that, from the plan to the first report of training, which comes a second after the first step.
SECONDS_TO_FIRST_REPORT = 2.6
#: Of the start of a process that measures, and its imports.
SECONDS_PER_ACTOR = 1.8
#: Part of its limit that a phase is taken to train if it can end before, until some runs have ended: an assumption.
USUAL_SHARE = 0.5
#: Of a step of one network in a stack, and of arithmetic in training.
SECONDS_PER_STEP = 5.2e-6
SECONDS_PER_FLOP = 1.6e-11
#: Of what is recorded of a run at one place, besides the arithmetic of a pass over its held-out examples.
SECONDS_PER_RECORD = 3.0e-4
#: Of one measure of one network, besides a pass over its training examples, which takes a part of an epoch.
SECONDS_PER_MEASURE = 2.4e-4
EPOCHS_PER_MEASURE = 1 / 4
#: Of a report: in any case, for each predictor, and in addition for each run.
SECONDS_PER_REPORT = 2.2
SECONDS_PER_PREDICTOR = 0.044
SECONDS_PER_PREDICTOR_AND_RUN = 6.0e-5
#: What the predictors take again for each further outcome that is judged, as a part of that.
SHARE_PER_OUTCOME = 0.28


def report_seconds(runs: int, predictors: int, outcomes: int = 1) -> float:
    """Return the price of judging and of the report.

    Args:
        runs: that are judged.
        predictors: that are judged together.
        outcomes: that they are judged for; all others are described in any case.

    >>> round(report_seconds(480, 77)), round(report_seconds(480, 77, outcomes=4))
    (8, 13)
    """
    each = SECONDS_PER_PREDICTOR + SECONDS_PER_PREDICTOR_AND_RUN * runs
    return SECONDS_PER_REPORT + predictors * each * (1 + SHARE_PER_OUTCOME * (outcomes - 1))


def epoch_seconds(config: RunSections) -> float:
    """Return the price of an epoch of one run."""
    return SECONDS_PER_STEP * config.steps_per_epoch + SECONDS_PER_FLOP * network_cost(config).epoch_flops()


def record_seconds(config: RunSections) -> float:
    """Return the price of what is recorded of one run at one place."""
    held_out = config.data.validation_size + config.data.test_size
    return SECONDS_PER_RECORD + SECONDS_PER_FLOP * network_cost(config).flops * held_out


def phase_limits(config: RunSections) -> dict[str, int]:
    """Return the epochs of each phase at most, by its name, in order; the last one may be cut short."""
    limits = {}
    for phase in config.phases:
        limits[phase.name] = phase.max_epochs
        if phase.max_steps is not None:
            limits[phase.name] = min(phase.max_epochs, -(-phase.max_steps // config.steps_per_epoch))
    return limits


def recorded_places(config: RunSections, record: RecordConfig) -> list[float]:
    """Return where a run is recorded that trains to its limits, in epochs since its start, in order."""
    places: list[float] = []
    begin = 0
    for limit in phase_limits(config).values():
        places += [begin + epoch for epoch in record.epochs_until(limit)]
        places += [begin + min(limit, step / config.steps_per_epoch) for step in record.steps]
        begin += limit
    return sorted(places)


def measured_places(config: RunSections, record: RecordConfig) -> int:
    """Return at how many places of a run its network is measured, if it trains to its limit."""
    if not record.keeps_checkpoints:
        return 1
    return len(recorded_places(config, record))


def measuring_seconds(config: RunSections, record: RecordConfig) -> float:
    """Return the price of measuring one run's networks, besides passes over the training examples."""
    return SECONDS_PER_MEASURE * len(select(record.names)) * measured_places(config, record)


def measuring_epochs(config: RunSections, record: RecordConfig) -> float:
    """Return how many epochs of one run take as long as these passes."""
    return EPOCHS_PER_MEASURE * len(select(record.names)) * measured_places(config, record)


def cohort_works(cohorts: Sequence[Manifest], record: RecordConfig) -> dict[str, CohortWork]:
    """Return the work of cohorts, by their ids; runs of a cohort cost the same, but for their limits."""
    works = {}
    for cohort in cohorts:
        run = cohort.stored_runs[cohort.run_ids[0]]
        works[cohort.cohort_id] = CohortWork(
            runs=len(cohort.runs),
            limits=phase_limits(run),
            epoch_price=epoch_seconds(run),
            record_price=record_seconds(run),
            recorded=recorded_places(run, record),
            measuring_price=measuring_seconds(run, record),
            measuring_epochs=measuring_epochs(run, record),
            places=measured_places(run, record),
            waits_for=cohort.waits_for,
            usual_share=usual_share(run),
        )
    return works


def usual_share(config: RunSections) -> float:
    """Return the part of its limit that a run is taken to train; 1 if it cannot end before."""
    limits = phase_limits(config)
    usual = sum(limits[phase.name] * (USUAL_SHARE if phase.has_target else 1.0) for phase in config.phases)
    return usual / max(1, sum(limits.values()))
