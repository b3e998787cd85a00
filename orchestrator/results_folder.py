"""What a results folder holds of a sweep, and making it ready for what it lacks."""

import os
import posixpath
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.filesize import decimal

from benevolent.orchestrator.estimates.network_cost import training_flops
from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
from benevolent.orchestrator.plan.planning import planned_runs
from benevolent.orchestrator.provenance import add_entry
from benevolent.orchestrator.spec import yaml12
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables import plugins
from benevolent.trainables.config.base import flatten
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, Record, homes, read_cohorts


def check_folder(results: Folder, spec: SweepSpec) -> None:
    """Refuse a folder that holds something else, before anything is written.

    Raises:
        BadInput: the folder holds another sweep, other files, or is no folder.
    """
    if not results.exists():
        return
    if not results.exists(paths.SPEC):
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
    where = posixpath.join(results.uri, paths.SPEC)
    if not results.exists(paths.SPEC):
        raise BadInput(f"{results.uri}: holds no sweep (no file {paths.SPEC} in it)")
    try:
        return SweepSpec.parse(yaml12.loads(results.read(paths.SPEC).decode()))
    except (ValueError, BadInput) as error:
        line = f"{where}: damaged or not a sweep ({str(error).splitlines()[0]})"
        raise BadInput(line + plugins.missing_plugins_hint(results)) from None


def held(results: Folder, spec: SweepSpec) -> tuple[dict[str, str], dict[str, Record]]:
    """What `plan` has to know of the runs that a results folder holds.

    Returns:
        `run_id -> cohort_id` of the runs that record, or will, what the spec asks for; and `run_id -> record` of
        all, what was recorded of them or will be.
    """
    cohorts, ended = read_cohorts(results)
    known = {run: cohorts[at].cohort_id for run, at in homes(cohorts, ended, spec.record.while_training).items()}
    records: dict[str, Record] = {}
    for cohort in cohorts:
        for run_id in cohort.run_ids:
            records[run_id] = records[run_id] | cohort.record if run_id in records else cohort.record
    return known, records


def check_disk(results: Folder, spec: SweepSpec, known: Mapping[str, str], slots: int) -> None:
    """Refuse to start on a disk that is full, or cannot be written to.

    Raises:
        BadInput: there is less space than the sweep will take.
    """
    if not results.local:
        return
    try:
        place = Path(results.root)
        while not place.exists():  # what is refused leaves nothing behind, not even an empty folder
            place = place.parent
        if not place.is_dir():
            raise NotADirectoryError(f"{place} is a file")
        free = shutil.disk_usage(place).free
        if not os.access(place, os.W_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise BadInput(f"--out {results.uri}: cannot be written to ({error.strerror or error})") from None
    needed = estimate_sweep(spec, known, slots).disk_bytes
    if free < needed:
        raise BadInput(f"--out {results.uri}: {decimal(free)} are free, the sweep takes up to {decimal(needed)}")


def prepare(results: Folder, spec: SweepSpec, cohorts: Sequence[Manifest]) -> None:
    """Write the spec, where the results come from, and a manifest for every new cohort."""
    text = yaml12.dumps(spec.model_dump(mode="json"))
    try:
        results.write(paths.SPEC, text.encode())
    except OSError as error:
        raise BadInput(f"--out {results.uri}: cannot be written to ({error.strerror or error})") from None
    if cohorts or not results.exists(paths.PROVENANCE):
        add_entry(results, cohorts)
    for cohort in cohorts:
        cohort.write(results)


def wanted(results: Folder, spec: SweepSpec) -> tuple[list[Manifest], list[str]]:
    """The cohorts with runs that the spec wants, and those that they wait for; all else in the folder is left alone.

    Returns:
        the cohorts still to be trained, in the order to start them, and the ids of those that have ended.
    """
    cohorts, ended = read_cohorts(results)
    home = homes(cohorts, ended, spec.record.while_training)
    mine = [run.run_id for run in planned_runs(spec) if run.run_id in home]
    todo = {home[run_id] for run_id in mine if run_id not in ended[home[run_id]]}
    done = {home[run_id] for run_id in mine} - todo
    place = {cohort.cohort_id: at for at, cohort in enumerate(cohorts)}
    waiting = list(todo)
    while waiting:  # of a cohort that is waited for, the spec may want no run
        needed = {place[name] for name in cohorts[waiting.pop()].waits_for if name in place}
        new = {at for at in needed - todo if not ended[at] >= set(cohorts[at].run_ids)}
        todo |= new
        waiting += new
    order = sorted((cohorts[at] for at in todo), key=lambda one: (one.depth, -_cost(one), one.cohort_id))
    return order, sorted(cohorts[at].cohort_id for at in done - todo)


def read_from(results: Folder) -> list[str]:
    """The ids of the cohorts that runs are read from: those trained again for more records are left out."""
    cohorts, ended = read_cohorts(results)
    return sorted({cohorts[at].cohort_id for at in homes(cohorts, ended).values()})


def _cost(cohort: Manifest) -> float:
    return sum(map(training_flops, cohort.configs))
