"""Measuring of networks that are already trained: by `bth measure`, and for a study that reads the runs of others."""

from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from benevolent.analysis.formatting import quantity
from benevolent.analysis.measures.missing_measures import ExistingMeasures, MeasureJob, missing_jobs
from benevolent.analysis.planned_runs import first_replicates
from benevolent.orchestrator.lease import held
from benevolent.orchestrator.removed_parameters import say_what_stays_missing
from benevolent.orchestrator.results_folder import read_from
from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.train_and_measure import POLL_SECONDS, TrainingSummary
from benevolent.orchestrator.training import dataset_broadcast
from benevolent.orchestrator.training.placement import place_work
from benevolent.orchestrator.training.progress import ProgressDisplay
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest


def measure_folders(
    folders: Sequence[Folder],
    measures: Sequence[str],
    checkpoints: bool,
    resources: ResourcesConfig,
    console: Console,
    address: str | None = None,
    trust: bool = False,
    most_replicates: int | None = None,
) -> TrainingSummary:
    """Measure the networks in results folders that lack measures; one set of actors works for all of them.

    Args:
        folders: the results folders.
        measures: names, as `analysis.measures.selection.select` takes them.
        checkpoints: measure at every checkpoint, not only at each run's end.
        resources: of an actor that measures.
        console: for progress.
        address: of a Ray cluster; None for this machine.
        trust: allow modules that the results name to be imported.
        most_replicates: measure only the first replicates of every configuration that an axis names; None for all runs.

    Raises:
        BadInput: a data set cannot be fetched, a file is damaged, or another command is at work in a folder.
    """
    jobs: list[tuple[ExistingMeasures, MeasureJob]] = []
    for folder in folders:
        run_ids = None if most_replicates is None else first_replicates(folder, most_replicates)
        existing = ExistingMeasures(folder)
        cohort_ids = read_from(folder)
        for job in missing_jobs(existing, cohort_ids, measures, checkpoints, run_ids):
            jobs.append((existing, job))
        say_what_stays_missing(existing, cohort_ids, measures, console)
    if not jobs:
        console.print("up to date: nothing to measure")
        return TrainingSummary(0, 0, [])
    console.print(f"measuring {quantity(len(jobs), 'existing file')}")
    data_sets = {Manifest.read(existing.results, job.cohort_id).data.name for existing, job in jobs}
    dataset_broadcast.fetch_missing(data_sets, console)
    with ExitStack() as stack:
        for existing in dict(jobs):
            stack.enter_context(held(existing.results, "bth measure", console))
        stack.enter_context(ray_cluster(address))
        from benevolent.orchestrator.measuring.measure_pool import MeasurePool  # after Ray's settings, as all of Ray

        display = stack.enter_context(ProgressDisplay(console, 0, 0))
        references = dataset_broadcast.broadcast(data_sets) if address else {}
        pool = MeasurePool(place_work(resources, address, training=False), trust, references)
        for existing, job in jobs:
            pool.submit(existing, job)
        while pool.busy:
            pool.poll(POLL_SECONDS)
            display.measured = pool.done
            display.to_measure = pool.submitted
            display.tick()
    return TrainingSummary(0, pool.done, pool.errors)
