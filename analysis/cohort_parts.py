"""The parts that cohorts have written, with each run read from one cohort only."""

import functools
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, homes
from benevolent.trainables.store.statuses import Status


class Cohorts:
    """All cohorts of some results folders, read once and kept.

    A run that was trained again for more records is in two cohorts. Of both, and in every table, only the rows of its
    home count: the cohort in which it has ended, and of several such the one that has recorded most.
    """

    def __init__(self, folders: Sequence[Folder]) -> None:
        self.folders = list(folders)
        self.all = [(folder, Manifest.read(folder, name)) for folder in self.folders for name in cohort_ids(folder)]

    @functools.cached_property
    def ended(self) -> list[set[str]]:
        """Of each cohort, the ids of the runs that have ended in it."""
        return [{run_id for part in parts for run_id in part["run_id"].to_pylist()} for parts in self._runs]

    @functools.cached_property
    def home(self) -> dict[str, int]:
        """Of each run, the place in `all` of the cohort that it is read from."""
        return homes(self._manifests, self.ended)

    def table(self, kind: str, columns: Iterable[str]) -> pd.DataFrame:
        """The table `runs`, `dynamics` or `outcomes`; `columns` are those of an empty one."""
        parts = [
            self._at_home(part, place)
            for place, (folder, manifest) in enumerate(self.all)
            for part in (self._runs[place] if kind == "runs" else CohortFiles(folder, manifest.cohort_id).parts(kind))
        ]
        frame = _united(parts, columns)
        keys = [column for column in ("run_id", "phase", "step", "split", "name") if column in frame]
        return frame.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True) if keys else frame

    def measures(self, columns: Iterable[str]) -> pd.DataFrame:
        """All rows of all files of measures, as they were written."""
        places = {(folder.uri, manifest.cohort_id): place for place, (folder, manifest) in enumerate(self.all)}
        parts = [
            self._at_home(
                folder.read_table(f"{paths.MEASURES}/{name}"), places.get((folder.uri, paths.measured_cohort(name)))
            )
            for folder in self.folders
            for name in folder.names(paths.MEASURES)
        ]
        return _united(parts, columns)

    def waiting(self) -> Iterator[tuple[RunConfig, str, str, str]]:
        """(config, cohort_id, role, status) of the runs that have not ended: `failed` if their cohort has."""
        for place, (folder, manifest) in enumerate(self.all):
            status = Status.TO_DO if CohortFiles(folder, manifest.cohort_id).why_failed is None else Status.FAILED
            for run_id, role, _ in manifest.runs:
                if self.home[run_id] == place and run_id not in self.ended[place]:
                    yield manifest.config(run_id), manifest.cohort_id, role, status

    def find(self, run_id: str) -> tuple[Folder, str, RunConfig]:
        """The folder, the cohort and the configuration of a run; `BadInput` if there is no such run."""
        if run_id not in self.home:
            raise BadInput(f"run_id = {run_id!r}: no such run" + did_you_mean(run_id, [*self.home][:8]))
        folder, manifest = self.all[self.home[run_id]]
        return folder, manifest.cohort_id, manifest.config(run_id)

    def failures(self) -> Iterator[tuple[Manifest, str]]:
        """The cohorts that have failed and left runs without what they record, each with the last line of why."""
        for folder, manifest in self.all:
            why = CohortFiles(folder, manifest.cohort_id).why_failed
            if why is not None:
                home = homes(self._manifests, self.ended, manifest.record)
                if any(run_id not in self.ended[home[run_id]] for run_id in manifest.run_ids):
                    yield manifest, why

    @functools.cached_property
    def _runs(self) -> list[list[pa.Table]]:
        found = []
        for folder, manifest in self.all:
            files = CohortFiles(folder, manifest.cohort_id)
            found.append(files.parts("runs"))
            files.check_needed_files(found[-1])
        return found

    @property
    def _manifests(self) -> list[Manifest]:
        return [manifest for _, manifest in self.all]

    def _at_home(self, part: pa.Table, place: int | None) -> pa.Table:
        """A part of a cohort's table without the runs that are read from another cohort."""
        runs = self.all[place][1].run_ids if place is not None else []
        elsewhere = [run_id for run_id in runs if self.home[run_id] != place]
        return part.filter(pc.invert(pc.is_in(part["run_id"], pa.array(elsewhere)))) if elsewhere else part


def _united(tables: list[pa.Table], columns: Iterable[str]) -> pd.DataFrame:
    """Parts of one table, united by column name; an empty table with `columns` if there are none."""
    if not tables:
        return pd.DataFrame({name: pd.Series(dtype=float if name == "value" else object) for name in columns})
    try:
        return pa.concat_tables(tables, promote_options="permissive").to_pandas()
    except pa.ArrowTypeError:
        # Networks of two families may have fields of one name and of different types: such a column is text.
        kinds: dict[str, set[pa.DataType]] = {}
        for field in (field for table in tables for field in table.schema if not pa.types.is_null(field.type)):
            kinds.setdefault(field.name, set()).add(field.type)
        mixed = {name for name, types in kinds.items() if len(types) > 1 and not all(map(_is_number, types))}
        texts = [table.cast(_with_text(table.schema, mixed)) for table in tables]
        return pa.concat_tables(texts, promote_options="permissive").to_pandas()


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _with_text(schema: pa.Schema, names: set[str]) -> pa.Schema:
    return pa.schema([pa.field(field.name, pa.string() if field.name in names else field.type) for field in schema])
