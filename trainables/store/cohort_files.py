"""Files of one cohort: numbered parts of its tables, parameters, its state, and why it failed.

Only files that count are named: those of the latest attempt, and those that it goes on from.
"""

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa

from benevolent.trainables.errors import BadInput, damaged, one_line
from benevolent.trainables.store import attempts, paths, turns
from benevolent.trainables.store.attempts import Attempt
from benevolent.trainables.store.file_formats import parse_json
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.table_schemas import MEASURE_COLUMNS, PARTS, as_declared

#: Key in the parquet metadata of a part of `runs`: paths of all files that the runs finished so far need.
NEEDED_FILES = "files"
#: The same for the checkpoints that exist by then. They may be deleted once they are measured.
CHECKPOINTS = "checkpoints"
#: Key in the note about removed parameters: paths, in the results folder, of the measures that were taken of them.
MEASURES_TAKEN = "measures"


class CohortFiles:
    """The files of one cohort in a results folder; parts are numbered, and each is written once.

    Attributes:
        attempt: whose files are read and written: the latest one, as of the first look, or the one that was begun here.
    """

    def __init__(self, results: Folder, cohort_id: str) -> None:
        self.folder = results / paths.cohort(cohort_id)
        self.cohort_id = cohort_id

    @functools.cached_property
    def attempt(self) -> Attempt:
        """The attempt whose files are read and written."""
        return attempts.latest_attempt(self.folder)

    def begin_attempt(self, kept: Collection[str], prepare: Callable[[], None] | None = None) -> None:
        """Begin a new attempt, which this object is of from now on, and remove the files that no longer count.

        Unfinished files, which a killed process has left, are removed too.

        Args:
            kept: paths of the files that it goes on from.
            prepare: writes what has to be there when others see the attempt.

        Raises:
            Superseded: another process has begun one.
        """
        self.attempt = attempts.next_attempt(self.folder, self.attempt, kept)
        if prepare is not None:
            prepare()
        attempts.begin(self.folder, self.attempt)
        for kind in (*paths.TABLES, paths.FINAL, paths.CHECKPOINTS, paths.STATES):
            for name in self.folder.names(kind):
                path = f"{kind}/{name}"
                if not self.attempt.counts(path) and path != paths.DAMAGED_STATE:
                    self.folder.delete(path)
            self.folder.delete_unfinished(kind)
        self.folder.delete_unfinished(paths.ATTEMPTS)
        self.folder.delete_unfinished()
        for name in self.folder.names():
            if paths.is_failure(name) or paths.is_removed(name):
                self.folder.delete(name)

    def begin_anew(self) -> None:
        """Begin a new attempt that goes on from nothing, since files of the cohort are damaged or were removed."""
        try:
            self.attempt = attempts.latest_attempt(self.folder)
        except BadInput:
            self.attempt = Attempt(turns.latest_number(self.folder / paths.ATTEMPTS), "", frozenset())
        for name in (paths.MANIFEST, paths.STACKS):
            if not self._can_be_read(name):
                self.folder.delete(name)
        self.begin_attempt(kept=())

    def _can_be_read(self, name: str) -> bool:
        try:
            self.folder.read_json(name)
        except BadInput:
            return False
        return True

    def all_there(self, files: Sequence[str]) -> bool:
        """Return True if none of some files that count, by their paths in the cohort's folder, is missing."""
        return not self._missing(files)

    def check_latest(self) -> None:
        """Raise `Superseded` if another attempt has begun."""
        attempts.check_latest(self.folder, self.attempt)

    def names(self, kind: str) -> list[str]:
        """Return the file names of one kind: a table, checkpoints or final parameters."""
        return [name for name in self.folder.names(kind) if self.attempt.counts(f"{kind}/{name}")]

    def parts_before(self, part: int) -> list[str]:
        """Return the paths of the parts of every table, and of the final parameters, up to number `part`."""
        found = []
        for kind in (*paths.TABLES, paths.FINAL):
            found += [f"{kind}/{name}" for name in self.names(kind) if paths.part_number(name) < part]
        return found

    def parts(self, table: paths.TableName) -> list[pa.Table]:
        """Return the parts of a table.

        Raises:
            BadInput: a part is damaged, or lacks a column.
        """
        parts = []
        for name in self.names(table):
            part = self.folder.read_table(f"{table}/{name}")
            parts.append(as_declared(part, PARTS[table], f"{self.folder.uri}/{table}/{name}"))
        return parts

    def write_part(self, table: paths.TableName, part: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write one part of the table `dynamics` or `outcomes`."""
        path = paths.table_part(table, part, self.attempt.name)
        self.folder.write_table(path, pa.table(dict(columns), schema=PARTS[table]))

    def write_runs(self, part: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Write a part of `runs`, after all other files of that part; it lists the files that exist by then."""
        needed = []
        for kind in ("dynamics", "outcomes", paths.FINAL):
            needed += self._paths(kind)
        listed = {NEEDED_FILES: json.dumps(needed), CHECKPOINTS: json.dumps(self._paths(paths.CHECKPOINTS))}
        table = pa.table(dict(columns), schema=PARTS["runs"]).replace_schema_metadata(listed)
        self.folder.write_table(paths.table_part("runs", part, self.attempt.name), table)

    def own_measures(self) -> list[pa.Table]:
        """Return the measures that were taken in the loop of a watched run."""
        tables = []
        for name in self.folder.names(paths.MEASURES):
            path = f"{paths.MEASURES}/{name}"
            tables.append(as_declared(self.folder.read_table(path), MEASURE_COLUMNS, f"{self.folder.uri}/{path}"))
        return tables

    def check_needed_files(self, runs: Sequence[pa.Table]) -> None:
        """Refuse a cohort that lacks a file which its finished runs need.

        Args:
            runs: the parts of the table `runs`.

        Raises:
            BadInput: a file that the last part lists is missing.
        """
        missing = self._missing(self._listed(runs, NEEDED_FILES))
        if missing and self.parameters_removed:
            missing = [path for path in missing if not paths.is_final(path)]
        if missing:
            raise BadInput(f"{self.folder.uri}/{missing[0]}: missing, but runs that have finished need it")

    def missing_checkpoints(self, runs: Sequence[pa.Table]) -> list[str]:
        """Return the paths of checkpoints that somebody deleted; `runs` are the parts of that table."""
        missing = self._missing(self._listed(runs, CHECKPOINTS))
        return [] if missing and self.parameters_removed else missing

    def _missing(self, files: Sequence[str]) -> list[str]:
        """Return those of some paths in the cohort's folder at which there is no file that counts."""
        names: dict[str, list[str]] = {}
        missing = []
        for path in files:
            kind, _, name = path.partition("/")
            if kind not in names:
                names[kind] = self.names(kind)
            if name not in names[kind]:
                missing.append(path)
        return missing

    @property
    def why_failed(self) -> str | None:
        """Last line of the error that ended the cohort's last attempt; None if it did not fail.

        Raises:
            BadInput: the file that says so is damaged.
        """
        if not self.folder.exists(self.failure_path):
            return None
        value = self.folder.read_json(self.failure_path)
        traceback = value.get("traceback") if isinstance(value, dict) else None
        if not isinstance(traceback, str) or not traceback.strip():
            raise damaged(f"{self.folder.uri}/{self.failure_path}", "no text of an error")
        last = traceback.strip().splitlines()[-1]
        return last.removeprefix(f"{BadInput.__module__}.{BadInput.__name__}: ")

    @property
    def failure_path(self) -> str:
        """Path, in the cohort's folder, of the reason why the attempt failed."""
        return paths.failure(self.attempt.name)

    @property
    def parameters_removed(self) -> bool:
        """True if `remove_parameters` was called."""
        return self.folder.exists(paths.removed(self.attempt.name))

    @property
    def measures_taken(self) -> list[str]:
        """Paths, in the results folder, of the measures that cannot be taken again, as parameters were removed.

        Raises:
            BadInput: the note about it is damaged.
        """
        if not self.parameters_removed:
            return []
        path = paths.removed(self.attempt.name)
        note = self.folder.read_json(path)
        if isinstance(note, list):  # of a version that noted only what it removed
            return []
        taken = note.get(MEASURES_TAKEN) if isinstance(note, dict) else None
        if not isinstance(taken, list) or not all(isinstance(measures, str) for measures in taken):
            raise damaged(f"{self.folder.uri}/{path}", "no list of measures")
        return taken

    def remove_parameters(self, measures: Collection[str] = ()) -> None:
        """Remove every checkpoint and all final parameters, and note that this was meant (`record.keep_parameters`).

        Those that a worker which was cut off has written for an earlier attempt are removed, too.

        Args:
            measures: paths, in the results folder, of the files of measures that were taken of them.
        """
        files = [f"{kind}/{name}" for kind in (paths.CHECKPOINTS, paths.FINAL) for name in self.folder.names(kind)]
        if not files:
            return
        if not self.parameters_removed:  # else a removal that was killed is completed
            self.folder.write_json(paths.removed(self.attempt.name), {MEASURES_TAKEN: sorted(measures)})
        for path in files:
            self.folder.delete(path)

    def delete_states(self) -> None:
        """Remove every state: nothing goes on from them."""
        for name in self.folder.names(paths.STATES):
            self.folder.delete(f"{paths.STATES}/{name}")

    @property
    def state_path(self) -> str:
        """Path, in the cohort's folder, of the attempt's state."""
        return paths.state(self.attempt.name)

    def checkpoint(self, phase: str, step: int) -> str | None:
        """Return the path, in the cohort's folder, of a checkpoint; None if there is none."""
        for name in self.names(paths.CHECKPOINTS):
            if paths.checkpoint_place(name) == (phase, step):
                return f"{paths.CHECKPOINTS}/{name}"
        return None

    def parameter_files(self) -> list[str]:
        """Return the paths, in the cohort's folder, of every checkpoint and every file of final parameters."""
        return [*self._paths(paths.CHECKPOINTS), *self.final_files()]

    def final_files(self) -> list[str]:
        """Return the paths, in the cohort's folder, of the files of final parameters."""
        return self._paths(paths.FINAL)

    def _paths(self, kind: str) -> list[str]:
        return [f"{kind}/{name}" for name in self.names(kind)]

    def _listed(self, runs: Sequence[pa.Table], key: str) -> list[str]:
        """Return the paths that the last of some parts of `runs` lists; none if it does not."""
        if not runs:
            return []
        metadata = runs[-1].schema.metadata or {}
        try:
            listed = parse_json(metadata.get(key.encode(), b"[]"))
        except ValueError as error:
            raise BadInput(
                f"{self.folder.uri}/runs: the last part lists no files of this project ({one_line(error)})"
            ) from None
        if not isinstance(listed, list):
            raise BadInput(f"{self.folder.uri}/runs: the last part lists no files of this project (no list)")
        return [str(path) for path in listed]


def cohort_ids(results: Folder) -> list[str]:
    """Return the cohorts for which a results folder has a manifest."""
    names = results.names(paths.COHORTS)
    return [name for name in names if results.exists(f"{paths.cohort(name)}/{paths.MANIFEST}")]
