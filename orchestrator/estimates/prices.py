"""Prices of the parts of a sweep on one quiet core of one machine, before any of it is measured.

Other machines take other times: a sweep that runs corrects them.

`benchmarks/prices.py` measures them, at the sizes of the quickstart; its print is `benchmarks/results/prices.txt`.
"""

from collections.abc import Sequence

from benevolent.analysis.measures.selection import select
from benevolent.orchestrator.plan.network_cost import network_cost
from benevolent.orchestrator.training.time_left import CohortWork
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunSections
from benevolent.trainables.store.manifest import Manifest

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
#: Of one measure of one network, and in addition for the arithmetic of a pass over its training examples.
SECONDS_PER_MEASURE = 2.6e-4
SECONDS_PER_MEASURED_FLOP = 1.5e-11
#: Of a report: in any case, for each predictor, and in addition for each run.
SECONDS_PER_REPORT = 2.2
SECONDS_PER_PREDICTOR = 0.044
SECONDS_PER_PREDICTOR_AND_RUN = 6.0e-5
#: What the predictors take again for each further outcome that is judged, as a part of that.
SHARE_PER_OUTCOME = 0.28


def measuring_seconds(networks: int, measures: int, flops: int) -> float:
    """Return the price of measuring.

    Args:
        networks: that are measured.
        measures: of each.
        flops: of a forward pass of one network over its training examples.
    """
    return networks * measures * (SECONDS_PER_MEASURE + SECONDS_PER_MEASURED_FLOP * flops)


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


def measured_places(config: RunSections, record: RecordConfig) -> int:
    """Return at how many places of a run its network is measured, if it trains to its limit."""
    if not record.keeps_checkpoints:
        return 1
    return sum(len(record.epochs_until(phase.max_epochs)) + len(record.steps) for phase in config.phases)


def run_measuring_seconds(config: RunSections, record: RecordConfig) -> float:
    """Return the price of measuring one run's networks."""
    cost = network_cost(config)
    measures = len(select(record.names))
    return measuring_seconds(measured_places(config, record), measures, cost.flops * cost.seen_size)


def cohort_works(cohorts: Sequence[Manifest], record: RecordConfig) -> dict[str, CohortWork]:
    """Return the work of cohorts, by their ids; runs of a cohort cost the same, but for their limits."""
    works = {}
    for cohort in cohorts:
        run = cohort.stored_runs[cohort.run_ids[0]]
        works[cohort.cohort_id] = CohortWork(
            runs=len(cohort.runs),
            limits={phase.name: phase.max_epochs for phase in run.phases},
            epoch_price=epoch_seconds(run),
            measuring_price=run_measuring_seconds(run, record),
            places=measured_places(run, record),
            waits_for=cohort.waits_for,
            usual_share=usual_share(run),
        )
    return works


def usual_share(config: RunSections) -> float:
    """Return the part of its limit that a run is taken to train; 1 if it cannot end before."""
    limit = usual = 0.0
    for phase in config.phases:
        limit += phase.max_epochs
        usual += phase.max_epochs * (USUAL_SHARE if phase.has_target else 1.0)
    return usual / max(1.0, limit)
