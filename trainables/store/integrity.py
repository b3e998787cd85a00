"""Checks that a results folder has no damaged and no missing file."""

from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder


def check_files(results: Folder) -> None:
    """Refuse a results folder with a damaged or a missing file.

    The report and the states of unfinished cohorts are left out: they are made again.

    Raises:
        BadInput: names the first such file, see `Folder.check` and `CohortFiles.check_needed_files`.
    """
    if results.exists(paths.PROVENANCE):
        results.read_json(paths.PROVENANCE)
    for cohort_id in cohort_ids(results):
        _check_cohort(CohortFiles(results, cohort_id))
    for name in results.names(paths.MEASURES):
        results.check(f"{paths.MEASURES}/{name}")


def _check_cohort(files: CohortFiles) -> None:
    for name in (paths.MANIFEST, paths.STACKS, files.failure_path):
        if files.folder.exists(name):
            files.folder.read_json(name)
    for kind in (*paths.TABLES, paths.MEASURES):
        for name in files.names(kind):
            files.folder.check(f"{kind}/{name}")
    for path in files.parameter_files():
        files.folder.check(path)
    files.check_needed_files(files.parts("runs"))
