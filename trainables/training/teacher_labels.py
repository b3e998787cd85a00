"""Labels that other runs give to the inputs of a cohort's runs."""

import torch
from torch import Tensor

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack import network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.losses import predicted
from benevolent.trainables.training.parent_runs import ParentRuns, SavedNetwork

#: Examples that a teacher labels at once.
EXAMPLES_PER_PASS = 1024


class TeacherLabels:
    """The networks that label the inputs of a cohort's runs.

    Args:
        results: the results folder.
        manifest: of the cohort.
    """

    def __init__(self, results: Folder, manifest: Manifest) -> None:
        left = ParentRuns(results, manifest)  # not kept: it holds all that the cohort waits for
        asked = {(one.teacher.run_id, one.labels.at): one.teacher for one in manifest.configs if one.teacher}
        self.networks = {
            (run_id, at): (_built(teacher), _own(left.end(teacher) if at is None else left.after(teacher, at)))
            for (run_id, at), teacher in asked.items()
        }

    @torch.no_grad()
    def labels(self, config: RunConfig, inputs: data.Inputs) -> Tensor:
        """The classes `(N,)` that the teacher of a run sees in inputs.

        A teacher is asked alone, whoever learns from it, so that its labels do not depend on their company.

        Args:
            config: of the run that learns.
            inputs: N, of one run.
        """
        assert config.teacher is not None
        built, tensors = self.networks[config.teacher.run_id, config.labels.at]
        dtype, device = getattr(torch, config.teacher.precision), inputs.stored.device
        own = {name: value.unsqueeze(0).to(device, dtype) for name, value in tensors.items()}
        parameters, buffers = (layout.views(layout.rows(own)) for layout in (built.parameters, built.buffers))
        found = []
        for start in range(0, inputs.examples, EXAMPLES_PER_PASS):
            rows = inputs.rows(start, start + EXAMPLES_PER_PASS).to(dtype)
            found.append(predicted(built.logits(parameters, buffers, rows))[0])
        return torch.cat(found)


def _own(saved: SavedNetwork) -> dict[str, Tensor]:
    """Copies, since what was read has those of all runs of a file."""
    return {name: value.clone() for name, value in saved.tensors.items()}


def _built(config: RunConfig) -> Network:
    return network.for_run(config, data.describe(config.data))
