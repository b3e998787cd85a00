"""Manifests: the runs of a cohort and what it records, written before it trains and never changed."""

import functools
import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.identity import ALGORITHM_VERSION, is_id
from benevolent.trainables.config.record import TRAINING_FIELDS, RecordConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.config.stored_run import StoredRun
from benevolent.trainables.errors import BadInput, damaged, located_in
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.missing_plugins import missing_plugins_hint
from benevolent.trainables.store.watched_config import check_watched_values

#: Run configurations that a process keeps: those of the cohorts that it trains or measures one after the other.
CONFIGS_KEPT = 2048
#: Key of a manifest whose run was trained in a loop that is not ours.
WATCHED = "watched"
OTHER_VERSION = "its run ids are of another version of benevolent; use a new --out folder"


class ManifestRun(NamedTuple):
    """One run of a cohort; `role` is `run` or `parent`.

    `values` are those of its `RunConfig` as JSON has them; of a watched run its `seed` and its user's `config`.
    """

    run_id: str
    role: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """The runs of a cohort, the cohorts it waits for, and what it records.

    Run configurations are made when they are first asked for, once for each run.

    Attributes:
        cohort_id: of the cohort.
        runs: the runs that train in it, in order.
        waits_for: ids of the cohorts with the parents and teachers of its runs.
        record: the records that are written while it trains.
        results: the results folder that it was read from.
        watched: True if its one run was trained in a loop that is not ours (`trainables.training.watch`).
    """

    cohort_id: str
    runs: tuple[ManifestRun, ...]
    waits_for: tuple[str, ...] = ()
    record: RecordConfig = RecordConfig()
    results: Folder | None = field(default=None, compare=False, repr=False)
    watched: bool = False

    @classmethod
    def of(
        cls,
        cohort_id: str,
        configs: Iterable[RunConfig],
        roles: Iterable[str],
        waits_for: tuple[str, ...] = (),
        record: RecordConfig | None = None,
    ) -> "Manifest":
        """Return the manifest of a cohort with these run configurations."""
        runs = [
            ManifestRun(config.run_id, role, config.model_dump(mode="json"))
            for config, role in zip(configs, roles, strict=True)
        ]
        return cls(cohort_id, tuple(runs), waits_for, record or RecordConfig())

    @functools.cached_property
    def configs(self) -> tuple[RunConfig, ...]:
        """The configurations of the runs, in order.

        Raises:
            BadInput: a configuration is not valid, or does not give the id of its run.
        """
        return tuple(self.config(run_id) for run_id in self.run_ids)

    def config(self, run_id: str) -> RunConfig:
        """Return the configuration of one run; raise `BadInput` as `configs`."""
        if run_id not in self._configs:
            self._configs[run_id] = self._parse(self.run(run_id))
        return self._configs[run_id]

    @functools.cached_property
    def stored_runs(self) -> dict[str, StoredRun]:
        """The runs by id, for those who need some of their sections only: no whole configuration is made."""
        return {run.run_id: StoredRun(run.values) for run in self.runs}

    def _parse(self, run: ManifestRun) -> RunConfig:
        if self.watched:
            raise BadInput(
                f"run {run.run_id}: it was trained in a loop of its user (`watch`), so its network and its data cannot "
                "be made again here"
            )
        folder = "" if self.results is None else f"{CohortFiles(self.results, self.cohort_id).folder.uri}/"
        where = f"{folder}{paths.MANIFEST}"
        try:
            config = _config_of(json.dumps(run.values))
        except BadInput as error:
            hint = "" if self.results is None else missing_plugins_hint(self.results)
            raise BadInput(f"{where}: {error}{hint}") from None
        if config.run_id != run.run_id:
            raise BadInput(f"{where}: {OTHER_VERSION}")
        return config

    @functools.cached_property
    def _configs(self) -> dict[str, RunConfig]:
        return {}

    @property
    def data(self) -> DataConfig:
        """The data of the first run: the same for all runs of a cohort but for fields marked `PerRun`."""
        return self.stored_runs[self.run_ids[0]].data

    @functools.cached_property
    def run_ids(self) -> list[str]:
        """The ids of the runs, in order."""
        return [run.run_id for run in self.runs]

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {run_id: place for place, run_id in enumerate(self.run_ids)}

    def run(self, run_id: str) -> ManifestRun:
        """Return the entry of one run."""
        return self.runs[self._places[run_id]]

    @property
    def roles(self) -> tuple[str, ...]:
        """The role of every run, in order."""
        return tuple(run.role for run in self.runs)

    def last_epoch(self, run_id: str) -> int:
        """Return the number of epochs of the longest phase that a run may have; 0 if only its user knows."""
        if self.watched:
            return 0
        return max(phase.max_epochs for phase in self.stored_runs[run_id].phases)

    def records(self, run_id: str, asked: RecordConfig) -> bool:
        """Return True if the cohort records for a run all that is asked."""
        return self.record == asked or self.record.covers(asked, self.last_epoch(run_id))

    def finished(self, results: Folder) -> bool:
        """Return True if every run has its row in the table `runs`."""
        return set(self.run_ids) <= set(finished_runs(results, self.cohort_id))

    def write(self, results: Folder) -> None:
        """Write `manifest.json`, the first file of a cohort."""
        value = {
            "cohort_id": self.cohort_id,
            "algorithm": ALGORITHM_VERSION,
            "waits_for": self.waits_for,
            "record": self.record.model_dump(mode="json", include=set(TRAINING_FIELDS)),
            "runs": [{"run_id": run_id, "role": role, "config": values} for run_id, role, values in self.runs],
        }
        if self.watched:
            value[WATCHED] = True
        files = CohortFiles(results, self.cohort_id)
        files.folder.write_json(paths.MANIFEST, value)

    @classmethod
    def read(cls, results: Folder, cohort_id: str) -> "Manifest":
        """Read a manifest back.

        Raises:
            BadInput: the file is damaged, or of another version.
        """
        files = CohortFiles(results, cohort_id)
        value = files.folder.read_json(paths.MANIFEST)
        where = f"{files.folder.uri}/{paths.MANIFEST}"
        try:
            runs = tuple(_run_of(run) for run in value["runs"])
            watched = bool(value.get(WATCHED))
            if watched:
                with located_in(where):
                    for run in runs:
                        check_watched_values(run.values)
            is_other_version = value["algorithm"] != ALGORITHM_VERSION and not watched
            if is_other_version or not runs:
                raise BadInput(f"{where}: {OTHER_VERSION}")
            record = RecordConfig.parse(value["record"], f"{where}: record")
            waits_for = tuple(_text(name) for name in value["waits_for"])
            return cls(cohort_id, runs, waits_for, record, results, watched)
        except (KeyError, TypeError) as error:
            raise damaged(where, repr(error)) from None


def _run_of(value: Any) -> ManifestRun:
    """Return a run from its JSON value; raise `KeyError` or `TypeError` if it is none."""
    config = value["config"]
    if not isinstance(config, dict):
        raise TypeError(f"config: {config!r:.40} is no mapping")
    run_id = _text(value["run_id"])
    if not is_id(run_id):
        raise TypeError(f"run_id: {run_id!r:.40} is no id")
    return ManifestRun(run_id, _text(value["role"]), config)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


@functools.lru_cache(maxsize=CONFIGS_KEPT)
def _config_of(text: str) -> RunConfig:
    """Return the configuration that JSON text describes: made once for all who read its manifest in this process."""
    return RunConfig.parse(json.loads(text))


def finished_runs(results: Folder, cohort_id: str) -> list[str]:
    """Return the ids of the runs of a cohort that have ended, whatever their status."""
    run_ids: list[str] = []
    for part in CohortFiles(results, cohort_id).parts("runs"):
        run_ids += part["run_id"].to_pylist()
    return run_ids


def cohort_of_run(
    cohorts: Sequence[Manifest], ended: Sequence[Container[str]], asked: RecordConfig | None = None
) -> dict[str, int]:
    """Return the cohort that each run is read from; a run may have been trained again for more records.

    A cohort in which the run has ended comes first, then the one with most records, then the first.

    Args:
        cohorts: all there are.
        ended: for each, the ids of the runs that have ended in it.
        asked: leave out cohorts that do not record this.

    Returns:
        `run_id -> position in cohorts`, without the runs that are in none.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, cohort in enumerate(cohorts):
        for run_id in cohort.run_ids:
            if asked is None or cohort.records(run_id, asked):
                places[run_id].append(place)

    def rank(run_id: str, place: int) -> tuple[bool, int, int]:
        record = cohorts[place].record
        records = len(record.epochs_before(cohorts[place].last_epoch(run_id))) + len(record.steps)
        return run_id in ended[place], records, record.keeps_checkpoints + record.early_stop

    best = {}
    for run_id, candidates in places.items():
        if len(candidates) == 1:
            best[run_id] = candidates[0]
        else:
            best[run_id] = max(candidates, key=functools.partial(rank, run_id))
    return best


def superseded(cohorts: Sequence[Manifest], ended: Sequence[Container[str]]) -> set[int]:
    """Return the positions of cohorts that nobody needs, since their runs were trained again for more records.

    Each run is read from another cohort. It has ended there, with all that this one records. So a cohort that asks for
    more and has not trained yet is not superseded.

    Args:
        cohorts: all there are.
        ended: for each, the ids of the runs that have ended in it.
    """
    read_from = cohort_of_run(cohorts, ended)

    def has_ended_elsewhere(run_id: str, position: int) -> bool:
        other = read_from[run_id]
        if other == position or run_id not in ended[other]:
            return False
        return cohorts[other].records(run_id, cohorts[position].record)

    found = set()
    for position, cohort in enumerate(cohorts):
        if all(has_ended_elsewhere(run_id, position) for run_id in cohort.run_ids):
            found.add(position)
    return found


def read_cohorts(results: Folder) -> tuple[list[Manifest], list[set[str]]]:
    """Return the cohorts of a results folder, and for each the ids of the runs that have ended."""
    names = cohort_ids(results)
    manifests = [Manifest.read(results, name) for name in names]
    return manifests, [set(finished_runs(results, name)) for name in names]
