"""Lazily loaded parameters of the runs that a cohort starts from or learns from."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from torch import Tensor

from benevolent.trainables.config.run import RunSections
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.store.statuses import Status

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class SavedNetwork:
    """One network at some step.

    Attributes:
        tensors: parameters and buffers, `name -> (...)`.
        path_length: of the path from the initialization.
        status: status of the run at its end; None for a checkpoint.
        step: of the phase.
        masks: of the weights, booleans, False where pruned; empty if nothing was pruned.
    """

    tensors: Tensors
    path_length: float
    status: Status | None = None
    step: int = 0
    masks: Tensors = field(default_factory=dict)

    @property
    def diverged(self) -> bool:
        """True if the run ended with a loss that is not finite."""
        return self.status == Status.DIVERGED


class ParentRuns:
    """Lazily loaded parameters of the runs in the cohorts that a cohort waits for.

    Args:
        results: the results folder.
        manifest: of the cohort that waits.
    """

    def __init__(self, results: Folder, manifest: Manifest) -> None:
        self._cohorts = [CohortFiles(results, cohort_id) for cohort_id in manifest.waits_for]
        # Cached per instance: a cache of the class would keep every cohort's networks alive.
        self._finals = functools.cache(self._read_finals)
        self._checkpoints = functools.cache(self._read_checkpoints)

    def end(self, run: RunSections) -> SavedNetwork:
        """Return a run's network at the end of the run."""
        return self._finals()[run.run_id]

    def after(self, run: RunSections, epochs: int) -> SavedNetwork:
        """Return a run's network after some epochs of its last phase, or its last one if the run ended earlier.

        Raises:
            BadInput: the checkpoint was not kept.
        """
        phase = run.phases[-1]
        end = self.end(run)
        step = min(epochs * run.steps_per_epoch, phase.max_steps or sys.maxsize)
        if end.step < step:
            return end
        return self.checkpoint(run, phase.name, step)

    def checkpoint(self, run: RunSections, phase: str, step: int) -> SavedNetwork:
        """Return a run's network at a step of one of its phases.

        Raises:
            BadInput: the checkpoint was not kept.
        """
        networks = self._checkpoints(phase, step)
        if run.run_id not in networks:
            name = PurePosixPath(paths.checkpoint(phase, step)).stem
            raise BadInput(f"run {run.run_id}: no checkpoint {name} was kept; see record.epochs and record.measure_at")
        return networks[run.run_id]

    def _read_finals(self) -> Mapping[str, SavedNetwork]:
        networks: dict[str, SavedNetwork] = {}
        for files in self._cohorts:
            for path in files.final_files():
                networks |= _networks(files.folder, path)
        return networks

    def _read_checkpoints(self, phase: str, step: int) -> Mapping[str, SavedNetwork]:
        networks: dict[str, SavedNetwork] = {}
        for files in self._cohorts:
            path = files.checkpoint(phase, step)
            if path is not None:
                networks |= _networks(files.folder, path)
        return networks


def _networks(folder: Folder, path: str) -> dict[str, SavedNetwork]:
    """Return the networks of one file by run id."""
    stored = read_parameters(folder, path)
    metadata = stored.metadata
    statuses = metadata.get("status", [None] * len(stored.run_ids))
    networks = {}
    for row, run_id in enumerate(stored.run_ids):
        tensors, masks = stored.network(row)
        status = None if statuses[row] is None else Status(statuses[row])
        path_length = metadata["path_length_from_init"][row]
        networks[run_id] = SavedNetwork(tensors, path_length, status, metadata["step"][row], masks)
    return networks
