"""Train and measure a sweep in this process, in the order in which Ray would."""

from rich.console import Console

from benevolent.analysis.measures.missing_measures import ExistingMeasures
from benevolent.analysis.measures.on_checkpoints import measure_file
from benevolent.orchestrator.measuring.measure_pool import missing_jobs
from benevolent.orchestrator.results_folder import prepare_anew
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.sweep import TrainingSummary
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.starting import start_training


def train_sweep(
    spec: SweepSpec, out: str, console: Console | None = None, address: str | None = None
) -> TrainingSummary:
    """Train what is missing and measure it, as `orchestrator.sweep.train_sweep` does with Ray."""
    results = Folder(out)
    todo, done = prepare_anew(results, spec)
    for cohort in todo:
        assert start_training(results, cohort.cohort_id, save_every_seconds=1e9).advance(1e9).done
    cohorts = [*done, *(cohort.cohort_id for cohort in todo)]
    jobs = missing_jobs(ExistingMeasures(results), cohorts, spec.record.names, spec.record.measure_at == "checkpoints")
    for job in jobs:
        measure_file(results, job)
    return TrainingSummary(sum(len(cohort.runs) for cohort in todo), len(jobs), [])
