"""A run of a results folder with the examples that its network sees."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benevolent.analysis.results import Results, check_trust
from benevolent.trainables import data
from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.teacher_labels import TeacherLabels

#: Inputs `(N, *input_shape)` and labels `(N,)`.
Examples = tuple[Tensor, Tensor]

#: That a network is given at once.
EXAMPLES_PER_PASS = 1024


def examples(results: Results, run_id: str, names: Sequence[str] = ()) -> dict[str, Examples]:
    """The splits of a run as it sees them in its last phase, labels as they were corrupted or taught.

    Args:
        results: that hold the run.
        run_id: which.
        names: of splits; by default all that there are.

    Raises:
        BadInput: no such run or split, or data that are not here.
    """
    folder, cohort_id, config = results.cohorts.find(run_id)
    check_trust(config, results.trust)
    dataset, phase = data.load(config.data, config.precision), config.phases[-1]
    teach = TeacherLabels(folder, Manifest.read(folder, cohort_id)).labels if config.teacher is not None else None
    found = {}
    for name in names or dataset.splits:
        if name not in dataset.splits:
            raise BadInput(f"split = {name!r}: run {run_id} has no such split" + did_you_mean(name, dataset.splits))
        inputs = data.inputs_of(dataset, [config], name, 0, phase.name).rows()[0]
        found[name] = inputs, data.labels_of(dataset, [config], [phase], name, teacher_labels=teach)[0]
    return found


@torch.no_grad()
def outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    """What a network in eval mode makes of inputs `(N, *input_shape)`: `(N, C)`."""
    return torch.cat([network(rows) for rows in inputs.split(EXAMPLES_PER_PASS)])


def require_classes(results: Results, run_id: str) -> None:
    """Raise `BadInput` if the targets of a run are numbers, which have neither bits nor classes here."""
    config = results.config(run_id)
    if not data.describe(config.data).classes:
        raise BadInput(f"run {run_id}: the targets of data.name = {config.data.name!r} are no classes")
