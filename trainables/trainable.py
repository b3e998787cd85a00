"""The Ray Tune trainable: one trial trains one cohort. The only file of this package that knows Ray."""

import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import ray
import torch
from ray import tune

from trainables import data
from trainables.storage import CohortFiles, Folder
from trainables.training import CohortTraining

#: How long a trial trains between two results; the display and the measures follow at this pace.
SECONDS_PER_RESULT = 1.0


class CohortTrainable(tune.Trainable):
    """Trains the cohort `config["cohort_id"]` of the results folder `config["results"]`.

    The actor is reused for the next cohort. Checkpoints are the cohort's own files, so Tune's are not used: a retried
    trial goes on from the cohort's last state.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Load the cohort, or its state."""
        self.files = CohortFiles(Folder(config["results"]), config["cohort_id"])
        self.files.folder.delete(self.files.failure)
        torch.set_num_threads(max(1, int(config["cpus"])))
        receive(config["data"])
        try:
            self.training = CohortTraining(Folder(config["results"]), config["cohort_id"], assigned_device())
        except Exception:
            self._note_failure()
            raise

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Make this actor train another cohort."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train whole epochs for about a second."""
        try:
            return asdict(self.training.advance(SECONDS_PER_RESULT))
        except Exception:
            self._note_failure()
            raise

    def _note_failure(self) -> None:
        self.files.folder.write_json(self.files.failure, {"traceback": traceback.format_exc()})


def receive(shared: Mapping[str, ray.ObjectRef]) -> None:
    """Take data sets whose files this machine has not got from Ray's object store, where the driver has put them."""
    for name, reference in shared.items():
        if not data.present(name):
            data.provide(name, ray.get(reference))


def assigned_device() -> str:
    """The device that Ray gave to this worker; never one that it only can see."""
    return "cuda:0" if ray.get_runtime_context().get_accelerator_ids().get("GPU") else "cpu"
