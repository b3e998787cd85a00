"""Checks that a results folder has no damaged and no missing file."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder

HOW_TO_REPAIR = "the `bth run` that made the folder makes it again"


class Damage(NamedTuple):
    """A damaged or missing file.

    Attributes:
        line: names the file, and says what is wrong with it.
        path: of the cohort's folder that the file is part of, or of a file of measures.
        cohort_id: of that cohort; None for a file of measures.
    """

    line: str
    path: str
    cohort_id: str | None = None


def check_files(results: Folder) -> None:
    """Refuse a results folder with a damaged or a missing file.

    The report and the states of unfinished cohorts are left out: they are made again.

    Raises:
        BadInput: names the first such file, see `Folder.check` and `CohortFiles.check_needed_files`.
    """
    for damage in find_damage(results):
        raise BadInput(f"{damage.line}; {HOW_TO_REPAIR}")


def find_damage(results: Folder, checkpoints: bool = False) -> Iterator[Damage]:
    """Yield the first damaged or missing file of each cohort, and all damaged files of measures.

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
    for cohort_id in cohort_ids(results):
        files = CohortFiles(results, cohort_id)
        try:
            _check_cohort(files)
            _check_measures_taken(files, results, measures_of[cohort_id])
            if checkpoints:
                _check_checkpoints(files, measures_of[cohort_id])
        except BadInput as error:
            yield Damage(str(error), paths.cohort(cohort_id), cohort_id)
    for name in measures:
        path = f"{paths.MEASURES}/{name}"
        try:
            results.check(path)
        except BadInput as error:
            yield Damage(str(error), path)


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


def _check_measures_taken(files: CohortFiles, results: Folder, measures: Collection[str]) -> None:
    """Refuse a cohort that lacks measures of parameters which were removed; `measures`: names of its measure files."""
    present = {f"{paths.MEASURES}/{name}" for name in measures}
    for path in files.measures_taken:
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
