"""What a cohort is: its runs and what to record, written before it trains and never changed."""

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass

from benevolent.trainables import plugins
from benevolent.trainables.config.base import Section
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles, cohort_ids
from benevolent.trainables.store.folder import Folder


class Record(Section):
    """What is written down while training.

    `epochs`: after which epochs of a phase outcomes and dynamics are recorded; by default 0, 1, 2, 4, 8, ... (the
    same for every run, so that predictors can be compared at one epoch). The end of a phase is always recorded.
    `also`: further epochs, so that a record can be the union of others. `steps`: steps of every phase after which to
    record besides. `checkpoints`: whether parameters are kept there too. The start of a phase and each run's end always
    are.

    `early_stop`: the validation loss is evaluated whenever the stop rule is (at the start of the last phase, then as
    `stop.check_every` or `stop.check_every_steps` say), and each run gets its minimum and the first epoch that has it
    (`early_stop_loss`, `early_stop_epoch`; 1.25 after a quarter of the second), and the outcomes `early_stop_loss` and
    `early_stop_error` on the test split of the network at that epoch (Frankle and Carbin 2019). The run itself goes on.
    """

    epochs: tuple[int, ...] | None = None
    also: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    checkpoints: bool = False
    early_stop: bool = False

    def is_due(self, epoch: int | float, step: int | None = None) -> bool:
        """Whether to record after this many epochs of a phase, or this many steps.

        >>> [Record(steps=(3,)).is_due(*place) for place in ((2, 8), (2.25, 9), (0.75, 3))]
        [True, False, True]
        """
        if step in self.steps or not isinstance(epoch, int):
            return step in self.steps
        return epoch in self.also or (epoch in self.epochs if self.epochs is not None else epoch & (epoch - 1) == 0)

    def epochs_before(self, last: int) -> set[int]:
        """The epochs that are due before the last of a phase, which always is.

        >>> sorted(Record(also=(5,)).epochs_before(9))
        [0, 1, 2, 4, 5, 8]
        """
        powers = (0, *(2**power for power in range(last.bit_length())))
        return {epoch for epoch in (*self.also, *(powers if self.epochs is None else self.epochs)) if epoch < last}

    def covers(self, other: "Record", last: int) -> bool:
        """Whether a run of at most `last` epochs a phase that kept this record has all that the other asks for."""
        return self == other or (
            self.checkpoints >= other.checkpoints
            and self.early_stop >= other.early_stop
            and {*self.steps} >= {*other.steps}
            and self.epochs_before(last) >= other.epochs_before(last)
        )

    def __or__(self, other: "Record") -> "Record":
        """The record that has what either has.

        >>> Record() | Record(epochs=(4, 5))
        Record(epochs=None, also=(5,), steps=(), checkpoints=False, early_stop=False)
        """
        log = self.epochs is None or other.epochs is None
        named = {*self.also, *other.also, *(self.epochs or ()), *(other.epochs or ())}
        further = tuple(sorted(epoch for epoch in named if not (log and Record().is_due(epoch))))
        epochs, also = (None, further) if log else (further, ())
        kept = {name: getattr(self, name) or getattr(other, name) for name in ("checkpoints", "early_stop")}
        return Record(epochs=epochs, also=also, steps=tuple(sorted({*self.steps, *other.steps})), **kept)


@dataclass(frozen=True)
class Manifest:
    """The runs of a cohort, their roles (`run`, or `parent`: others start from it), and whom it waits for."""

    cohort_id: str
    configs: tuple[RunConfig, ...]
    roles: tuple[str, ...]
    waits_for: tuple[str, ...] = ()
    record: Record = Record()

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs, in order."""
        return [config.run_id for config in self.configs]

    def last_epoch(self, row: int) -> int:
        """Of the longest phase that a run may have."""
        return max(phase.max_epochs for phase in self.configs[row].phases)

    @property
    def depth(self) -> int:
        """How many generations of runs must be there before."""
        return len(self.configs[0].ancestors)

    def finished(self, results: Folder) -> bool:
        """Whether every run has its row in the table `runs`."""
        return set(self.run_ids) <= set(finished_runs(results, self.cohort_id))

    def write(self, results: Folder) -> None:
        """Write `manifest.json`, the first file of a cohort."""
        runs = [
            {"run_id": config.run_id, "role": role, "config": config.model_dump(mode="json")}
            for config, role in zip(self.configs, self.roles, strict=True)
        ]
        record = self.record.model_dump(mode="json")
        value = {"cohort_id": self.cohort_id, "waits_for": self.waits_for, "record": record, "runs": runs}
        files = CohortFiles(results, self.cohort_id)
        files.folder.write_json(paths.MANIFEST, value)

    @classmethod
    def read(cls, results: Folder, cohort_id: str) -> "Manifest":
        """Read a manifest back.

        Raises:
            BadInput: the file is damaged, or a run's config does not give its id (it is of another version).
        """
        files = CohortFiles(results, cohort_id)
        value = files.folder.read_json(paths.MANIFEST)
        where = f"{files.folder.uri}/{paths.MANIFEST}"
        try:
            try:
                configs = tuple(RunConfig.parse(run["config"], where) for run in value["runs"])
            except BadInput as error:
                raise BadInput(f"{error}{plugins.missing_plugins_hint(results)}") from None
            ids, roles = [run["run_id"] for run in value["runs"]], tuple(run["role"] for run in value["runs"])
            record = value["record"]
            for name in ("epochs", "also", "steps"):
                if record.get(name) is not None:
                    record[name] = tuple(record[name])
            manifest = cls(cohort_id, configs, roles, tuple(value["waits_for"]), Record.parse(record, where))
        except (KeyError, TypeError) as error:
            raise BadInput(f"{where}: damaged or not a file of this project ({error!r})") from None
        if ids != manifest.run_ids:
            raise BadInput(f"{where}: its run ids are of another version of benevolent; use a new --out folder")
        return manifest


def finished_runs(results: Folder, cohort_id: str) -> list[str]:
    """The ids of the runs of a cohort that have ended, whatever their status."""
    return [run_id for part in CohortFiles(results, cohort_id).parts("runs") for run_id in part["run_id"].to_pylist()]


def homes(cohorts: Sequence[Manifest], ended: Sequence[Container[str]], asked: Record | None = None) -> dict[str, int]:
    """Where each run is found: in one cohort, though it may have been trained again for more records.

    A cohort in which the run has ended comes first, then the one with most records, then the first.

    Args:
        cohorts: all there are.
        ended: for each, the ids of the runs that have ended in it.
        asked: leave out cohorts that do not record this.

    Returns:
        `run_id -> position in cohorts`, without the runs that are nowhere.
    """
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, cohort in enumerate(cohorts):
        for row, run_id in enumerate(cohort.run_ids):
            places[run_id].append((place, row))

    def rank(run_id: str, place: int, row: int) -> tuple[bool, int, int]:
        record, last = cohorts[place].record, cohorts[place].last_epoch(row)
        records = len(record.epochs_before(last)) + len(record.steps)
        return run_id in ended[place], records, record.checkpoints + record.early_stop

    found = {}
    for run_id, there in places.items():
        if asked is not None:
            there = [(p, row) for p, row in there if cohorts[p].record.covers(asked, cohorts[p].last_epoch(row))]
        if there:
            found[run_id] = max(there, key=lambda where: rank(run_id, *where))[0] if len(there) > 1 else there[0][0]
    return found


def read_cohorts(results: Folder) -> tuple[list[Manifest], list[set[str]]]:
    """The cohorts of a results folder, and of each the ids of the runs that have ended."""
    names = cohort_ids(results)
    manifests = [Manifest.read(results, name) for name in names]
    return manifests, [set(finished_runs(results, name)) for name in names]
