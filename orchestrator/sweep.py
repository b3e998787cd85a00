"""A sweep from its spec to its report: what `bth run` does.

    spec -> planned cohorts -> manifests -> Ray Tune trains cohorts, actors measure what lands -> verdicts, report

Every step looks at what is in the folder and does what is missing, so the same command goes on after any stop.
"""

import os
import posixpath
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from rich.console import Console

from analysis.measures.evaluate import select
from analysis.results import check_trust, load_results
from orchestrator import yaml12
from orchestrator.planning import Cohort, plan, planned_runs
from orchestrator.pricing import price
from orchestrator.progress import Display
from orchestrator.provenance import provenance
from orchestrator.reporting import write_report
from orchestrator.spec import RecordConfig, ResourcesConfig, SweepSpec
from trainables.errors import BadInput
from trainables.manifest import Manifest, Record, known_runs
from trainables.storage import PROVENANCE, REPORT, SPEC, Folder, cohort_ids


@dataclass(frozen=True)
class Done:
    """What a run of a sweep came to."""

    verdicts: list[pd.DataFrame]
    trained: int
    measured: int
    failures: list[str]
    report: str


def run_sweep(spec: SweepSpec, out: str, console: Console, address: str | None = None, trust: bool = True) -> Done:
    """Train what is missing, measure what is missing, judge, and write the report.

    Args:
        spec: the sweep.
        out: the results folder, new or one of the same sweep.
        console: for progress.
        address: of a Ray cluster; by default one is started on this machine, and ended.
        trust: whether modules that the spec names are imported.

    Raises:
        BadInput: the spec cannot be trained, or the folder cannot be used.
    """
    results = Folder(out)
    check_folder(results, spec)
    measures = _measure_names(spec.record)
    select(measures)
    if address is None:
        return _run(spec, results, console, _local_slots(spec.resources), measures, trust, None)
    with _ray(address):
        return _run(spec, results, console, _cluster_slots(spec.resources), measures, trust, address)


def _run(
    spec: SweepSpec,
    results: Folder,
    console: Console,
    slots: int,
    measures: Sequence[str] | None,
    trust: bool,
    address: str | None,
) -> Done:
    planned = plan(spec, known_runs(results), slots)
    check_disk(results, spec, slots)
    prepare(results, spec, planned)
    todo = unfinished(results, spec)
    trained, measured, failures = work(results, spec, todo, console, measures, trust, address)
    console.print("judging ...", style="dim")
    verdicts = write_report(results, spec, load_results(results.uri))
    return Done(verdicts, trained, measured, failures, posixpath.join(results.uri, REPORT, "index.html"))


def check_folder(results: Folder, spec: SweepSpec) -> None:
    """Refuse a folder that holds something else, before anything is written.

    Raises:
        BadInput: the folder holds another sweep, other files, or is no folder.
    """
    if not results.exists():
        return
    if not results.exists(SPEC):
        if results.names():
            raise BadInput(f"--out {results.uri}: holds files but no sweep; give a new or an empty folder")
        return
    old = read_spec(results)
    for field in ("name", "base"):
        if getattr(old, field) != getattr(spec, field):
            raise BadInput(
                f"--out {results.uri}: holds a sweep of another {field} "
                f"({getattr(old, field)!r:.80}, not {getattr(spec, field)!r:.80}); give another folder"
            )


def read_spec(results: Folder) -> SweepSpec:
    """The spec that a results folder was made with.

    Raises:
        BadInput: there is none, or it is damaged.
    """
    where = posixpath.join(results.uri, SPEC)
    if not results.exists(SPEC):
        raise BadInput(f"{results.uri}: holds no sweep (no file {SPEC} in it)")
    try:
        return SweepSpec.parse(yaml12.loads(results.read(SPEC).decode()))
    except (ValueError, BadInput) as error:
        raise BadInput(f"{where}: damaged or not a sweep ({str(error).splitlines()[0]})") from None


def check_disk(results: Folder, spec: SweepSpec, slots: int) -> None:
    """Refuse to start on a disk that is full, or cannot be written to.

    Raises:
        BadInput: there is less space than the sweep will take.
    """
    if not results.local:
        return
    try:
        os.makedirs(results.root, exist_ok=True)
        free = shutil.disk_usage(results.root).free
        if not os.access(results.root, os.W_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise BadInput(f"--out {results.uri}: cannot be written to ({error.strerror or error})") from None
    needed = price(spec, known_runs(results), slots).disk_bytes
    if free < needed:
        raise BadInput(
            f"--out {results.uri}: {free / 1e9:.2f} GB are free, the sweep takes up to {needed / 1e9:.2f} GB"
        )


def prepare(results: Folder, spec: SweepSpec, cohorts: Sequence[Cohort]) -> None:
    """Write the spec, where the results come from, and a manifest for every new cohort."""
    text = yaml12.dumps(spec.model_dump(mode="json"))
    try:
        results.write(SPEC, text.encode())
    except OSError as error:
        raise BadInput(f"--out {results.uri}: cannot be written to ({error.strerror or error})") from None
    if cohorts or not results.exists(PROVENANCE):
        results.write_json(PROVENANCE, provenance(spec))
    record = Record(
        epochs=None if spec.record.epochs == "log" else tuple(spec.record.epochs),
        checkpoints=spec.record.measure_at == "checkpoints",
    )
    for cohort in cohorts:
        Manifest(cohort.cohort_id, cohort.configs, cohort.roles, cohort.waits_for, record).write(results)


def unfinished(results: Folder, spec: SweepSpec) -> list[Cohort]:
    """The cohorts with runs that the spec wants and that have not all ended, in the order to start them."""
    wanted = {run.run_id for run in planned_runs(spec)}
    cohorts = []
    for cohort_id in cohort_ids(results):
        manifest = Manifest.read(results, cohort_id)
        if wanted & set(manifest.run_ids) and not manifest.finished(results):
            cohorts.append(Cohort(cohort_id, manifest.configs, manifest.roles, manifest.waits_for))  # type: ignore[arg-type]
    return sorted(cohorts, key=lambda cohort: (bool(cohort.waits_for), -_cost(cohort), cohort.cohort_id))


def work(
    results: Folder,
    spec: SweepSpec,
    todo: Sequence[Cohort],
    console: Console,
    measures: Sequence[str] | None,
    trust: bool,
    address: str | None,
) -> tuple[int, int, list[str]]:
    """Train and measure what is missing; how many runs were trained, how many files measured, and what failed."""
    from orchestrator.measure_pool import MeasurePool, unmeasured

    checkpoints = spec.record.measure_at == "checkpoints"
    missing = unmeasured(results, cohort_ids(results), measures, checkpoints)
    runs = sum(len(cohort.configs) for cohort in todo)
    if not todo and not missing:
        console.print("everything is there: nothing to train, nothing to measure")
        return 0, 0, []
    console.print(f"training {runs} runs in {len(todo)} cohorts; measuring {len(missing)} files that are there")
    with _ray(address), Display(console, runs, len(todo)) as display:
        from orchestrator.tuning import train_cohorts

        actors, cpus = _measure_actors(spec.resources, address)
        pool = MeasurePool(results, measures, actors, cpus, trust)
        for cohort_id, name in missing:
            pool.submit(cohort_id, name)

        def tick(timeout: float = 0) -> None:
            pool.pump(timeout)
            display.measured, display.to_measure = pool.done, pool.submitted
            display.tick()

        def progress(cohort_id: str, result: dict[str, object]) -> None:
            display.update(cohort_id, result)
            for name in result["parameter_files"]:  # type: ignore[attr-defined]
                if checkpoints or name.startswith("final/"):
                    pool.submit(cohort_id, name)

        if todo:
            finished = set(cohort_ids(results)) - {cohort.cohort_id for cohort in todo}
            train_cohorts(results, todo, finished, spec.resources, progress, tick)
        for cohort_id, name in unmeasured(results, [cohort.cohort_id for cohort in todo], measures, checkpoints):
            pool.submit(cohort_id, name)
        while pool.busy:
            tick(0.2)
    failed = [cohort.cohort_id for cohort in todo if not Manifest.read(results, cohort.cohort_id).finished(results)]
    failures = [f"cohort {name} did not end; `bth status` says why" for name in failed]
    return display.runs_done, pool.done, failures + pool.errors


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """A Ray cluster: the one at `address`, the one that is connected already, or a new one on this machine."""
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    from orchestrator import tuning  # noqa: F401  (its settings must be made before Ray is imported)

    if ray.is_initialized():
        yield
        return
    cpus = None if address else len(os.sched_getaffinity(0))
    options = {} if address else {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": 256 * 2**20}
    ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **options)
    try:
        yield
    finally:
        ray.shutdown()


def _local_slots(resources: ResourcesConfig) -> int:
    import torch

    return _slots(resources, len(os.sched_getaffinity(0)), torch.cuda.device_count(), "this machine")


def _cluster_slots(resources: ResourcesConfig) -> int:
    import ray

    total = ray.cluster_resources()
    return _slots(resources, total.get("CPU", 0), total.get("GPU", 0), "the cluster")


def _slots(resources: ResourcesConfig, cpus: float, gpus: float, where: str) -> int:
    """How many cohorts can train at once; `BadInput` if not even one can."""
    for name, asked, there in (("cpus", resources.cpus, cpus), ("gpus", resources.gpus, gpus)):
        if asked > there:
            raise BadInput(f"resources.{name} = {asked:g}: {where} has {there:g}")
    by_cpu = cpus / resources.cpus
    return max(1, int(min(by_cpu, gpus / resources.gpus) if resources.gpus else by_cpu))


def _measure_actors(resources: ResourcesConfig, address: str | None) -> tuple[int, float]:
    """How many actors measure, and what each takes of Ray's CPUs.

    On one machine they take none, so that neither waits for the other; on a cluster an eighth of the CPUs is theirs,
    where that leaves enough to train.
    """
    import ray

    if address is None:
        return len(os.sched_getaffinity(0)), 0.0
    cpus = ray.cluster_resources().get("CPU", 0)
    actors = max(1, int(cpus // 8))
    return actors, 1.0 if cpus - actors >= resources.cpus else 0.0


def _measure_names(record: RecordConfig) -> list[str] | None:
    return None if record.measures == "all" else list(record.measures)


def _cost(cohort: Cohort) -> float:
    from orchestrator.cost import workload

    return sum(
        workload(config).epoch_flops() * sum(phase.max_epochs for phase in config.phases) for config in cohort.configs
    )


def measure_again(where: str, measures: Sequence[str] | None, checkpoints: bool, console: Console, trust: bool) -> int:
    """Measure what is in a results folder and lacks these measures; how many files that were.

    Raises:
        BadInput: an unknown measure, a folder without results or with a damaged file, or modules of a stranger
            without `trust`.
    """
    results = Folder(where)
    spec = read_spec(results)
    select(measures)
    for cohort_id in cohort_ids(results):
        check_trust(Manifest.read(results, cohort_id).configs[0], trust)
    at = "checkpoints" if checkpoints else spec.record.measure_at
    spec = spec.model_copy(update={"record": spec.record.model_copy(update={"measure_at": at})})
    _, measured, failures = work(results, spec, [], console, measures, trust, None)
    if failures:
        raise BadInput("\n".join(failures))
    return measured
