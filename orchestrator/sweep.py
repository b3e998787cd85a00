"""A sweep from its spec to its report: the work of `bth run` and `bth measure`.

    spec -> planned cohorts -> manifests -> Ray Tune trains cohorts, actors measure what appears -> verdicts, report

Every step looks at what the folder holds and does what is missing, so the same command continues after any stop.
"""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import check_trust
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep, sweep_report_seconds
from benevolent.orchestrator.lease import check_free, held
from benevolent.orchestrator.measure_folders import measure_folders
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.rebuilt_plan import damaged_descriptions, discard
from benevolent.orchestrator.removed_parameters import (
    remove_superseded,
    removed_but_needed,
    train_again,
    unrequested_cohorts,
)
from benevolent.orchestrator.repair import discard_damaged
from benevolent.orchestrator.results_folder import (
    ExistingCohorts,
    check_disk,
    prepare,
    read_from,
)
from benevolent.orchestrator.spec.names import check_names
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.orchestrator.stored_spec import check_folder, read_spec, spec_text
from benevolent.orchestrator.train_and_measure import TrainingSummary, train_and_measure
from benevolent.orchestrator.training import dataset_broadcast
from benevolent.orchestrator.training.machines import autoscales
from benevolent.orchestrator.training.placement import place_work
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.orchestrator.training.shared_folder import check_shared
from benevolent.trainables.errors import BadInput, located_in
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import check_files
from benevolent.trainables.store.manifest import Manifest

if TYPE_CHECKING:
    from benevolent.analysis.judging.verdicts import Verdicts


@dataclass(frozen=True)
class SweepResult:
    """Result of one `bth run`.

    Attributes:
        verdicts: one for each target and set of runs.
        trained: runs that finished in this invocation.
        measured: files of parameters that were measured in this invocation.
        failures: a line about each cohort or measure that failed.
        report: path of the page.
    """

    verdicts: "list[Verdicts]"
    trained: int
    measured: int
    failures: list[str]
    report: str


def run_sweep(spec: SweepSpec, out: str, console: Console, address: str | None = None) -> SweepResult:
    """Train and measure what is missing, judge, and write the report; arguments as in `train_sweep`."""
    results = Folder(out)
    with _trained(spec, results, console, address, reports=True) as summary:
        from benevolent.orchestrator.reporting import report  # with statistics and figures, which training does without

        verdicts = report(results, spec, console=console)
    return SweepResult(
        verdicts=verdicts,
        trained=summary.runs,
        measured=summary.measured,
        failures=summary.failures,
        report=posixpath.join(results.uri, paths.REPORT_PAGE),
    )


def train_sweep(spec: SweepSpec, out: str, console: Console, address: str | None = None) -> TrainingSummary:
    """Train and measure what is missing.

    Everything that can be refused is refused before a file is written.

    Args:
        spec: the sweep; modules that it names are imported.
        out: the results folder, new or one of the same sweep.
        console: for progress.
        address: of a Ray cluster; None to start one on this machine if there is work, and to stop it again.

    Raises:
        BadInput: the spec cannot be trained, the folder cannot be used, or another command is at work in it.
    """
    with _trained(spec, Folder(out), console, address) as summary:
        return summary


@contextmanager
def _trained(
    spec: SweepSpec, results: Folder, console: Console, address: str | None, reports: bool = False
) -> Iterator[TrainingSummary]:
    """Train and measure what is missing, and hold the lease of the results folder until the end of the context.

    Args:
        spec: as in `train_sweep`, as are `console` and `address`.
        results: the results folder.
        console: for progress.
        address: of a Ray cluster.
        reports: a report follows; the time left that is shown includes it.
    """
    check_free(results)
    check_folder(results, spec)
    with located_in(f"sweep {spec.name}"):
        check_names(spec.record, spec.judging)
    discard_damaged(results, spec.record.keeps_checkpoints and bool(spec.record.names), console)
    with ray_cluster(address) if address else nullcontext():
        seen = _cohorts_and_plans(results)
        existing = ExistingCohorts.read(results, spec.record.while_training)
        with located_in(f"sweep {spec.name}"):
            slots = place_work(spec.resources, address).cohorts
            plan = expand(spec, existing.runs, slots)
        damaged = damaged_descriptions(results, existing, plan)
        if address and results.local:
            check_shared(Path(results.root), autoscales())
        check_disk(results, estimate_sweep(plan, slots).disk_bytes)
        dataset_broadcast.fetch_missing(plan.new_data_sets, console)
        with held(results, "bth run", console):
            if _cohorts_and_plans(results) != seen:
                raise BadInput(f"{results.uri}: another command has worked in it meanwhile; start this one again")
            discard(results, damaged, console)
            removed = removed_but_needed(results, existing, plan)
            train_again(results, removed, console)
            new = prepare(results, spec_text(spec), plan)
            existing = existing.without_ends_in(removed).with_new(new)
            todo, done = existing.wanted(plan)
            after = sweep_report_seconds(spec.record, len(plan.runs), len(spec.judging.outcomes)) if reports else 0.0
            others = []
            if not spec.record.keep_parameters:
                others = unrequested_cohorts(results, existing, todo, done)
            summary = train_and_measure(
                results,
                spec.record,
                spec.resources,
                todo,
                done,
                console,
                address,
                seconds_after=after,
                unrequested=others,
            )
            remove_superseded(results, existing, todo, spec.record.keep_parameters)
            yield summary


def _cohorts_and_plans(results: Folder) -> list[list[str]]:
    """Return the names of cohorts and of plans: if they change, another command has planned meanwhile."""
    return [results.names(paths.COHORTS), results.names(paths.PLAN)]


def prepare_anew(results: Folder, spec: SweepSpec, slots: int = 1) -> tuple[list[Manifest], list[str]]:
    """Plan a sweep for what a results folder holds, and make the folder ready; return as `ExistingCohorts.wanted`.

    For whoever trains without Ray, such as tests and benchmarks; disk space and data sets are not looked at.
    """
    existing = ExistingCohorts.read(results, spec.record.while_training)
    plan = expand(spec, existing.runs, slots)
    return existing.with_new(prepare(results, spec_text(spec), plan)).wanted(plan)


def measure_folder(where: str, measures: list[str] | None, checkpoints: bool, console: Console, trust: bool) -> int:
    """Measure the networks in a results folder that lack measures; return how many files were measured.

    Args:
        where: the results folder.
        measures: names, as `analysis.measures.selection.select` takes them; None for the default set.
        checkpoints: measure at every checkpoint, not only at each run's end.
        console: for progress.
        trust: allow modules that the results name to be imported.

    Raises:
        BadInput: an unknown measure, a folder without results or with a damaged file, modules that the results name
            without `trust`, or a measure that failed.
    """
    results = Folder(where)
    spec = read_spec(results)
    check_files(results)
    select(measures, "--measures")
    for cohort_id in read_from(results):
        for run in Manifest.read(results, cohort_id).stored_runs.values():
            check_trust(run, trust)
    record = spec.record.model_copy(update={"measures": measures or "default"})
    at_checkpoints = checkpoints or record.measure_at == "checkpoints"
    summary = measure_folders([results], record.names, at_checkpoints, spec.resources, console, trust=trust)
    if summary.failures:
        raise BadInput("\n".join(summary.failures))
    return summary.measured
