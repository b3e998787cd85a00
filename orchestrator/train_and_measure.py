"""Training of cohorts, and measuring of their parameters as the files appear."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from benevolent.analysis.formatting import quantity
from benevolent.analysis.measures.missing_measures import ExistingMeasures, MeasureJob, missing_jobs
from benevolent.orchestrator.estimates.machine_pace import machine_pace
from benevolent.orchestrator.estimates.prices import SECONDS_PER_ACTOR, SECONDS_TO_FIRST_REPORT, cohort_works
from benevolent.orchestrator.removed_parameters import ParameterRemoval, say_what_stays_missing
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.training import dataset_broadcast
from benevolent.orchestrator.training.placement import describe_wait, place_work, workers_of
from benevolent.orchestrator.training.progress import ProgressDisplay
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.orchestrator.training.time_left import TimeLeft
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, finished_runs

if TYPE_CHECKING:  # Ray takes seconds to import, and is needed only where there is work
    from benevolent.orchestrator.measuring.measure_pool import MeasurePool

#: Seconds to wait for a measure when nothing trains any more.
POLL_SECONDS = 0.2
#: Seconds without a cohort that trains after which the display says what is waited for, and between two such looks.
SECONDS_TO_SAY_WHY = 10.0


class TrainingSummary(NamedTuple):
    """Runs that finished and files that were measured in one invocation, with a line about each failure."""

    runs: int
    measured: int
    failures: list[str]


def train_and_measure(
    results: Folder,
    record: RecordConfig,
    resources: ResourcesConfig,
    todo: Sequence[Manifest],
    done: Sequence[str],
    console: Console,
    address: str | None = None,
    trust: bool = True,
    seconds_after: float = 0.0,
    unrequested: Sequence[Manifest] = (),
) -> TrainingSummary:
    """Train cohorts; measure their parameters, and those of finished cohorts that lack measures.

    Args:
        results: the results folder, with the manifests of the cohorts.
        record: says what to measure.
        resources: of a cohort, and of an actor that measures.
        todo: the cohorts to train, in the order to start them.
        done: ids of finished cohorts, to be measured where they were not.
        console: for progress.
        address: of a Ray cluster; None for this machine.
        trust: allow modules that the results name to be imported.
        seconds_after: the price of what the command does afterwards, for the time left that is shown.
        unrequested: other cohorts, which may be trained or measured later.

    Raises:
        BadInput: a data set cannot be fetched, or no machine has room for a cohort.
    """
    measures = record.names
    checkpoints = record.measure_at == "checkpoints"
    existing = ExistingMeasures(results)
    jobs = missing_jobs(existing, done, measures, checkpoints)
    say_what_stays_missing(existing, done, measures, console)
    if not todo and not jobs:
        if not record.keep_parameters:
            ParameterRemoval(existing, unrequested, done, lambda cohort_id: ()).remove()
        console.print("up to date: nothing to train or measure")
        return TrainingSummary(0, 0, [])

    finished_before = {cohort.cohort_id: len(set(finished_runs(results, cohort.cohort_id))) for cohort in todo}
    runs = sum(len(cohort.runs) for cohort in todo)
    console.print(_announcement(runs, len(todo), sum(finished_before.values()), len(jobs)))
    unfinished = [*todo, *_cohorts_of(results, jobs)]
    data_sets = {cohort.data.name for cohort in unfinished}
    dataset_broadcast.fetch_missing(data_sets, console)

    with ExitStack() as stack:
        stack.enter_context(ray_cluster(address))
        placement = place_work(resources, address, bool(todo))
        left = None
        if todo:
            left = TimeLeft(
                cohort_works(todo, record),
                workers_of(placement, address),
                time.monotonic,
                finished_before,
                start_price=0.0 if address else SECONDS_TO_FIRST_REPORT,  # a cluster may still add machines
                actor_price=SECONDS_PER_ACTOR,
                seconds_after=seconds_after,
                machine_pace=1.0 if address else machine_pace(),  # other machines than this one
            )
        display = stack.enter_context(ProgressDisplay(console, runs, len(todo), finished_before, left))
        display.tick()
        from benevolent.orchestrator.measuring.measure_pool import MeasurePool  # after Ray's settings, as all of Ray
        from benevolent.orchestrator.training.ray_tune import train_cohorts

        references = dataset_broadcast.broadcast(data_sets) if address else {}
        pool = MeasurePool(placement, trust, references)
        for job in jobs:
            pool.submit(existing, job)
        removal = None
        if not record.keep_parameters:
            removal = ParameterRemoval(existing, [*unfinished, *unrequested], done, pool.measured_files)
        measuring = _MeasuringWhileTraining(existing, pool, display, measures, checkpoints, resources, address, removal)
        failed: Mapping[str, str] = {}
        if todo:
            finished = set(cohort_ids(results)) - {cohort.cohort_id for cohort in todo}
            failed = train_cohorts(
                results,
                todo,
                finished,
                resources,
                record.save_every_seconds,
                measuring.on_progress,
                measuring.on_tick,
                display.note,
                references,
            )
        trained = [cohort.cohort_id for cohort in todo]
        for job in missing_jobs(existing, trained, measures, checkpoints):  # of cohorts that reported no more
            pool.submit(existing, job)
        while pool.busy:
            measuring.work(POLL_SECONDS)
        measuring.remove_the_rest([cohort.cohort_id for cohort in todo if cohort.finished(results)])
        results.delete_unfinished(paths.MEASURES)  # that an actor which was killed has left
    return TrainingSummary(display.runs_trained, pool.done, _training_failures(results, todo, failed) + pool.errors)


class _MeasuringWhileTraining:
    """Callbacks of Ray Tune that submit files of parameters as they appear, and update the display."""

    def __init__(
        self,
        existing: ExistingMeasures,
        pool: "MeasurePool",
        display: ProgressDisplay,
        measures: Sequence[str],
        checkpoints: bool,
        resources: ResourcesConfig,
        address: str | None,
        removal: ParameterRemoval | None,
    ) -> None:
        self.existing = existing
        self.resources = resources
        self.address = address
        self.trained_last = time.monotonic()
        self.looked_last = self.trained_last
        self.pool = pool
        self.display = display
        self.measures = measures
        self.checkpoints = checkpoints
        self.removal = removal

    def on_progress(self, cohort_id: str, progress: dict[str, Any]) -> None:
        """Show the progress of a cohort, and submit the files that it has written."""
        self.display.update(cohort_id, progress)
        for warning in progress["warnings"]:
            self.display.console.print(warning, soft_wrap=True, highlight=False, markup=False)
        for file in progress["parameter_files"]:
            if self.checkpoints or paths.is_final(file):
                self.pool.submit(self.existing, self.existing.missing(cohort_id, file, self.measures))
        if progress["done"] and self.removal is not None:
            self.removal.on_done(cohort_id)

    def on_tick(self, training: bool) -> None:
        """Let the pool work, and say what is waited for if nothing has trained for a while."""
        now = time.monotonic()
        if training:
            self.trained_last = now
            self.display.waiting = ""
        elif min(now - self.trained_last, now - self.looked_last) > SECONDS_TO_SAY_WHY:
            self.looked_last = now
            self.display.waiting = describe_wait(self.resources.decided(), self.address)
        self.work()

    def remove_the_rest(self, finished: Sequence[str]) -> None:
        """Remove the parameters of cohorts whose end was not reported, such as one whose last report was lost."""
        if self.removal is None:
            return
        for cohort_id in finished:
            self.removal.on_done(cohort_id)
        self.removal.remove()

    def work(self, timeout: float = 0) -> None:
        """Let the pool work, and show its counts."""
        self.pool.poll(timeout)
        if self.removal is not None:
            self.removal.remove()
        if self.display.estimate is not None:
            for cohort_id, networks in self.pool.take_measured():
                self.display.estimate.measured(cohort_id, networks)
            networks_per_file = self.display.runs_trained / max(1, self.pool.submitted)
            self.display.estimate.measuring(self.pool.running, self.pool.running * networks_per_file)
        self.display.measured = self.pool.done
        self.display.to_measure = self.pool.submitted
        self.display.tick()


def _announcement(runs: int, cohorts: int, finished_before: int, files: int) -> str:
    """Return the line that is printed before the work begins.

    >>> _announcement(8, 2, 3, 0)
    'training 5 runs in 2 cohorts (3 runs already finished)'
    >>> _announcement(0, 0, 0, 4)
    'measuring 4 existing files'
    """
    parts = []
    if cohorts:
        already = f" ({quantity(finished_before, 'run')} already finished)" if finished_before else ""
        parts.append(f"training {quantity(runs - finished_before, 'run')} in {quantity(cohorts, 'cohort')}{already}")
    if files:
        parts.append(f"measuring {quantity(files, 'existing file')}")
    return "; ".join(parts)


def _cohorts_of(results: Folder, jobs: Sequence[MeasureJob]) -> list[Manifest]:
    names = dict.fromkeys(job.cohort_id for job in jobs)
    return [Manifest.read(results, name) for name in names]


def _training_failures(results: Folder, cohorts: Sequence[Manifest], failed: Mapping[str, str]) -> list[str]:
    """Return a line for each cohort that has not finished; `failed` says why it is not tried again."""
    lines = []
    for cohort in cohorts:
        if not cohort.finished(results):
            reason = CohortFiles(results, cohort.cohort_id).why_failed or failed.get(cohort.cohort_id, "unknown")
            lines.append(f"cohort {cohort.cohort_id} did not finish: {reason}")
    return lines
