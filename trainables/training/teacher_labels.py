"""Labels that other runs give to the inputs of a cohort's runs."""

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.config.run import RunSections
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.scores import predicted
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.parent_runs import ParentRuns, SavedNetwork

#: Id of a teacher, and the epoch after which it labels; None for its end.
TeacherAt = tuple[str, int | None]

#: Examples that a teacher labels at once.
EXAMPLES_PER_PASS = 1024


class TeacherLabels:
    """Labels from the networks that teach a cohort's runs.

    Args:
        results: the results folder.
        manifest: of the cohort.
    """

    def __init__(self, results: Folder, manifest: Manifest) -> None:
        parents = ParentRuns(results, manifest)  # not kept: it holds all networks that the cohort waits for
        self.networks: dict[TeacherAt, tuple[Network, dict[str, Tensor]]] = {}
        for config in manifest.stored_runs.values():
            teacher = config.teacher
            at = config.labels.at
            if teacher is None or (teacher.run_id, at) in self.networks:
                continue
            saved = parents.end(teacher) if at is None else parents.after(teacher, at)
            built = built_network.for_run(teacher, data.describe(teacher.data))
            self.networks[teacher.run_id, at] = built, _copied(saved)

    @torch.no_grad()
    def labels(self, config: RunSections, inputs: data.Inputs) -> Tensor:
        """Return the classes `(N,)` that the teacher of a run predicts for inputs.

        A teacher is asked alone, whoever learns from it, so that its labels do not depend on their company.

        Args:
            config: of the run that learns.
            inputs: N, of one run.
        """
        assert config.teacher is not None
        built, tensors = self.networks[config.teacher.run_id, config.labels.at]
        dtype = getattr(torch, config.teacher.precision)
        stack_of_one = {name: value.unsqueeze(0).to(inputs.stored.device, dtype) for name, value in tensors.items()}
        parameters = built.parameters.views(built.parameters.rows(stack_of_one))
        buffers = built.buffers.views(built.buffers.rows(stack_of_one))
        classes = []
        for start in range(0, inputs.examples, EXAMPLES_PER_PASS):
            rows = inputs.rows(start, start + EXAMPLES_PER_PASS).to(dtype)
            classes.append(predicted(built.logits(parameters, buffers, rows))[0])
        return torch.cat(classes)


def _copied(saved: SavedNetwork) -> dict[str, Tensor]:
    """Copy tensors that share the memory of all runs of a file."""
    return {name: value.clone() for name, value in saved.tensors.items()}
