"""Ray Tune trains the cohorts: which may start, with what resources, and what is told while they train."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from benevolent.orchestrator.spec.sweep_spec import ResourcesConfig
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.ray_trainable import CohortTrainable


class CohortScheduler(Searcher):
    """Hands out cohorts in order; one that prunes networks waits for the cohorts that train them.

    Args:
        cohorts: still to be trained, in the order to start them.
        finished: cohort_ids that need no waiting for.
        common: what every trial's config holds besides the cohort_id.
    """

    def __init__(self, cohorts: Sequence[Manifest], finished: set[str], common: dict[str, Any]) -> None:
        super().__init__(metric="runs_done", mode="max")
        self.waiting, self.finished, self.common = list(cohorts), set(finished), common
        self.trials: dict[str, str] = {}
        self.lost: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """The config of the next trial; None while all that is left has to wait."""
        for cohort in [c for c in self.waiting if self.lost & set(c.waits_for)]:
            self.waiting.remove(cohort)  # its networks to prune will not come
            self.lost.add(cohort.cohort_id)
        for cohort in self.waiting:
            if self.finished >= set(cohort.waits_for):
                self.waiting.remove(cohort)
                self.trials[trial_id] = cohort.cohort_id
                return {**self.common, "cohort_id": cohort.cohort_id}
        return None if self.waiting else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Let those go that have waited for this trial."""
        (self.lost if error else self.finished).add(self.trials.pop(trial_id))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what is done can be seen in the results folder."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see `save`."""


@dataclass
class ProgressCallback(tune.Callback):
    """Passes Tune's events on.

    Attributes:
        on_progress: called with a cohort_id and the fields of a `trainables.training.cohort_training.Progress`.
        on_tick: called often, to look after other work.
    """

    on_progress: Callable[[str, dict[str, Any]], None]
    on_tick: Callable[[], None]

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks, to restore an experiment; ours is restored from the results folder."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A cohort has trained for another second."""
        self.on_progress(trial.config["cohort_id"], result)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has gone round."""
        self.on_tick()


def train_cohorts(
    results: Folder,
    cohorts: Sequence[Manifest],
    finished: set[str],
    resources: ResourcesConfig,
    on_progress: Callable[[str, dict[str, Any]], None],
    on_tick: Callable[[], None],
    shared: Mapping[str, Any] | None = None,
) -> None:
    """Train cohorts on the Ray cluster that is connected; one that fails is tried once more.

    A failure is left in the cohort's folder (`failure.json`) and raises nothing.
    """
    common = {
        "results": results.uri,
        "data": shared or {},
        **resources.model_dump(exclude={"cohort_size", "measure_gpus"}),
    }
    queue = CohortScheduler(cohorts, finished, common)
    share = {"cpu": resources.cpus, "gpu": resources.gpus}
    with tempfile.TemporaryDirectory(prefix="benevolent-") as scratch:
        tune.Tuner(
            tune.with_resources(CohortTrainable, share),
            tune_config=tune.TuneConfig(search_alg=queue, num_samples=len(cohorts), reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=scratch,
                name="training",
                callbacks=[ProgressCallback(on_progress, on_tick)],
                failure_config=tune.FailureConfig(max_failures=1),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        ).fit()
