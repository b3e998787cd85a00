"""Which loop a cohort takes: networks are trained, forests are grown."""

from benevolent.trainables.stack.kernel_choice import Pinned
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.cohort_training import CohortTraining
from benevolent.trainables.training.forest import ForestTraining
from benevolent.trainables.training.malloc import keep_freed_memory


def training(
    results: Folder,
    cohort_id: str,
    device: str = "cpu",
    save_every_seconds: float = 20,
    pinned: Pinned | None = None,
) -> CohortTraining | ForestTraining:
    """The training of a cohort, to be advanced until it is done.

    Args:
        results: the results folder; the cohort's manifest is in it.
        cohort_id: which cohort.
        device: a torch device.
        save_every_seconds: how often a part and the state are written.
        pinned: kernel and size of stacks, where they are not to be chosen.
    """
    keep_freed_memory()
    if Manifest.read(results, cohort_id).configs[0].is_forest:
        return ForestTraining(results, cohort_id, device)
    return CohortTraining(results, cohort_id, device, save_every_seconds, pinned)
