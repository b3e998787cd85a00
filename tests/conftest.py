"""What several files of tests share: a cohort trained in a temporary folder, and a Ray."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import torch
from in_process import leave_out_figures

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

gc.disable()  # until all tests are imported: to look for garbage in modules takes two fifths of that time
torch.set_num_threads(1)
#: To wait for the disk at every file would take a third of the tests' time. `tests/test_storage.py` tests the calls.
os.fsync = lambda descriptor: None
#: Ray reads it once per process, and tests share processes. `tests/test_ray_token.py` tests the default.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
#: Files with the longest tests. They run first, so that at the end no process is left alone with one; those that share
#: a Ray stand together.
FIRST = ["test_run", "test_faults", "test_study", "test_cluster", "test_s3", "test_docs", "test_examples"]
FIRST += ["test_every_study", "test_job_submit"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of `FIRST` to the front, in that order; the others stay as they are."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(FIRST)))


def pytest_collection_finish() -> None:
    """Collect garbage again, but not among what was imported."""
    gc.freeze()
    gc.enable()


class Cohort:
    """A cohort of `configs` (nested dicts), written down and not yet trained."""

    def __init__(self, results: Folder, name: str, configs: list[dict], waits_for=(), record=None, plan=None) -> None:
        self.results, self.name = results, name
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
    def files(self) -> CohortFiles:
        """The files of the latest attempt."""
        return CohortFiles(self.results, self.name)

    @property
    def run_ids(self) -> list[str]:
        return [config.run_id for config in self.configs]

    def table(self, kind: str) -> pd.DataFrame:
        """All parts of a table in a fixed order, without what depends on the clock."""
        files = self.files
        parts = [files.folder.read_table(f"{kind}/{name}") for name in files.names(kind)]
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
        for name in self.files.names(kind):
            if name.startswith(stem):
                stored = read_parameters(self.files.folder, f"{kind}/{name}")
                for row, run_id in enumerate(stored.run_ids):
                    found[run_id] = stored.network(row)[masks]
        return found


@pytest.fixture
def cohort(tmp_path) -> Callable[..., Cohort]:
    """`cohort(name, configs, waits_for, record, plan)` in one results folder."""
    return lambda *arguments, **keywords: Cohort(Folder(tmp_path), *arguments, **keywords)


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Reports without figures, for tests of what the page says."""
    leave_out_figures(monkeypatch)


@pytest.fixture(scope="session")
def worker_modules(tmp_path_factory) -> Path:
    """A folder of a user's own modules, which the workers of `one_cpu` can import."""
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="session")
def one_cpu(worker_modules):
    """`with one_cpu():` a Ray of one CPU is connected, which `run_sweep` uses, on a machine of one CPU.

    A start of Ray costs as much as the training of a small sweep, so all tests share one. A test that starts one of
    its own shuts this one down first.
    """
    import ray  # which takes long to import, and most tests do without

    @contextmanager
    def connected() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "sched_getaffinity", lambda process: {0})  # so that one actor measures
            patch.setenv("RAY_AUTH_MODE", "disabled")
            patch.setenv("RAY_worker_niceness", "0")
            patch.setenv("PYTHONPATH", str(worker_modules), prepend=os.pathsep)
            patch.syspath_prepend(worker_modules)
            if not ray.is_initialized():
                ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
            yield

    yield connected
    ray.shutdown()


@pytest.fixture
def shared_ray(one_cpu) -> Iterator[None]:
    """The same for the length of a test."""
    with one_cpu():
        yield
