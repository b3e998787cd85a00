"""Repair of a results folder: files that are damaged or missing are named, and made again."""

from pathlib import PurePosixPath

from rich.console import Console

from benevolent.orchestrator.lease import held
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import find_damage


def discard_damaged(results: Folder, checkpoints: bool, console: Console) -> None:
    """Remove damaged files of measures, and all but the manifest of cohorts with a damaged file.

    What is removed is measured, or trained, again: a cohort whose state is gone cannot make one of its files alone, and
    one whose parameters were removed cannot be measured.

    Args:
        results: the results folder.
        checkpoints: True if checkpoints are to be measured.
        console: prints a line for each file.

    Raises:
        BadInput: a file is damaged that cannot be made again, or another command is at work in the folder.
    """
    found = list(find_damage(results, checkpoints))
    if not found:
        return
    with held(results, "bth run", console):
        for damage in found:
            cohort_id = damage.cohort_id
            remedy = "its networks are measured again"
            if cohort_id is None:
                cohort_id = _cohort_without_parameters(results, damage.path)
                results.delete(damage.path)
            if cohort_id is not None:
                CohortFiles(results, cohort_id).begin_anew()
                remedy = f"the runs of cohort {cohort_id} are trained again"
            console.print(f"{damage.line}; {remedy}", soft_wrap=True, highlight=False, markup=False)


def _cohort_without_parameters(results: Folder, measures: str) -> str | None:
    """Return the cohort of a file of measures if its parameters were removed after they were measured."""
    cohort_id = paths.measured_cohort(PurePosixPath(measures).name)
    return cohort_id if CohortFiles(results, cohort_id).parameters_removed else None
