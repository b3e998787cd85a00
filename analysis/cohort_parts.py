"""Tables of the cohorts in some results folders, with each run read from one cohort only."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from benevolent.analysis.united_tables import united
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput, damaged
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, cohort_of_run
from benevolent.trainables.store.statuses import Status
from benevolent.trainables.store.table_schemas import MEASURE_COLUMNS, as_declared

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a run that has not ended.
UNFINISHED_COLUMNS = ("run_id", "cohort_id", "role", "status")


def results_folders(where: str | Path | Folder | Sequence[str | Path | Folder]) -> list[Folder]:
    """Return one or several results folders, opened.

    Raises:
        BadInput: none is named, or one holds no results.
    """
    places = [where] if isinstance(where, str | Path | Folder) else list(where)
    if not places:
        raise BadInput("where: names no folder; expected one or several")
    folders = [place if isinstance(place, Folder) else Folder(place) for place in places]
    for folder in folders:
        folder.check_exists()
        if not folder.exists(paths.COHORTS):
            raise BadInput(f"{folder.uri}: holds no results (no folder 'cohorts' in it)")
    return folders


class Cohorts:
    """All cohorts of some results folders, read once and kept.

    A run that was trained again for more records is in two cohorts. It is read from the cohort in which it
    has ended, and if it has in both, the one that recorded more.

    Args:
        folders: the results folders.

    Attributes:
        folders: of every cohort.
        manifests: of every cohort.
    """

    def __init__(self, folders: Sequence[Folder]) -> None:
        self.results = list(folders)
        self.folders: list[Folder] = []
        self.manifests: list[Manifest] = []
        for folder in self.results:
            for name in cohort_ids(folder):
                self.folders.append(folder)
                self.manifests.append(Manifest.read(folder, name))

    @functools.cached_property
    def ended(self) -> list[set[str]]:
        """For each cohort, the ids of the runs that have ended in it."""
        return [set().union(*(part["run_id"].to_pylist() for part in parts)) for parts in self._parts_of_runs]

    @functools.cached_property
    def cohort_of_run(self) -> dict[str, int]:
        """For each run, the position of the cohort that it is read from."""
        return cohort_of_run(self.manifests, self.ended)

    def runs(self) -> pd.DataFrame:
        """Return one row per run: where and how it ended, or `failed` or `to do`; empty if there are no runs."""
        unfinished = pa.Table.from_pylist(list(self._unfinished()), _schema_of_text(UNFINISHED_COLUMNS))
        runs = united([*self._read_once(self._parts_of_runs), unfinished], ())
        return runs.drop_duplicates("run_id", keep="last").sort_values("run_id", ignore_index=True)

    def statuses(self) -> dict[str, str]:
        """Return the status of every run by its id, as the column of `runs`; pandas is not imported."""
        statuses: dict[str, str] = {}
        for part in self._read_once(self._parts_of_runs):
            statuses.update(zip(part["run_id"].to_pylist(), part["status"].to_pylist(), strict=True))
        statuses.update((run["run_id"], run["status"]) for run in self._unfinished())
        return statuses

    def table(self, name: paths.TableName, columns: Iterable[str]) -> pd.DataFrame:
        """Return the table `dynamics` or `outcomes`; an empty one has these columns."""
        positions = range(len(self.manifests))
        frame = united(self._read_once([self._files(position).parts(name) for position in positions]), columns)
        keys = [column for column in ("run_id", "phase", "step", "split", "name") if column in frame]
        return frame.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True)

    def measures(self, columns: Iterable[str]) -> pd.DataFrame:
        """Return all rows of all files of measures, as they were written; an empty table has these columns."""
        parts: list[list[pa.Table]] = [[] for _ in self.manifests]
        of_no_cohort: list[pa.Table] = []
        position_of = {}
        for position, manifest in enumerate(self.manifests):
            position_of[self.folders[position].uri, manifest.cohort_id] = position
        for folder in self.results:
            for name in folder.names(paths.MEASURES):
                path = f"{paths.MEASURES}/{name}"
                rows = as_declared(folder.read_table(path), MEASURE_COLUMNS, f"{folder.uri}/{path}")
                measured = position_of.get((folder.uri, paths.measured_cohort(name)))
                if measured is None:
                    of_no_cohort.append(rows)
                else:
                    parts[measured].append(rows)
        for position, manifest in enumerate(self.manifests):
            if manifest.watched:
                parts[position] += self._files(position).own_measures()
        return united([*self._read_once(parts), *of_no_cohort], columns)

    def find(self, run_id: str) -> tuple[Folder, str, RunConfig]:
        """Return the folder, the cohort and the configuration of a run; `BadInput` if there is no such run."""
        manifest = self.manifest(run_id)
        folder = self.folders[self.cohort_of_run[run_id]]
        return folder, manifest.cohort_id, manifest.config(run_id)

    def manifest(self, run_id: str) -> Manifest:
        """Return the manifest of the cohort that a run is read from; `BadInput` if there is no such run."""
        if run_id not in self.cohort_of_run:
            known = f"`results.runs.run_id` has all {len(self.cohort_of_run):,}"
            raise BadInput(f"run_id = {run_id!r}: no such run; {known}")
        return self.manifests[self.cohort_of_run[run_id]]

    @property
    def watched_fields(self) -> list[str]:
        """The names in the configurations that users gave to `watch`, in the order in which they first occur."""
        names: dict[str, None] = {}
        for manifest in self.manifests:
            if manifest.watched:
                names |= dict.fromkeys(manifest.runs[0].values["config"])
        return list(names)

    def failures(self) -> Iterator[tuple[Manifest, str]]:
        """Yield the cohorts that failed and left runs without their records, each with the last line of the reason."""
        for position, manifest in enumerate(self.manifests):
            reason = self._files(position).why_failed
            if reason is None:
                continue
            read_from = cohort_of_run(self.manifests, self.ended, manifest.record)
            if any(run_id not in self.ended[read_from[run_id]] for run_id in manifest.run_ids):
                yield manifest, reason

    def _files(self, position: int) -> CohortFiles:
        return CohortFiles(self.folders[position], self.manifests[position].cohort_id)

    def _unfinished(self) -> Iterator[dict[str, str]]:
        """Yield the rows of the runs that have not ended: `failed` if their cohort has failed, else `to do`."""
        for position, manifest in enumerate(self.manifests):
            status = Status.TO_DO if self._files(position).why_failed is None else Status.FAILED
            for run in manifest.runs:
                if self.cohort_of_run[run.run_id] == position and run.run_id not in self.ended[position]:
                    values = (run.run_id, manifest.cohort_id, run.role, str(status))
                    yield dict(zip(UNFINISHED_COLUMNS, values, strict=True))

    @functools.cached_property
    def _parts_of_runs(self) -> list[list[pa.Table]]:
        """For each cohort, the parts of its table `runs`."""
        parts = []
        for position in range(len(self.manifests)):
            files = self._files(position)
            parts.append(files.parts("runs"))
            files.check_needed_files(parts[-1])
            known = set(self.manifests[position].run_ids)
            for part in parts[-1]:
                if not known.issuperset(part["run_id"].to_pylist()):
                    raise damaged(f"{files.folder.uri}/runs", "a run is not of this cohort")
        return parts

    def _read_once(self, parts: Sequence[Sequence[pa.Table]]) -> list[pa.Table]:
        """Return the parts of all cohorts without the rows of runs that are read from another cohort."""
        kept = []
        for position, manifest in enumerate(self.manifests):
            elsewhere = [run_id for run_id in manifest.run_ids if self.cohort_of_run[run_id] != position]
            for part in parts[position]:
                if elsewhere:
                    part = part.filter(pc.invert(pc.is_in(part["run_id"], pa.array(elsewhere))))
                kept.append(part)
        return kept


def _schema_of_text(columns: Iterable[str]) -> pa.Schema:
    return pa.schema([pa.field(name, pa.string()) for name in columns])
