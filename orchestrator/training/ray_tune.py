"""Training of cohorts by Ray Tune: one trial trains one cohort.

Which cohort is next: `scheduling.py`. What happens to one that fails or is lost: `retries.py`. How a cohort trains:
`trainables/training/ray_trainable.py`.
"""

import functools
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.tune.execution import class_cache

from benevolent.orchestrator.spec.resources import ResourcesConfig
from benevolent.orchestrator.training.retries import killed_for_memory
from benevolent.orchestrator.training.scheduling import CohortScheduler
from benevolent.orchestrator.training.stopping import undone_when_stopped
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.ray_trainable import CohortTrainable

#: Where a cluster on this machine alone listens.
LOOPBACK = "127.0.0.1:"
#: Fields of `resources` that are not of a trial.
NOT_OF_A_TRIAL = {"cohort_size", "measure_gpus"}


@dataclass
class ProgressCallback(tune.Callback):
    """Pass Ray Tune's events on.

    Attributes:
        on_progress: called with a cohort_id and the fields of a `trainables.training.progress.Progress`.
        on_tick: called often, to do other work in between; with True if a cohort trains.
        order: is told which attempts ended by an error.
        saved: how much of each cohort was saved, by its id.
    """

    on_progress: Callable[[str, dict[str, Any]], None]
    on_tick: Callable[[bool], None]
    order: CohortScheduler
    saved: dict[str, int] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles callbacks to restore an experiment, and ours is restored from its folder."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on the progress of a cohort, about once a second."""
        self.saved[trial.config["cohort_id"]] = result["saved"]
        self.on_progress(trial.config["cohort_id"], result)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Pass on that Tune's loop has completed a turn."""
        self.on_tick(any(trial.status == "RUNNING" for trial in trials))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on why an attempt ended."""
        cohort_id = trial.config["cohort_id"]
        self.order.on_attempt_failed(cohort_id, _error_of(trial), self.saved.get(cohort_id, 0))


def _error_of(trial: Any) -> BaseException:
    """Return the error that has ended a trial, from the files that Tune has just written."""
    if trial.pickled_error_file is not None:
        error: BaseException = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        return error
    return RuntimeError(Path(trial.error_file).read_text() if trial.error_file else "unknown to Ray Tune")


def train_cohorts(
    results: Folder,
    cohorts: Sequence[Manifest],
    finished: set[str],
    resources: ResourcesConfig,
    save_every_seconds: float,
    on_progress: Callable[[str, dict[str, Any]], None],
    on_tick: Callable[[bool], None],
    on_loss: Callable[[str], None],
    data_references: Mapping[str, Any] | None = None,
) -> Mapping[str, str]:
    """Train cohorts on the Ray cluster that is connected.

    A cohort that fails for good raises nothing; if it raised an error, the whole of it is in its folder.

    Args:
        results: the results folder, with the manifests of the cohorts.
        cohorts: to be trained, in the order to start them.
        finished: ids of the cohorts that have finished before.
        resources: of each cohort.
        save_every_seconds: time between two writes of a cohort's state.
        on_progress: see `ProgressCallback`.
        on_tick: see `ProgressCallback`.
        on_loss: called with a line when a cohort has lost its process or its machine, and is tried again.
        data_references: data sets in Ray's object store, by name, for machines that lack their files.

    Returns:
        why cohorts failed for good, by their ids.

    Raises:
        OSError: a disk is full; no further cohort was started.
    """
    resources = resources.decided()
    common = {
        "results": results.uri,
        "data": data_references or {},
        "save_every_seconds": save_every_seconds,
        **resources.model_dump(exclude=NOT_OF_A_TRIAL),
    }
    trainable = tune.with_resources(CohortTrainable, {"cpu": resources.cpus, "gpu": resources.gpus})
    order = CohortScheduler(cohorts, finished, common, lambda: on_tick(False), on_loss)
    attempts = tune.TuneConfig(search_alg=order, num_samples=-1, reuse_actors=True)  # as many as it takes
    scratch = tempfile.mkdtemp(prefix="benevolent-")
    with undone_when_stopped(functools.partial(shutil.rmtree, scratch, ignore_errors=True)), _in_started_processes():
        callback = ProgressCallback(on_progress, on_tick, order)
        for experiment in itertools.count():
            run_config = tune.RunConfig(
                storage_path=scratch,
                name=f"training-{experiment}",
                callbacks=[callback],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            )
            try:
                tune.Tuner(trainable, tune_config=attempts, run_config=run_config).fit()
                break
            except RuntimeError as error:  # Tune (2.60) ends where Ray kills a trial's process for lack of memory
                if error.__cause__ is None or not killed_for_memory(error.__cause__):
                    raise
                order.on_all_lost(error.__cause__, sum(callback.saved.values()))
    if order.full_disk is not None:
        raise order.full_disk
    return order.failed


@contextmanager
def _in_started_processes() -> Iterator[None]:
    """Let trials run in the processes that Ray has started already, which have imported what they need.

    Tune (2.60) sets environment variables for trials: one that PyTorch Lightning reads, and some that it passes on from
    the driver, such as the keys of a store. Ray would end those processes, which were started without, and start
    others. On the driver's machine they have the driver's variables anyway.
    """
    own, passed_on = class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE
    kept = dict(own), set(passed_on)
    own.clear()
    if _on_this_machine():
        passed_on.clear()
    try:
        yield
    finally:
        own.update(kept[0])
        passed_on.update(kept[1])


def _on_this_machine() -> bool:
    """Return True if the connected cluster is on this machine alone: then it listens on loopback (`ray_session.py`)."""
    address: str = ray.get_runtime_context().gcs_address
    return address.startswith(LOOPBACK)
