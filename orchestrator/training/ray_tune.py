"""Training of cohorts by Ray Tune: one trial trains one cohort.

Which cohort is next: `scheduling.py`. What happens to one that fails: `retries.py`. How a cohort trains:
`trainables/training/ray_trainable.py`.
"""

import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.training.retries import failure_config
from benevolent.orchestrator.training.scheduling import CohortScheduler
from benevolent.orchestrator.training.stopping import undone_when_stopped
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.ray_trainable import CohortTrainable

#: Fields of `resources` that are not of a trial.
NOT_OF_A_TRIAL = {"cohort_size", "measure_gpus"}


@dataclass
class ProgressCallback(tune.Callback):
    """Pass Ray Tune's events on.

    Attributes:
        on_progress: called with a cohort_id and the fields of a `trainables.training.progress.Progress`.
        on_tick: called often, to do other work in between.
    """

    on_progress: Callable[[str, dict[str, Any]], None]
    on_tick: Callable[[], None]

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles callbacks to restore an experiment, and ours is restored from its folder."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on the progress of a cohort, about once a second."""
        self.on_progress(trial.config["cohort_id"], result)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Pass on that Tune's loop has completed a turn."""
        self.on_tick()


def train_cohorts(
    results: Folder,
    cohorts: Sequence[Manifest],
    finished: set[str],
    resources: ResourcesConfig,
    save_every_seconds: float,
    on_progress: Callable[[str, dict[str, Any]], None],
    on_tick: Callable[[], None],
    data_references: Mapping[str, Any] | None = None,
) -> None:
    """Train cohorts on the Ray cluster that is connected.

    A cohort that fails for good leaves the reason in its folder (`failure.json`) and raises nothing.

    Args:
        results: the results folder, with the manifests of the cohorts.
        cohorts: to be trained, in the order to start them.
        finished: ids of the cohorts that have finished before.
        resources: of each cohort.
        save_every_seconds: time between two writes of a cohort's state.
        on_progress: see `ProgressCallback`.
        on_tick: see `ProgressCallback`.
        data_references: data sets in Ray's object store, by name, for machines that lack their files.
    """
    common = {
        "results": results.uri,
        "data": data_references or {},
        "save_every_seconds": save_every_seconds,
        **resources.model_dump(exclude=NOT_OF_A_TRIAL),
    }
    trainable = tune.with_resources(CohortTrainable, {"cpu": resources.cpus, "gpu": resources.gpus})
    order = tune.TuneConfig(
        search_alg=CohortScheduler(cohorts, finished, common),
        num_samples=len(cohorts),
        reuse_actors=True,
    )
    scratch = tempfile.mkdtemp(prefix="benevolent-")
    with undone_when_stopped(functools.partial(shutil.rmtree, scratch, ignore_errors=True)):
        run_config = tune.RunConfig(
            storage_path=scratch,
            name="training",
            callbacks=[ProgressCallback(on_progress, on_tick)],
            failure_config=failure_config(),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        )
        tune.Tuner(trainable, tune_config=order, run_config=run_config).fit()
