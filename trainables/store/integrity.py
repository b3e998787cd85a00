"""Checks that a results folder has no damaged and no missing file."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, finished_runs, superseded

HOW_TO_REPAIR = "the `bth run` that made the folder makes it again"


class Damage(NamedTuple):
    """A damaged or missing file.

    Attributes:
        line: names the file, and says what is wrong with it.
        path: of the cohort's folder that the file is part of, or of a file of measures.
        cohort_id: of that cohort, or of the one that was measured.
        is_superseded: True if the cohort's runs were trained again elsewhere, see `manifest.superseded`.
    """

    line: str
    path: str
    cohort_id: str
    is_superseded: bool = False

    @property
    def of_measures(self) -> bool:
        """True if it is a file of measures."""
        return self.path != paths.cohort(self.cohort_id)


def check_files(results: Folder) -> None:
    """Refuse a results folder with a damaged or a missing file.

    The report and the states of unfinished cohorts are left out: they are made again.

    Raises:
        BadInput: names the first such file, see `Folder.check` and `CohortFiles.check_needed_files`.
    """
    for damage in find_damage(results):
        raise BadInput(f"{damage.line}; {HOW_TO_REPAIR}")


def find_damage(results: Folder, checkpoints: bool = False) -> list[Damage]:
    """Return the first damaged or missing file of each cohort, and all damaged files of measures.

    Measures that a superseded cohort lacks are left out: nobody reads them.

    Args:
        results: the results folder.
        checkpoints: True if checkpoints are to be measured, so that none may be missing that was not measured yet.

    Raises:
        BadInput: a file is damaged that cannot be made again.
    """
    if results.exists(paths.PROVENANCE):
        results.read_json(paths.PROVENANCE)
    measures = results.names(paths.MEASURES)
    measures_of: dict[str, list[str]] = defaultdict(list)
    for name in measures:
        measures_of[paths.measured_cohort(name)].append(name)
    damaged = []
    unmeasured = []
    for cohort_id in cohort_ids(results):
        files = CohortFiles(results, cohort_id)
        try:
            _check_cohort(files)
            measures_taken = files.measures_taken
        except BadInput as error:
            damaged.append(Damage(str(error), paths.cohort(cohort_id), cohort_id))
            continue
        try:
            _check_measures_taken(measures_taken, results, measures_of[cohort_id])
            if checkpoints:
                _check_checkpoints(files, measures_of[cohort_id])
        except BadInput as error:
            unmeasured.append(Damage(str(error), paths.cohort(cohort_id), cohort_id))
    emptied = {damage.cohort_id for damage in damaged}
    damaged += _damaged_measures(results, measures)
    if not damaged and not unmeasured:
        return []
    not_needed = _superseded(results, emptied)
    found = [damage._replace(is_superseded=damage.cohort_id in not_needed) for damage in damaged]
    return found + [damage for damage in unmeasured if damage.cohort_id not in not_needed]


def _damaged_measures(results: Folder, names: Sequence[str]) -> list[Damage]:
    damaged = []
    for name in names:
        path = f"{paths.MEASURES}/{name}"
        try:
            results.check(path)
        except BadInput as error:
            damaged.append(Damage(str(error), path, paths.measured_cohort(name)))
    return damaged


def _superseded(results: Folder, emptied: Collection[str]) -> set[str]:
    """Return the ids of superseded cohorts; `emptied` are damaged ones, in which no run counts as ended."""
    cohorts = []
    ended: list[Sequence[str]] = []
    for cohort_id in cohort_ids(results):
        try:
            cohorts.append(Manifest.read(results, cohort_id))
        except BadInput:
            continue  # it is damaged, or of another version
        ended.append([] if cohort_id in emptied else finished_runs(results, cohort_id))
    return {cohorts[position].cohort_id for position in superseded(cohorts, ended)}


def _check_cohort(files: CohortFiles) -> None:
    for name in (paths.MANIFEST, paths.STACKS):
        if files.folder.exists(name):
            files.folder.read_json(name)
    _ = files.why_failed
    for kind in (*paths.TABLES, paths.MEASURES):
        for name in files.names(kind):
            files.folder.check(f"{kind}/{name}")
    for path in files.parameter_files():
        files.folder.check(path)
    files.check_needed_files(files.parts("runs"))


def _check_measures_taken(taken: Sequence[str], results: Folder, measures: Collection[str]) -> None:
    """Refuse a cohort that lacks measures of parameters which were removed.

    Args:
        taken: paths of the measures that were taken of them.
        results: the results folder.
        measures: names of the cohort's files of measures.
    """
    present = {f"{paths.MEASURES}/{name}" for name in measures}
    for path in taken:
        if path not in present:
            raise BadInput(
                f"{results.uri}/{path}: missing, and the parameters that were measured were removed "
                "(record.keep_parameters: false)"
            )


def _check_checkpoints(files: CohortFiles, measures: Collection[str]) -> None:
    """Refuse a cohort that lacks a checkpoint which was not measured yet; `measures`: names of its measure files."""
    measured = {paths.measured_place(name) for name in measures}
    for path in files.missing_checkpoints(files.parts("runs")):
        if paths.checkpoint_place(path) not in measured:
            raise BadInput(f"{files.folder.uri}/{path}: missing, and it was not measured yet")
