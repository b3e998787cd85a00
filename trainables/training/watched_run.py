"""A run of a loop that is not ours, in a results folder beside others of its kind.

Each run has a folder of its own below `cohorts/`, with the files of a cohort, named by the run and by what was
recorded. The manifest is written last, so that a run is there whole or not at all, and two processes never write one
file.
"""

import hashlib
import json
import operator
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benevolent.trainables.config import identity
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, ManifestRun
from benevolent.trainables.store.statuses import Role
from benevolent.trainables.store.table_schemas import PARTS, measure_rows
from benevolent.trainables.store.watched_config import seed_value
from benevolent.trainables.training.watched_tables import dynamics_columns, measures_table, outcome_columns
from benevolent.trainables.training.watched_values import config_values, end_status, identity_of_value, outcome_value

#: The one phase of a watched run.
PHASE = "train"


@dataclass(frozen=True)
class WatchedRun:
    """A run that is going to be saved.

    Attributes:
        folder: the results folder.
        config: what may differ between runs, `name -> value`.
        seed: that tells the runs of one config apart.
        replace: take the place of a run of the same config and seed.
        begun: time at which it began, in seconds.
    """

    folder: Folder
    config: Mapping[str, bool | int | float | str]
    seed: int
    replace: bool = False
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def of(
        cls, folder: str | Path | Folder, config: Mapping[str, Any], seed: int | None, replace: bool = False
    ) -> "WatchedRun":
        """Return the run with a config and a seed.

        Raises:
            BadInput: a name in the config is that of a column of the results, a value is no number, text or truth
                value, or the seed is missing or no integer.
        """
        if seed is None:
            raise BadInput("seed: missing; runs that are saved need one, which tells those of one config apart")
        try:
            number = operator.index(seed)
        except TypeError:
            raise BadInput(f"seed: {seed!r}; expected an integer") from None
        place = folder if isinstance(folder, Folder) else Folder(folder)
        return cls(place, config_values(config), seed_value(number), replace)

    @property
    def configuration(self) -> str:
        """The id that all runs of this config have."""
        return identity.id_text(identity.configuration_id(self._text))

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return identity.id_text(identity.run_id(self._text, self.seed))

    @property
    def _text(self) -> str:
        lines = [f"{name}={identity_of_value(value)}\n" for name, value in sorted(self.config.items())]
        return "watched\n" + "".join(lines)

    def check_folder(self) -> None:
        """Refuse a folder that this run cannot be written to.

        Raises:
            BadInput: the folder belongs to a sweep or holds other files, cannot be written to, or has this run already.
        """
        where = f"save_to {self.folder.uri}"
        if self.folder.local:
            _check_writable(Path(self.folder.root), where)
        names = self.folder.names()
        if paths.SPEC in names or paths.PLAN in names:
            raise BadInput(f"{where}: holds a sweep; give another folder")
        if names and paths.COHORTS not in names:
            raise BadInput(f"{where}: holds files but no results; give a new or an empty folder")
        if self._written() and not self.replace:
            raise BadInput(
                f"{where}: holds a run of this config with seed {self.seed} already; give another seed or folder, or "
                "replace=True"
            )

    def write(
        self,
        dynamics: Sequence[Mapping[str, Any]],
        outcomes: Mapping[str, Any],
        measures: pd.DataFrame | None,
        converged: bool,
        outputs: int = 0,
    ) -> str:
        """Write the run, whole or not at all, and return its id; the same results written again change nothing.

        Args:
            dynamics: rows with `step`, `epoch` and every statistic.
            outcomes: `<split>_<name>` -> value, at the end.
            measures: as `measure_network` returns them, at the end.
            converged: False if the loop ended at its limit.
            outputs: number of outputs of the network, if known: of one, an error may be that of real targets.

        Raises:
            BadInput: nothing was watched, an outcome has an unknown name, is no number or out of its range, a measure
                has the name of a value of the config, or another process has written other results of this run.
        """
        if not dynamics:
            raise BadInput("finish: nothing was watched; the loop runs in the block that begins with `with watch(...)`")
        values = {name: outcome_value(name, value, outputs) for name, value in outcomes.items()}
        place = {"run_id": self.run_id, "phase": PHASE, "step": int(dynamics[-1]["step"])}
        measured = None if measures is None else measures_table(measures, self.config, place)
        status = end_status(dynamics[-1], values, converged)
        known = [list(dynamics), values, status, "" if measured is None else measured.drop(columns="seconds").to_json()]
        digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()
        cohort_id = f"{self.run_id}-{digest[:8]}"
        written = self._written()
        if cohort_id in written:
            return self.run_id
        if written and not self.replace:
            raise BadInput(
                f"save_to {self.folder.uri}: has got other results of this config with seed {self.seed} meanwhile; "
                "give another seed or folder, or replace=True"
            )
        ended = {**place, "cohort_id": cohort_id, "role": str(Role.RUN), "status": status}
        ended |= {"epoch": float(dynamics[-1]["epoch"]), "seconds": time.monotonic() - self.begun}
        self._write_files(ended, dynamics_columns(dynamics, place), outcome_columns(values, place), measured)
        for other in written:
            _delete(self.folder, other)
        return self.run_id

    def _write_files(
        self,
        ended: Mapping[str, Any],
        dynamics: Mapping[str, list[Any]],
        outcomes: Mapping[str, list[Any]],
        measures: pd.DataFrame | None,
    ) -> None:
        """Write all files of the run, the manifest last.

        Args:
            ended: its row in the table `runs`.
            dynamics: columns of the table.
            outcomes: columns of the table.
            measures: rows of the table; None if there are none.
        """
        files = CohortFiles(self.folder, ended["cohort_id"])
        files.write_part("dynamics", 0, dynamics)
        files.write_part("outcomes", 0, outcomes)
        if measures is not None:
            files.folder.write_table(paths.own_measures(0), measure_rows(measures))
        files.write_runs(0, {name: [ended[name]] for name in PARTS["runs"].names})
        about = {"configuration": self.configuration, "seed": self.seed, "config": dict(self.config)}
        runs = (ManifestRun(self.run_id, str(Role.RUN), about),)
        Manifest(ended["cohort_id"], runs, watched=True).write(self.folder)

    def _written(self) -> list[str]:
        """Return the ids of the cohorts that hold this run."""
        own = [name for name in self.folder.names(paths.COHORTS) if name.startswith(f"{self.run_id}-")]
        return [name for name in own if self.folder.exists(f"{paths.cohort(name)}/{paths.MANIFEST}")]


def _check_writable(root: Path, where: str) -> None:
    place = root
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise BadInput(f"{where}: {place} is a file; give a folder")
    if not os.access(place, os.W_OK):
        raise BadInput(f"{where}: cannot be written to (permission denied)")


def _delete(results: Folder, cohort_id: str) -> None:
    """Delete a watched run, its manifest first: without it the run is not there."""
    folder = CohortFiles(results, cohort_id).folder
    folder.delete(paths.MANIFEST)
    for kind in (*paths.TABLES, paths.MEASURES):
        for name in folder.names(kind):
            folder.delete(f"{kind}/{name}")
