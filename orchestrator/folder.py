"""What a results folder holds of a sweep, and making it ready for what it lacks."""

import os
import posixpath
import shutil
from collections.abc import Sequence
from dataclasses import replace

from rich.filesize import decimal

from orchestrator import yaml12
from orchestrator.cost import workload
from orchestrator.planning import planned_runs
from orchestrator.pricing import price
from orchestrator.provenance import provenance
from orchestrator.spec import SweepSpec
from trainables.errors import BadInput
from trainables.manifest import Manifest, Record, known_runs
from trainables.section import flatten
from trainables.storage import PROVENANCE, SPEC, Folder, cohort_ids


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
    if old.name != spec.name:
        raise BadInput(f"--out {results.uri}: holds the sweep {old.name!r}, not {spec.name!r}; give another folder")
    there, here = dict(flatten(old.base)), dict(flatten(spec.base))
    for field in sorted({*there, *here}):
        if there.get(field) != here.get(field):
            raise BadInput(
                f"--out {results.uri}: holds a sweep of another base (base.{field}: {there.get(field)!r} there, "
                f"{here.get(field)!r} here); give another folder"
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


def record_of(spec: SweepSpec) -> Record:
    """What the runs of a sweep write down while they train."""
    epochs = None if spec.record.epochs == "log" else tuple(spec.record.epochs)
    return Record(epochs=epochs, checkpoints=spec.record.measure_at == "checkpoints")


def check_records(results: Folder, spec: SweepSpec) -> None:
    """Refuse other records than those of the runs that are there: what was not written down cannot be had later.

    Raises:
        BadInput: a cohort of the sweep was trained with other records.
    """
    run_ids, record = {run.run_id for run in planned_runs(spec)}, record_of(spec)
    for cohort_id in cohort_ids(results):
        manifest = Manifest.read(results, cohort_id)
        if run_ids & set(manifest.run_ids) and manifest.record != record:
            raise BadInput(
                f"record: runs in {results.uri} were trained with other records (epochs or checkpoints); "
                f"keep those, or give another --out"
            )


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
        raise BadInput(f"--out {results.uri}: {decimal(free)} are free, the sweep takes up to {decimal(needed)}")


def prepare(results: Folder, spec: SweepSpec, cohorts: Sequence[Manifest]) -> None:
    """Write the spec, where the results come from, and a manifest for every new cohort."""
    text = yaml12.dumps(spec.model_dump(mode="json"))
    try:
        results.write(SPEC, text.encode())
    except OSError as error:
        raise BadInput(f"--out {results.uri}: cannot be written to ({error.strerror or error})") from None
    if cohorts or not results.exists(PROVENANCE):
        results.write_json(PROVENANCE, provenance(spec))
    record = record_of(spec)
    for cohort in cohorts:
        replace(cohort, record=record).write(results)


def wanted(results: Folder, spec: SweepSpec) -> tuple[list[Manifest], list[str]]:
    """The cohorts with runs that the spec wants; whatever else is in the folder is left alone.

    Returns:
        the cohorts still to be trained, in the order to start them, and the ids of those that have ended.
    """
    run_ids = {run.run_id for run in planned_runs(spec)}
    manifests = [Manifest.read(results, cohort_id) for cohort_id in cohort_ids(results)]
    manifests = [manifest for manifest in manifests if run_ids & set(manifest.run_ids)]
    todo = [manifest for manifest in manifests if not manifest.finished(results)]
    ended = {manifest.cohort_id for manifest in manifests} - {manifest.cohort_id for manifest in todo}
    return sorted(todo, key=lambda cohort: (bool(cohort.waits_for), -_cost(cohort), cohort.cohort_id)), sorted(ended)


def _cost(cohort: Manifest) -> float:
    return sum(
        workload(config).epoch_flops() * sum(phase.max_epochs for phase in config.phases) for config in cohort.configs
    )
