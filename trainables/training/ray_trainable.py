"""The Ray Tune trainable: one trial trains one cohort."""

import os
import traceback
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ray import tune

from benevolent.trainables.stack.kernel_choice import Pinned
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.training.cohort_training import CohortTraining
from benevolent.trainables.training.forest import ForestTraining
from benevolent.trainables.training.malloc import TRAINING_BYTES
from benevolent.trainables.training.ray_worker import assigned_device, configure_process, receive_datasets
from benevolent.trainables.training.starting import start_training

#: How long a trial trains between two results; the display and the measures follow at this pace.
SECONDS_PER_RESULT = 1.0


class CohortTrainable(tune.Trainable):
    """Trains the cohort `config["cohort_id"]` of the results folder `config["results"]`.

    The actor is reused for the next cohort. Checkpoints are the cohort's own files, so Tune's are not used: a retried
    trial goes on from the cohort's last state.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Stay in the folder in which Ray was started: on one machine, that of the command.

        So modules of users find files there by relative paths.
        """
        os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # here, since a trial with variables gets a process of its own
        super().__init__(*arguments, **options)

    def setup(self, config: dict[str, Any]) -> None:
        """Get ready to train, without touching any file of the cohort.

        Tune may start an actor for a trial that another, free one takes over meanwhile: that one is writing then.
        """
        configure_process(config["cpus"], TRAINING_BYTES)
        receive_datasets(config["data"])
        self.results = Folder(config["results"])
        self.training: CohortTraining | ForestTraining | None = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Make this actor train another cohort."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for about a second; the first time, begin the cohort or load its state."""
        try:
            if self.training is None:
                self.training = self._start()
            return asdict(self.training.advance(SECONDS_PER_RESULT))
        except Exception:
            failure = {"traceback": traceback.format_exc()}
            files = self.training.files if self.training else CohortFiles(self.results, self.config["cohort_id"])
            with suppress(OSError):  # the disk may be full
                files.folder.write_json(files.failure_path, failure)
            raise

    def _start(self) -> CohortTraining | ForestTraining:
        pinned = Pinned(self.config["kernel"], self.config["stack_size"])
        device = assigned_device(self.config["gpus"])
        save_every_seconds = self.config["save_every_seconds"]
        return start_training(self.results, self.config["cohort_id"], device, save_every_seconds, pinned)
