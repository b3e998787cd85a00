"""The rows of a cohort's tables between two parts, and the parameters of the runs that stopped."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from torch import Tensor

from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import write_parameters
from benevolent.trainables.training.initial_state import stacked


class Rows:
    """Rows gathered in columns; `write` makes them one part of each table."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, as after a part was written."""
        self.dynamics: dict[str, list[Any]] = defaultdict(list)
        self.outcomes: dict[str, list[Any]] = defaultdict(list)
        self.runs: list[dict[str, Any]] = []
        self.final: list[tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]] = []

    def add_dynamics(
        self, run_ids: list[str], phase: str, step: int, epoch: float, values: Mapping[str, Tensor]
    ) -> None:
        """One row per run and statistic; `values` is `name -> (K,)`, NaN (not defined) gives no row."""
        for name, column in values.items():
            for run_id, value in zip(run_ids, column.tolist(), strict=True):
                if value == value:
                    row = {
                        "run_id": run_id,
                        "phase": phase,
                        "step": step,
                        "epoch": epoch,
                        "name": name,
                        "value": value,
                    }
                    _append(self.dynamics, row)

    def add_outcomes(self, run_ids: list[str], phase: str, step: int, split: str, values: Mapping[str, Tensor]) -> None:
        """One row per run and outcome; a non-finite value is a result and gets its row."""
        for name, column in values.items():
            for run_id, value in zip(run_ids, column.tolist(), strict=True):
                row = {
                    "run_id": run_id,
                    "phase": phase,
                    "step": step,
                    "split": split,
                    "name": name,
                    "value": value,
                }
                _append(self.outcomes, row)

    def add_run(
        self, manifest: Manifest, config: RunConfig, status: str, place: Mapping[str, Any], seconds: float
    ) -> None:
        """The row of a run that has ended; `place`: phase, step and epoch of its end."""
        role = manifest.roles[manifest.run_ids.index(config.run_id)]
        about = {"run_id": config.run_id, "cohort_id": manifest.cohort_id, "role": role, "status": status}
        self.runs.append({**about, **place, "seconds": seconds})

    def write(self, files: CohortFiles, part: int) -> None:
        """Write one part of every table; `runs` last, since its rows mean that all of a run is there."""
        if self.final:
            tensors, masks, abouts = zip(*self.final, strict=True)
            metadata = {key: [about[key] for about in abouts] for key in abouts[0]}
            write_parameters(files.folder, paths.final(part), stacked(tensors), stacked(masks), metadata)
        for kind, columns in (("dynamics", self.dynamics), ("outcomes", self.outcomes)):
            if columns:
                files.folder.write_table(paths.table_part(kind, part), pa.table(dict(columns)))
        if self.runs:
            names = dict.fromkeys(name for row in self.runs for name in row)  # `from_pylist` has those of the first row
            columns = {name: [row.get(name) for row in self.runs] for name in names}
            files.write_runs(part, columns)
        self.clear()


def _append(columns: dict[str, list[Any]], row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        columns[name].append(value)
