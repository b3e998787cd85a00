"""Removal of the parameters of networks that are measured and no longer needed (`record.keep_parameters: false`)."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from rich.console import Console

from benevolent.analysis.formatting import quantity
from benevolent.analysis.measures.missing_measures import ExistingMeasures, lacking_measures
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.results_folder import ExistingCohorts
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, superseded


class ParameterRemoval:
    """Removes the parameters of each cohort once it is done, measured, and needed by no other.

    A cohort needs the networks that its runs start or learn from until it is measured, too: measures read the labels
    and the initial weights that its runs have from them.

    Args:
        existing: the measures in the results folder.
        unfinished: the cohorts that are still to be trained or measured, or that may be later.
        done: ids of those that were trained before.
        newly_measured: returns the new files of measures of a cohort; None while something is left to be measured.
    """

    def __init__(
        self,
        existing: ExistingMeasures,
        unfinished: Sequence[Manifest],
        done: Iterable[str],
        newly_measured: Callable[[str], Sequence[str] | None],
    ) -> None:
        self._existing = existing
        self._newly_measured = newly_measured
        self._ready = dict.fromkeys(done)
        self._needs = {cohort.cohort_id: cohort.waits_for for cohort in unfinished}
        self._needed_by: dict[str, set[str]] = defaultdict(set)
        for cohort in unfinished:
            for name in cohort.waits_for:
                self._needed_by[name].add(cohort.cohort_id)

    def on_done(self, cohort_id: str) -> None:
        """Note that a cohort has been trained."""
        self._ready[cohort_id] = None

    def remove(self) -> None:
        """Remove the parameters that nobody needs any more."""
        measured: dict[str, Sequence[str]] = {}
        for cohort_id in self._ready:
            new = self._newly_measured(cohort_id)
            if new is not None:
                measured[cohort_id] = new
        for cohort_id in measured:
            for name in self._needs.pop(cohort_id, ()):
                self._needed_by[name].discard(cohort_id)
        for cohort_id, new in measured.items():
            if not self._needed_by[cohort_id]:
                del self._ready[cohort_id]
                files = CohortFiles(self._existing.results, cohort_id)
                files.remove_parameters([*self._existing.files_of(cohort_id), *new])


def unrequested_cohorts(
    results: Folder, existing: ExistingCohorts, todo: Sequence[Manifest], done: Collection[str]
) -> list[Manifest]:
    """Return the cohorts that a command does not ask for, if they may yet be trained or measured.

    Args:
        results: the results folder.
        existing: its cohorts, the new ones among them.
        todo: the cohorts that the command trains.
        done: ids of the finished ones that it asks for.
    """
    to_train = {cohort.cohort_id for cohort in todo}
    asked_for = to_train.union(done)
    ended_afterwards = []
    for cohort, ended in zip(existing.cohorts, existing.ended, strict=True):
        ended_afterwards.append(set(cohort.run_ids) if cohort.cohort_id in to_train else ended)
    not_needed = superseded(existing.cohorts, ended_afterwards)
    found = []
    for position, cohort in enumerate(existing.cohorts):
        if cohort.cohort_id in asked_for or position in not_needed:
            continue
        if _needs_networks(results, cohort, existing.ended[position]):
            found.append(cohort)
    return found


def _needs_networks(results: Folder, cohort: Manifest, ended: set[str]) -> bool:
    """Return True if a cohort may yet be trained or measured, for which it reads the networks that it waits for."""
    is_finished = ended.issuperset(cohort.run_ids)
    return not is_finished or not CohortFiles(results, cohort.cohort_id).parameters_removed


def remove_superseded(
    results: Folder, existing: ExistingCohorts, trained: Sequence[Manifest], keep_parameters: bool
) -> None:
    """Remove the states and the parameters of superseded cohorts (see `trainables.store.manifest.superseded`).

    Parameters stay that a cohort needs which may yet be trained or measured.

    Args:
        results: the results folder, which this process holds.
        existing: its cohorts as they were before some were trained, the new ones among them.
        trained: the cohorts that were trained since then; runs may have ended in these only.
        keep_parameters: `record.keep_parameters`; with True, only states are removed.
    """
    now = existing.with_ends_in(results, trained)
    positions = superseded(now.cohorts, now.ended)
    found = {now.cohorts[position].cohort_id for position in positions}
    for cohort_id in found:
        CohortFiles(results, cohort_id).delete_states()
    if keep_parameters:
        return
    needed = set[str]()
    for position, cohort in enumerate(now.cohorts):
        waits_for = found.intersection(cohort.waits_for)
        if position not in positions and waits_for and _needs_networks(results, cohort, now.ended[position]):
            needed |= waits_for
    for cohort_id in found - needed:
        CohortFiles(results, cohort_id).remove_parameters()


def removed_but_needed(results: Folder, existing: ExistingCohorts, plan: Plan) -> list[str]:
    """Return the ids of cohorts whose parameters were removed, and that runs still to be trained start or learn from.

    Args:
        results: the results folder.
        existing: its cohorts.
        plan: of the command's spec.
    """
    new = plan.cohorts[plan.cohorts["new"]]
    needed = set[str]().union(*new["waits_for"])
    for cohort in existing.wanted(plan)[0]:
        needed.update(cohort.waits_for)
    known = sorted(needed.intersection(cohort.cohort_id for cohort in existing.cohorts))
    return [cohort_id for cohort_id in known if CohortFiles(results, cohort_id).parameters_removed]


def train_again(results: Folder, cohort_ids: Sequence[str], console: Console) -> None:
    """Begin cohorts anew, so that their networks, whose parameters were removed, are trained again; results are equal.

    Args:
        results: the results folder, which this process holds.
        cohort_ids: from `removed_but_needed`.
        console: for a line.
    """
    for cohort_id in cohort_ids:
        CohortFiles(results, cohort_id).begin_anew()
    if cohort_ids:
        line = (
            f"training {quantity(len(cohort_ids), 'cohort')} again, whose parameters were removed "
            "(record.keep_parameters: false): other runs start or learn from them"
        )
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def say_what_stays_missing(
    existing: ExistingMeasures, cohort_ids: Sequence[str], measures: Sequence[str] | None, console: Console
) -> None:
    """Print a line that names the measures which cannot be computed any more, if there are any.

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
        if not files.parameters_removed or files.parameter_files():
            continue
        of_cohort = lacking_measures(existing, cohort_id, measures)
        cohorts += bool(of_cohort)
        lacking |= of_cohort
    if lacking:
        names = ", ".join(sorted(lacking))
        which = quantity(cohorts, "cohort")
        line = f"not measured: {names} of {which} whose parameters were removed (record.keep_parameters: false)"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
