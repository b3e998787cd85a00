"""Order of the cohorts: a cohort starts when the cohorts it waits for have finished."""

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from benevolent.trainables.store.manifest import Manifest


class CohortScheduler(Searcher):
    """Hand out cohorts to Ray Tune in order; one that needs networks of other cohorts waits for those.

    A cohort whose parents failed for good is never started.

    Args:
        cohorts: still to be trained, in the order to start them.
        finished: ids of the cohorts that have finished before.
        common: the part of a trial's config that is the same for all cohorts.
    """

    def __init__(self, cohorts: Sequence[Manifest], finished: set[str], common: dict[str, Any]) -> None:
        super().__init__(metric="runs_done", mode="max")
        self.waiting = list(cohorts)
        self.finished = set(finished)
        self.failed: set[str] = set()
        self.common = common
        self.cohort_of_trial: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the config of the next trial; None while every cohort that is left has to wait."""
        self._drop_orphans()
        for cohort in self.waiting:
            if self.finished >= set(cohort.waits_for):
                self.waiting.remove(cohort)
                self.cohort_of_trial[trial_id] = cohort.cohort_id
                return {**self.common, "cohort_id": cohort.cohort_id}
        return None if self.waiting else Searcher.FINISHED

    def _drop_orphans(self) -> None:
        """Remove the cohorts whose parents failed: the networks that they start from will not come."""
        for cohort in list(self.waiting):
            if self.failed & set(cohort.waits_for):
                self.waiting.remove(cohort)
                self.failed.add(cohort.cohort_id)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Release the cohorts that have waited for this trial."""
        cohort_id = self.cohort_of_trial.pop(trial_id)
        if error:
            self.failed.add(cohort_id)
        else:
            self.finished.add(cohort_id)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the results folder says what has finished."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, see `save`."""
