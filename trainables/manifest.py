"""What a cohort is: its runs and what to record, written before it trains and never changed."""

from dataclasses import dataclass

from trainables.config import RunConfig
from trainables.errors import BadInput
from trainables.section import Section
from trainables.storage import CohortFiles, Folder, cohort_ids


class Record(Section):
    """What is written down while training.

    `epochs`: after which epochs of a phase outcomes and dynamics are recorded; by default 0, 1, 2, 4, 8, ... (the
    same for every run, so that predictors can be compared at one epoch). The end of a phase is always recorded.
    `checkpoints`: whether parameters are kept there too. The start of a phase and each run's end always are.
    """

    epochs: tuple[int, ...] | None = None
    checkpoints: bool = False

    def is_due(self, epoch: int) -> bool:
        """Whether to record after this many epochs of a phase."""
        return epoch in self.epochs if self.epochs is not None else epoch & (epoch - 1) == 0


@dataclass(frozen=True)
class Manifest:
    """The runs of a cohort, their roles (`run`, or `parent`: trained only to be pruned), and whom it waits for."""

    cohort_id: str
    configs: tuple[RunConfig, ...]
    roles: tuple[str, ...]
    waits_for: tuple[str, ...] = ()
    record: Record = Record()

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs, in order."""
        return [config.run_id for config in self.configs]

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
        files.folder.write_json(files.manifest, value)

    @classmethod
    def read(cls, results: Folder, cohort_id: str) -> "Manifest":
        """Read a manifest back.

        Raises:
            BadInput: the file is damaged, or a run's config does not give its id (it is of another version).
        """
        files = CohortFiles(results, cohort_id)
        value = files.folder.read_json(files.manifest)
        where = f"{files.folder.uri}/{files.manifest}"
        try:
            configs = tuple(RunConfig.parse(run["config"], where) for run in value["runs"])
            ids, roles = [run["run_id"] for run in value["runs"]], tuple(run["role"] for run in value["runs"])
            record = value["record"]
            if record["epochs"] is not None:
                record["epochs"] = tuple(record["epochs"])
            manifest = cls(cohort_id, configs, roles, tuple(value["waits_for"]), Record.parse(record, where))
        except (KeyError, TypeError) as error:
            raise BadInput(f"{where}: damaged or not a file of this project ({error!r})") from None
        if ids != manifest.run_ids:
            raise BadInput(f"{where}: its run ids are of another version of benevolent; use a new --out folder")
        return manifest


def finished_runs(results: Folder, cohort_id: str) -> list[str]:
    """The ids of the runs of a cohort that have ended, whatever their status."""
    folder = CohortFiles(results, cohort_id).folder
    run_ids = []
    for name in folder.names("runs"):
        part = folder.read_table(f"runs/{name}")
        if "run_id" not in part.column_names:
            raise BadInput(f"{folder.uri}/runs/{name}: not a file of this project (it has no column run_id)")
        run_ids += part["run_id"].to_pylist()
    return run_ids


def known_runs(results: Folder) -> dict[str, str]:
    """`run_id -> cohort_id` of every run in a manifest."""
    known: dict[str, str] = {}
    for cohort_id in cohort_ids(results):
        files = CohortFiles(results, cohort_id)
        try:
            known |= {run["run_id"]: cohort_id for run in files.folder.read_json(files.manifest)["runs"]}
        except (KeyError, TypeError) as error:
            where = f"{files.folder.uri}/{files.manifest}"
            raise BadInput(f"{where}: damaged or not a file of this project ({error!r})") from None
    return known
