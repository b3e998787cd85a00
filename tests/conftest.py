"""A cohort trained in a temporary folder, and what it left on disk."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pytest
import torch

from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.training.cohort_training import CohortTraining
from benevolent.trainables.training.forest import ForestTraining
from benevolent.trainables.training.starting import start_training

torch.set_num_threads(1)


class Cohort:
    """A cohort of `configs` (nested dicts), written down and not yet trained."""

    def __init__(self, results: Folder, name: str, configs: list[dict], waits_for=(), record=None, plan=None) -> None:
        self.results, self.name, self.files = results, name, CohortFiles(results, name)
        self.configs = tuple(RunConfig.parse(config) for config in configs)
        roles = ("run",) * len(configs)
        Manifest.of(name, self.configs, roles, waits_for, RecordConfig.parse(record or {})).write(results)
        if plan:
            self.files.folder.write_json(paths.STACKS, {"kernel": plan[0], "size": plan[1]})

    def start(self, save_every_seconds: float = 1e9) -> CohortTraining | ForestTraining:
        return start_training(self.results, self.name, save_every_seconds=save_every_seconds)

    def train(self) -> "Cohort":
        assert self.start().advance(1e9).done
        return self

    @property
    def run_ids(self) -> list[str]:
        return [config.run_id for config in self.configs]

    def table(self, kind: str) -> pd.DataFrame:
        """All parts of a table in a fixed order, without what depends on the clock."""
        folder = self.files.folder
        parts = [folder.read_table(f"{kind}/{name}") for name in folder.names(kind)]
        table = pa.concat_tables(parts, promote_options="permissive").to_pandas()
        table = table.drop(columns=["seconds", "cohort_id"], errors="ignore")
        keys = [key for key in ("run_id", "phase", "step", "split", "name") if key in table]
        return table.sort_values(keys, ignore_index=True)

    def value(self, run_id: str, name: str, split: str | None = None) -> float:
        """The last value of a statistic or outcome of one run; NaN if there is none."""
        table = self.table("outcomes" if split else "dynamics")
        rows = table[(table.run_id == run_id) & (table.name == name)]
        rows = rows if split is None else rows[rows.split == split]
        return float(rows.value.iloc[-1]) if len(rows) else float("nan")

    def final(self) -> dict[str, dict[str, torch.Tensor]]:
        return self._tensors("final")

    def final_masks(self) -> dict[str, dict[str, torch.Tensor]]:
        return self._tensors("final", masks=True)

    def checkpoint(self, stem: str) -> dict[str, dict[str, torch.Tensor]]:
        return self._tensors("checkpoints", stem)

    def _tensors(self, kind: str, stem: str = "", masks: bool = False) -> dict[str, dict[str, torch.Tensor]]:
        found = {}
        for name in self.files.folder.names(kind):
            if name.startswith(stem):
                stored = read_parameters(self.files.folder, f"{kind}/{name}")
                for row, run_id in enumerate(stored.run_ids):
                    found[run_id] = stored.network(row)[masks]
        return found


@pytest.fixture
def cohort(tmp_path) -> Callable[..., Cohort]:
    """`cohort(name, configs, waits_for, record, plan)` in one results folder."""
    return lambda *arguments, **keywords: Cohort(Folder(tmp_path), *arguments, **keywords)
