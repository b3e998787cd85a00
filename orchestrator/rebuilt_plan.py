"""Damaged specs and plans in a results folder: made again from the command's spec, where that is the same sweep.

Ids of runs are digests of their configurations, so that equal ids are equal runs. What a damaged file said is known if
the plan of the command's spec, with the files that are whole, has every run that there is.
"""

from collections.abc import Mapping

from rich.console import Console

from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.results_folder import ExistingCohorts
from benevolent.orchestrator.stored_spec import find_damaged_descriptions
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.plan_files import plan_numbers, tables_of_plan


def damaged_descriptions(results: Folder, existing: ExistingCohorts, plan: Plan) -> dict[str, str]:
    """Return the damaged files of the spec and the plans in a results folder, all of which can be made again.

    Args:
        results: the results folder.
        existing: its cohorts.
        plan: the plan of the command's spec.

    Returns:
        path -> a line that says what is wrong.

    Raises:
        BadInput: a file cannot be made again, since the command's spec does not ask for the runs that it described.
    """
    damaged = find_damaged_descriptions(results)
    if not damaged:
        return {}
    planned = set(plan.runs["run_id"])
    trained = set[str]()
    for cohort in existing.cohorts:
        trained.update(cohort.run_ids)
    of_plans = {number: _runs_of(results, number) for number in plan_numbers(results) if _is_whole(number, damaged)}
    unknown = trained.difference(planned, *of_plans.values())
    damaged_plans = [line for path, line in damaged.items() if path != paths.SPEC]
    if unknown and damaged_plans:
        raise BadInput(
            f"{damaged_plans[0]}; it described runs that the spec does not ask for, such as {min(unknown)}: "
            "run once with a spec that asks for them, and this file is made again"
        )
    if paths.SPEC in damaged:
        last = of_plans.get(max(plan_numbers(results), default=0), trained)
        if planned != last:
            raise BadInput(
                f"{damaged[paths.SPEC]}; it is made again by a spec that asks for the runs in the folder, "
                "and this one asks for others"
            )
    return damaged


def discard(results: Folder, damaged: Mapping[str, str], console: Console) -> None:
    """Remove damaged plans, so that they are made again; print a line for each damaged file.

    A damaged spec stays until `prepare` overwrites it, as it does every spec.

    Args:
        results: the results folder, which this process holds.
        damaged: from `damaged_descriptions`.
        console: for the lines.
    """
    for number in plan_numbers(results):
        if not _is_whole(number, damaged):
            for path in tables_of_plan(number):
                results.delete(path)
    for line in damaged.values():
        console.print(f"{line}; made again from the spec", soft_wrap=True, highlight=False, markup=False)


def _is_whole(number: int, damaged: Mapping[str, str]) -> bool:
    return not any(path in damaged for path in tables_of_plan(number))


def _runs_of(results: Folder, number: int) -> set[str]:
    return set(results.read_table(paths.plan_runs(number), columns=["run_id"])["run_id"].to_pylist())
