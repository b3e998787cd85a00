"""Removal of the parameters of networks that are measured and no longer needed (`record.keep_parameters: false`)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console

from benevolent.analysis.formatting import quantity
from benevolent.analysis.measures.missing_measures import ExistingMeasures, lacking_measures
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.results_folder import ExistingCohorts
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest


class ParameterRemoval:
    """Removes the parameters of each cohort once it is done, measured, and no unfinished cohort waits for it.

    Args:
        results: the results folder.
        todo: the cohorts that are still to be trained.
        done: ids of those that had finished before.
        is_measured: tells of the id of a cohort if nothing of it is left to be measured.
    """

    def __init__(
        self, results: Folder, todo: Sequence[Manifest], done: Iterable[str], is_measured: Callable[[str], bool]
    ) -> None:
        self._results = results
        self._is_measured = is_measured
        self._ready = dict.fromkeys(done)
        self._waits_for = {cohort.cohort_id: cohort.waits_for for cohort in todo}
        self._waiting: dict[str, set[str]] = defaultdict(set)
        for cohort in todo:
            for name in cohort.waits_for:
                self._waiting[name].add(cohort.cohort_id)

    def on_done(self, cohort_id: str) -> None:
        """Note that a cohort has been trained."""
        for name in self._waits_for[cohort_id]:
            self._waiting[name].discard(cohort_id)
        self._ready[cohort_id] = None

    def remove(self) -> None:
        """Remove the parameters that nobody needs any more."""
        unneeded = [name for name in self._ready if not self._waiting[name] and self._is_measured(name)]
        for cohort_id in unneeded:
            del self._ready[cohort_id]
            CohortFiles(self._results, cohort_id).remove_parameters()


def check_not_removed(results: Folder, existing: ExistingCohorts, plan: Plan) -> None:
    """Refuse to train runs that start or learn from networks whose parameters were removed.

    Args:
        results: the results folder.
        existing: its cohorts.
        plan: of the command's spec.

    Raises:
        BadInput: names such a cohort.
    """
    new = plan.cohorts[plan.cohorts["new"]]
    needed = set[str]().union(*new["waits_for"])
    for cohort in existing.wanted(plan)[0]:
        needed.update(cohort.waits_for)
    for cohort_id in sorted(needed.intersection(cohort.cohort_id for cohort in existing.cohorts)):
        if CohortFiles(results, cohort_id).parameters_removed:
            raise BadInput(
                f"--out {results.uri}: runs of the spec start or learn from networks of cohort {cohort_id}, whose "
                "parameters were removed (record.keep_parameters: false); give another folder"
            )


def say_what_stays_missing(
    existing: ExistingMeasures, cohort_ids: Sequence[str], measures: Sequence[str] | None, console: Console
) -> None:
    """Print a line about measures that cannot be taken any more, if there are any.

    Args:
        existing: the measures in the results folder.
        cohort_ids: the finished cohorts.
        measures: that are asked for, as `analysis.measures.selection.select` takes them.
        console: for the line.
    """
    lacking = set[str]()
    cohorts = 0
    for cohort_id in cohort_ids:
        files = CohortFiles(existing.results, cohort_id)
        if files.parameter_files() or not files.parameters_removed:
            continue
        of_cohort = lacking_measures(existing, cohort_id, measures)
        cohorts += bool(of_cohort)
        lacking |= of_cohort
    if lacking:
        names = ", ".join(sorted(lacking))
        which = quantity(cohorts, "cohort")
        line = f"not measured: {names} of {which} whose parameters were removed (record.keep_parameters: false)"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
