"""Start of a cohort's training: networks are trained, forests are grown."""

from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.stack.kernel_choice import Pinned
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.cohort_training import CohortTraining
from benevolent.trainables.training.forest import ForestTraining


def start_training(
    results: Folder,
    cohort_id: str,
    device: str = "cpu",
    save_every_seconds: float = RecordConfig().save_every_seconds,
    pinned: Pinned | None = None,
) -> CohortTraining | ForestTraining:
    """Begin the training of a cohort, or go on from its saved state; `advance` what is returned until it is done.

    Args:
        results: the results folder; the cohort's manifest is in it.
        cohort_id: id of the cohort.
        device: a torch device.
        save_every_seconds: how often a part of the tables and the state are written, within long epochs too; a sweep
            says it in `record`. Infinity: not before the end.
        pinned: kernel and size of stacks, where they are not to be chosen.
    """
    training: CohortTraining | ForestTraining
    if Manifest.read(results, cohort_id).configs[0].is_forest:
        training = ForestTraining(results, cohort_id, device)
    else:
        training = CohortTraining(results, cohort_id, device, save_every_seconds, pinned)
    training.start()
    return training
