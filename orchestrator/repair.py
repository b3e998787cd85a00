"""Repair of a results folder: files that are damaged or missing are named, and made again."""

from rich.console import Console

from benevolent.orchestrator.lease import held
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.integrity import Damage, find_damage


def discard_damaged(results: Folder, checkpoints: bool, console: Console) -> None:
    """Remove damaged files of measures, and all but the manifest of cohorts with a damaged file.

    What is removed is measured, or trained, again: a cohort whose state is gone cannot make one of its files alone, and
    one whose parameters were removed cannot be measured. Nothing of a superseded cohort is made again.

    Args:
        results: the results folder.
        checkpoints: True if checkpoints are to be measured.
        console: prints a line for each file.

    Raises:
        BadInput: a file is damaged that cannot be made again, or another command is at work in the folder.
    """
    found = find_damage(results, checkpoints)
    if not found:
        return
    with held(results, "bth run", console):
        for damage in found:
            remedy = _repair(results, damage)
            console.print(f"{damage.line}; {remedy}", soft_wrap=True, highlight=False, markup=False)


def _repair(results: Folder, damage: Damage) -> str:
    """Remove what is damaged; return what is done about it."""
    files = CohortFiles(results, damage.cohort_id)
    if damage.of_measures:
        results.delete(damage.path)
        if not damage.is_superseded and not files.parameters_removed:
            return "its networks are measured again"
    if not (damage.of_measures and damage.is_superseded):
        files.begin_anew()
    if damage.is_superseded:
        return f"it is not needed: the runs of cohort {damage.cohort_id} were trained again for more records"
    return f"the runs of cohort {damage.cohort_id} are trained again"
