"""Runs that exist in a results folder, and what makes it ready for new ones."""

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from benevolent.orchestrator.plan.cohorts import ExistingRuns
from benevolent.orchestrator.plan.plan import Plan
from benevolent.orchestrator.provenance import add_entry
from benevolent.trainables.config.record import RecordConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest, cohort_of_run, finished_runs, read_cohorts
from benevolent.trainables.store.plan_files import write_plan


@dataclass(frozen=True)
class ExistingCohorts:
    """The cohorts of a results folder, read once for each invocation.

    Attributes:
        cohorts: all there are.
        ended: for each, the ids of the runs that have ended in it.
        asked: the records that are asked for; `cohort_of_run` leaves out cohorts that do not record it.
    """

    cohorts: Sequence[Manifest]
    ended: Sequence[set[str]]
    asked: RecordConfig

    @classmethod
    def read(cls, results: Folder, asked: RecordConfig) -> "ExistingCohorts":
        """Read the cohorts of a results folder."""
        return cls(*read_cohorts(results), asked)

    def with_new(self, manifests: Sequence[Manifest]) -> "ExistingCohorts":
        """Return these cohorts and new ones, in which no run has ended."""
        ended_in_new = [set[str]() for _ in manifests]
        return ExistingCohorts([*self.cohorts, *manifests], [*self.ended, *ended_in_new], self.asked)

    def without_ends_in(self, cohort_ids: Collection[str]) -> "ExistingCohorts":
        """Return these cohorts, as if no run had ended in some of them."""
        ended = []
        for cohort, run_ids in zip(self.cohorts, self.ended, strict=True):
            ended.append(set[str]() if cohort.cohort_id in cohort_ids else run_ids)
        return ExistingCohorts(self.cohorts, ended, self.asked)

    def with_ends_in(self, results: Folder, cohorts: Sequence[Manifest]) -> "ExistingCohorts":
        """Return these cohorts with the runs that have ended by now in some of them; only these are read."""
        now = {cohort.cohort_id: set(finished_runs(results, cohort.cohort_id)) for cohort in cohorts}
        ended = []
        for cohort, run_ids in zip(self.cohorts, self.ended, strict=True):
            ended.append(now.get(cohort.cohort_id, run_ids))
        return ExistingCohorts(self.cohorts, ended, self.asked)

    @property
    def cohort_of_run(self) -> dict[str, int]:
        """The position of the cohort that each run is read from; without runs that lack some of what is asked."""
        return cohort_of_run(self.cohorts, self.ended, self.asked)

    @property
    def runs(self) -> ExistingRuns:
        """Return what planning needs to know of the runs in these cohorts."""
        records: dict[str, RecordConfig] = {}
        for cohort in self.cohorts:
            for run_id in cohort.run_ids:
                known = records.get(run_id)
                records[run_id] = known.union(cohort.record) if known else cohort.record
        cohort_ids = {run_id: self.cohorts[position].cohort_id for run_id, position in self.cohort_of_run.items()}
        return ExistingRuns(cohort_ids, records)

    def wanted(self, plan: Plan) -> tuple[list[Manifest], list[str]]:
        """Return the cohorts with runs of a plan, and those that they wait for; all other cohorts are left alone.

        Returns:
            the cohorts still to be trained, in the order to start them, and the ids of those that have ended.
        """
        cohort_of_run = self.cohort_of_run
        planned = set()
        to_train = set()
        for run_id in plan.runs["run_id"]:
            if run_id not in cohort_of_run:
                continue
            position = cohort_of_run[run_id]
            planned.add(position)
            if run_id not in self.ended[position]:
                to_train.add(position)
        done = planned - to_train
        to_train |= self._waited_for(to_train)
        order = {name: position for position, name in enumerate(plan.cohorts["cohort_id"])}
        # A cohort of an earlier plan that others wait for is in no order, and comes first.
        first_to_last = sorted(to_train, key=lambda position: order.get(self.cohorts[position].cohort_id, -1))
        ended = sorted(self.cohorts[position].cohort_id for position in done - to_train)
        return [self.cohorts[position] for position in first_to_last], ended

    def _waited_for(self, positions: set[int]) -> set[int]:
        """Return the unfinished cohorts that some cohorts wait for, directly or through others."""
        position_of = {cohort.cohort_id: position for position, cohort in enumerate(self.cohorts)}
        found: set[int] = set()
        waiting = list(positions)
        while waiting:
            for name in self.cohorts[waiting.pop()].waits_for:
                position = position_of.get(name)
                if position is None or position in found | positions:
                    continue
                if not self.ended[position] >= set(self.cohorts[position].run_ids):
                    found.add(position)
                    waiting.append(position)
        return found


def check_disk(results: Folder, needed_bytes: int) -> None:
    """Refuse to start on a disk that is full, or cannot be written to.

    Args:
        results: the results folder.
        needed_bytes: space that the sweep will take.

    Raises:
        BadInput: there is less space than that.
    """
    if not results.local:
        return
    try:
        place = Path(results.root)
        while not place.exists():  # a refusal leaves nothing behind, not even an empty folder
            place = place.parent
        if not place.is_dir():
            raise NotADirectoryError(f"{place} is a file")
        free = shutil.disk_usage(place).free
        if not os.access(place, os.W_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise _not_writable(results, error) from None
    if free < needed_bytes:
        line = f"--out {results.uri}: {decimal(free)} are free, the sweep takes up to {decimal(needed_bytes)}"
        raise BadInput(line)


def prepare(results: Folder, spec_text: str, plan: Plan) -> list[Manifest]:
    """Write the spec, the plan, the provenance and a manifest for every new cohort; return the manifests."""
    for part in paths.WRITTEN_BY_COMMANDS:
        results.delete_unfinished(part)  # that a killed process has left
    manifests = plan.new_manifests()
    try:
        results.write(paths.SPEC, spec_text.encode())
    except OSError as error:
        raise _not_writable(results, error) from None
    if manifests or not results.exists(paths.PROVENANCE):
        add_entry(results, manifests)
    for manifest in manifests:
        manifest.write(results)
    write_plan(results, plan.runs, plan.cohorts.drop(columns="new"))
    return manifests


def _not_writable(results: Folder, error: OSError) -> BadInput:
    return BadInput(f"--out {results.uri}: cannot be written to ({error.strerror or error})")


def read_from(results: Folder) -> list[str]:
    """Return the ids of the cohorts that runs are read from: those trained again for more records are left out."""
    cohorts, ended = read_cohorts(results)
    return sorted({cohorts[position].cohort_id for position in cohort_of_run(cohorts, ended).values()})
