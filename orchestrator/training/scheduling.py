"""Order of the cohorts: a cohort starts when the cohorts it waits for have finished.

A trial of Ray Tune is one attempt to train a cohort. So a cohort whose worker was lost gets another trial, and whether
and when it does is decided in one place: `retries.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from benevolent.orchestrator.training.retries import Retries, describe, is_loss
from benevolent.trainables.errors import full_disk
from benevolent.trainables.store.manifest import Manifest

#: Key of the losses of which it is not known which cohort they hit.
ANY_COHORT = ""


class CohortScheduler(Searcher):
    """Hand out cohorts to Ray Tune in order; one that needs networks of other cohorts waits for those.

    A cohort whose parents failed for good is never started.

    Args:
        cohorts: still to be trained, in the order to start them.
        finished: ids of the cohorts that have finished before.
        common: the part of a trial's config that is the same for all cohorts.
        on_wait: called when no cohort can start now; Tune does nothing else meanwhile if nothing trains.
        on_loss: called with a line when a cohort has lost its process or its machine.

    Attributes:
        failed: why cohorts failed for good, by their ids.
        full_disk: the error of a full disk, after which no cohort is started.
    """

    def __init__(
        self,
        cohorts: Sequence[Manifest],
        finished: set[str],
        common: dict[str, Any],
        on_wait: Callable[[], None] = lambda: None,
        on_loss: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(metric="runs_done", mode="max")
        self.waiting = list(cohorts)
        self.finished = set(finished)
        self.failed: dict[str, str] = {}
        self.full_disk: OSError | None = None
        self.common = common
        self.on_wait = on_wait
        self.on_loss = on_loss
        self.retries = Retries()
        self.started: dict[str, Manifest] = {}
        self.cohort_of_trial: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles it to restore an experiment, and ours is restored from its folder."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """Return the config of the next trial; None while every cohort that is left has to wait."""
        self._drop_orphans()
        if self.full_disk is not None:
            self.waiting.clear()
        for cohort in self.waiting:
            if self.finished >= set(cohort.waits_for) and not self._seconds_to_wait(cohort.cohort_id):
                self.waiting.remove(cohort)
                self.started[cohort.cohort_id] = cohort
                self.cohort_of_trial[trial_id] = cohort.cohort_id
                return {**self.common, "cohort_id": cohort.cohort_id}
        if not self.waiting and not self.started:
            return Searcher.FINISHED
        self.on_wait()
        return None

    def _drop_orphans(self) -> None:
        """Remove the cohorts whose parents failed: the networks that they start from will not come."""
        for cohort in list(self.waiting):
            missing = [name for name in cohort.waits_for if name in self.failed]
            if missing:
                self.waiting.remove(cohort)
                self.failed[cohort.cohort_id] = f"cohort {missing[0]}, which it waits for, failed"

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Release the cohorts that have waited for this trial; `on_attempt_failed` follows an error."""
        cohort_id = self.cohort_of_trial.pop(trial_id)
        if not error:
            del self.started[cohort_id]
            self.finished.add(cohort_id)

    def on_attempt_failed(self, cohort_id: str, error: BaseException, progress: int) -> None:
        """Put a cohort back in front, or give it up; arguments as in `Retries.may_try_again`."""
        cohort = self.started.pop(cohort_id)
        self.full_disk = self.full_disk or full_disk(error)
        reason = describe(error)
        if not self.retries.may_try_again(cohort_id, error, progress):
            times = f", {self.retries.losses[cohort_id]} times" if is_loss(error) else ""
            self.failed[cohort_id] = f"{reason}{times}"
            return
        self.waiting.insert(0, cohort)
        if is_loss(error):
            seconds = self.retries.seconds_to_wait(cohort_id)
            self.on_loss(f"cohort {cohort_id}: {reason}; it goes on from its last saved state in {seconds:.0f} s")

    def on_all_lost(self, error: BaseException, progress: int) -> None:
        """Put back every cohort that was training, or give all of them up, since Ray Tune has ended.

        It ends when Ray kills a process for lack of memory. It is not known which cohort that process trained. So these
        losses are counted together, and progress of any cohort counts.

        Args:
            error: as Ray raises it, see `retries.killed_for_memory`.
            progress: how much of all cohorts was saved, as in `Retries.may_try_again`.
        """
        lost = self.started
        self.started = {}
        self.cohort_of_trial.clear()
        may_go_on = self.retries.may_try_again(ANY_COHORT, error, progress)
        reason = "Ray ended training when it killed a process, since the memory of a machine was nearly full"
        if not may_go_on:
            times = self.retries.losses[ANY_COHORT]
            self.failed.update(dict.fromkeys(lost, f"{reason}, {times} times"))
            return
        self.waiting[:0] = lost.values()
        seconds = self.retries.seconds_to_wait(ANY_COHORT)
        cohorts = ", ".join(lost)
        self.on_loss(f"{reason}; {cohorts}: training goes on from the last saved states in {seconds:.0f} s")

    def _seconds_to_wait(self, cohort_id: str) -> float:
        """Return the seconds until a cohort may be tried again, after losses of its own and of all."""
        return max(self.retries.seconds_to_wait(cohort_id), self.retries.seconds_to_wait(ANY_COHORT))

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the results folder says what has finished."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, see `save`."""
