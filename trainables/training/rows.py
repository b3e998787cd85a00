"""Rows of a cohort's tables between two parts, and the parameters of the runs that stopped."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import write_parameters
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.training.initial_state import stacked


class FinalNetwork(NamedTuple):
    """The network of a run at its end, with the metadata that its file holds about it."""

    tensors: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    about: Mapping[str, Any]


class Rows:
    """Rows gathered in columns; `write` makes them one part of each table."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as after a part was written."""
        self.dynamics: dict[str, list[Any]] = defaultdict(list)
        self.outcomes: dict[str, list[Any]] = defaultdict(list)
        self.runs: list[dict[str, Any]] = []
        self.final: list[FinalNetwork] = []

    def add_dynamics(
        self, run_ids: list[str], phase: str, step: int, epoch: float, values: Mapping[str, Tensor]
    ) -> None:
        """Add one row per run and statistic; `values` is `name -> (K,)`, NaN (not defined) gives no row."""
        position = {"phase": phase, "step": step, "epoch": epoch}
        for name, column in values.items():
            for run_id, value in zip(run_ids, column.tolist(), strict=True):
                if value == value:
                    _append(self.dynamics, {"run_id": run_id, **position, "name": name, "value": value})

    def add_outcomes(self, run_ids: list[str], phase: str, step: int, split: str, values: Mapping[str, Tensor]) -> None:
        """Add one row per run and outcome; a non-finite value is a result and gets its row."""
        position = {"phase": phase, "step": step, "split": split}
        for name, column in values.items():
            for run_id, value in zip(run_ids, column.tolist(), strict=True):
                _append(self.outcomes, {"run_id": run_id, **position, "name": name, "value": value})

    def add_run(
        self, manifest: Manifest, config: RunConfig, status: Status, position: Mapping[str, Any], seconds: float
    ) -> None:
        """Add the row of a run that has ended; `position`: phase, step and epoch of its end."""
        role = manifest.run(config.run_id).role
        about = {"run_id": config.run_id, "cohort_id": manifest.cohort_id, "role": role, "status": status.value}
        self.runs.append({**about, **position, "seconds": seconds})

    def add_final(self, tensors: Mapping[str, Tensor], masks: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Add the network of a run that has ended.

        Args:
            tensors: parameters and buffers, `name -> (...)`.
            masks: of a pruned network, `name -> (...)`.
            about: see `StoredNetworks.metadata`.
        """
        self.final.append(FinalNetwork(tensors, masks, about))

    def write(self, files: CohortFiles, part: int) -> None:
        """Write one part of every table; `runs` last, since its rows mean that everything of a run was written."""
        if self.final:
            self._write_final(files, part)
        if self.dynamics:
            files.write_part("dynamics", part, self.dynamics)
        if self.outcomes:
            files.write_part("outcomes", part, self.outcomes)
        if self.runs:
            names = dict.fromkeys(name for row in self.runs for name in row)
            files.write_runs(part, {name: [row.get(name) for row in self.runs] for name in names})
        self.clear()

    def _write_final(self, files: CohortFiles, part: int) -> None:
        tensors = stacked([network.tensors for network in self.final])
        masks = stacked([network.masks for network in self.final])
        metadata = {key: [network.about[key] for network in self.final] for key in self.final[0].about}
        write_parameters(files.folder, paths.final(part, files.attempt.name), tensors, masks, metadata)


def _append(columns: dict[str, list[Any]], row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        columns[name].append(value)
