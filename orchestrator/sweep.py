"""A sweep from its spec to its report: what `bth run` does.

    spec -> planned cohorts -> manifests -> Ray Tune trains cohorts, actors measure what lands -> verdicts, report

Every step looks at what is in the folder and does what is missing, so the same command goes on after any stop.
"""

import posixpath
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

from rich.console import Console

from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.measures.on_checkpoints import ExistingMeasures
from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import check_trust
from benevolent.orchestrator.plan.planning import plan
from benevolent.orchestrator.reporting import report
from benevolent.orchestrator.results_folder import check_disk, check_folder, held, prepare, read_from, read_spec, wanted
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.training import dataset_broadcast
from benevolent.orchestrator.training.placement import place_work
from benevolent.orchestrator.training.progress import ProgressDisplay
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import check_files
from benevolent.trainables.store.manifest import Manifest, finished_runs, read_cohorts


class TrainingSummary(NamedTuple):
    """How many runs have ended here, how many files were measured, and a line about each failure."""

    runs: int
    measured: int
    failures: list[str]


@dataclass(frozen=True)
class SweepResult:
    """What a run of a sweep came to."""

    verdicts: list[Verdicts]
    trained: int
    measured: int
    failures: list[str]
    report: str


def run_sweep(spec: SweepSpec, out: str, console: Console, address: str | None = None) -> SweepResult:
    """Train what is missing, measure what is missing, judge, and write the report; as `train_sweep`."""
    trained, results = train_sweep(spec, out, console, address), Folder(out)
    return SweepResult(report(results, spec), *trained, posixpath.join(results.uri, paths.REPORT_PAGE))


def train_sweep(spec: SweepSpec, out: str, console: Console, address: str | None = None) -> TrainingSummary:
    """Train what is missing, and measure what is missing.

    Args:
        spec: the sweep; modules that it names are imported.
        out: the results folder, new or one of the same sweep.
        console: for progress.
        address: of a Ray cluster; by default one is started on this machine, if there is work, and ended.

    Raises:
        BadInput: the spec cannot be trained, or the folder cannot be used.
    """
    results = Folder(out)
    check_folder(results, spec)
    check_files(results)
    select(spec.record.names)
    with ray_cluster(address) if address else nullcontext():
        slots = place_work(spec.resources, address).cohorts
        known, records = held(results, spec)
        planned = plan(spec, known, slots, records=records)
        check_disk(results, spec, known, slots)
        dataset_broadcast.fetch_missing(planned, console)
        prepare(results, spec, planned)
        todo, done = wanted(results, spec)
        return train_and_measure(results, spec, todo, done, console, address)


def train_and_measure(
    results: Folder,
    spec: SweepSpec,
    todo: Sequence[Manifest],
    done: Sequence[str],
    console: Console,
    address: str | None = None,
    trust: bool = True,
) -> TrainingSummary:
    """Train cohorts, and measure what lands and what is there unmeasured.

    Args:
        results: the results folder, with the manifests of the cohorts.
        spec: says what to measure, and what a cohort takes of the machine.
        todo: the cohorts to train, in the order to start them.
        done: the ids of the cohorts that have ended and are to be measured, where that was not done.
        console: for progress.
        address: of a Ray cluster, or None for this machine.
        trust: whether modules that the results name are imported.
    """
    from benevolent.orchestrator.measuring.measure_pool import MeasurePool, unmeasured

    measures, checkpoints = spec.record.names, spec.record.measure_at == "checkpoints"
    measured = ExistingMeasures(results)
    missing = unmeasured(measured, done, measures, checkpoints)
    runs = sum(len(cohort.configs) for cohort in todo)
    if not todo and not missing:
        console.print("everything is there: nothing to train, nothing to measure")
        return TrainingSummary(0, 0, [])
    before = {cohort.cohort_id: len({*finished_runs(results, cohort.cohort_id)}) for cohort in todo}
    ended = sum(before.values())
    console.print(
        f"training {runs - ended} runs in {len(todo)} cohorts"
        + (f", of which {ended} runs had ended before" if ended else "")
        + f"; measuring {len(missing)} files that are there"
    )
    with ray_cluster(address), ProgressDisplay(console, runs, len(todo), before) as display:
        from benevolent.orchestrator.training.ray_tune import train_cohorts

        shared = (
            dataset_broadcast.broadcast(read_cohorts(results)[0]) if address else {}
        )  # machines of a cluster may lack the files
        pool = MeasurePool(results, place_work(spec.resources, address, bool(todo)), trust, shared)
        for job in missing:
            pool.submit(job)

        def tick(timeout: float = 0) -> None:
            pool.poll(timeout)
            display.measured, display.to_measure = pool.done, pool.submitted
            display.tick()

        def progress(cohort_id: str, result: dict[str, Any]) -> None:
            display.update(cohort_id, result)
            for name in result["parameter_files"]:
                if checkpoints or paths.is_final(name):
                    pool.submit(measured.missing(cohort_id, name, measures))

        if todo:
            finished = set(cohort_ids(results)) - {cohort.cohort_id for cohort in todo}
            train_cohorts(results, todo, finished, spec.resources, progress, tick, shared)
        for job in unmeasured(measured, [cohort.cohort_id for cohort in todo], measures, checkpoints):
            pool.submit(job)
        while pool.busy:
            tick(0.2)
    failed = [cohort.cohort_id for cohort in todo if not cohort.finished(results)]
    unknown = "its worker died, or what it waits for failed"
    failures = [f"cohort {name} did not end: {CohortFiles(results, name).why_failed or unknown}" for name in failed]
    return TrainingSummary(display.runs_trained, pool.done, failures + pool.errors)


def measure_again(where: str, measures: list[str] | None, checkpoints: bool, console: Console, trust: bool) -> int:
    """Measure what is in a results folder and lacks these measures; how many files that were.

    Raises:
        BadInput: an unknown measure, a folder without results or with a damaged file, or modules of a stranger
            without `trust`.
    """
    results = Folder(where)
    spec = read_spec(results)
    check_files(results)
    select(measures)
    cohorts = read_from(results)
    for cohort_id in cohorts:
        for config in Manifest.read(results, cohort_id).configs:
            check_trust(config, trust)
    at = {"measure_at": "checkpoints"} if checkpoints else {}
    wanted: dict[str, Any] = {"measures": measures or "default"} | at
    spec = spec.model_copy(update={"record": spec.record.model_copy(update=wanted)})
    _, measured, failures = train_and_measure(results, spec, [], cohorts, console, trust=trust)
    if failures:
        raise BadInput("\n".join(failures))
    return measured
