"""The examples of a run, as its network sees them, and the network's outputs for them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benevolent.analysis.results import Results, check_trust
from benevolent.trainables import data
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.teacher_labels import TeacherLabels

#: Inputs `(N, *input_shape)` and labels `(N,)`.
Examples = tuple[Tensor, Tensor]

#: Examples in one forward pass.
EXAMPLES_PER_PASS = 1024


def load_examples(results: Results, run_id: str, splits: Sequence[str] = ()) -> dict[str, Examples]:
    """Load splits of a run as it sees them in its last phase, with labels as corrupted or taken from its teacher.

    Of the training split these are the examples that the run saw (`data.subset`).

    Args:
        results: the results that hold the run.
        run_id: id of the run.
        splits: names of splits; by default all of the run's splits.

    Raises:
        BadInput: no such run or split, data that are not on this machine, or a user's module without `trust`.
    """
    folder, cohort_id, config = results.cohorts.find(run_id)
    check_trust(config, results.trust)
    dataset = data.load(config.data, config.precision)
    phase = config.phases[-1]
    teacher_labels = None
    if config.teacher is not None:
        teacher_labels = TeacherLabels(folder, Manifest.read(folder, cohort_id)).labels
    examples = {}
    for name in splits or dataset.splits:
        if name not in dataset.splits:
            raise BadInput(f"split = {name!r}: run {run_id} has no such split" + did_you_mean(name, dataset.splits))
        stacked_inputs = data.inputs_of(dataset, [config], name, 0, phase.name)
        stacked_labels = data.labels_of(dataset, [config], [phase], name, teacher_labels=teacher_labels)
        inputs = stacked_inputs.rows()[0]
        labels = stacked_labels[0]
        examples[name] = inputs, labels
    return examples


@torch.no_grad()
def network_outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the outputs `(N, C)` of a network in eval mode for inputs `(N, *input_shape)`."""
    return torch.cat([network(rows) for rows in inputs.split(EXAMPLES_PER_PASS)])


def require_classes(results: Results, run_id: str) -> None:
    """Check that the targets of a run are classes.

    Raises:
        BadInput: the targets are real numbers, or there is no such run.
    """
    config = results.config(run_id)
    if not data.describe(config.data).classes:
        raise BadInput(
            f"run {run_id}: the targets of data.name = {config.data.name!r} are real numbers; "
            "needs a data set with classes"
        )
