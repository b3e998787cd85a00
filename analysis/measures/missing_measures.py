"""Measures of stored parameters that are still missing: planned by rows, so that no measure is computed twice."""

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow.compute as pc

from benevolent.analysis.measures.measure import Measure
from benevolent.analysis.measures.measured_together import blocks_of
from benevolent.analysis.measures.selection import select
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.statuses import MEASURE_ERROR

#: A stored network: (run_id, phase, step).
Place = tuple[str, str, int]


class MeasureJob(NamedTuple):
    """Measures to compute for a file of parameters, and the file that their rows go to.

    `run_ids`: the runs to measure; None for all in the file.
    """

    cohort_id: str
    parameter_file: str
    measures: tuple[str, ...]
    output: str
    run_ids: tuple[str, ...] | None = None


class ExistingMeasures:
    """Measures that existed when this was made: rows of `measures/` that are not errors.

    Every file of measures is read once, and only the columns that say which measures it holds. Cohorts are looked up
    one after the other, and few are kept, so memory does not grow with the sweep.
    """

    def __init__(self, results: Folder) -> None:
        self.results = results
        self.names: dict[str, list[str]] = {}
        for name in results.names(paths.MEASURES):
            self.names.setdefault(paths.measured_cohort(name), []).append(name)
        self._versions_of = functools.lru_cache(maxsize=32)(self._versions)

    def missing(
        self,
        cohort_id: str,
        parameter_file: str,
        measures: Sequence[str] | None,
        run_ids: Collection[str] | None = None,
    ) -> MeasureJob | None:
        """Return the measures that lack a row of their version for some network of a file, in the order of `measures`.

        Args:
            cohort_id: of the cohort that the file belongs to.
            parameter_file: its path in the cohort's folder, as `CohortFiles.parameter_files` gives it.
            measures: names that `select` takes.
            run_ids: the runs to measure; None for all.

        Returns:
            the job of computing them for those of these networks that lack some; None if none is missing.

        Raises:
            BadInput: an unknown measure, a user's own that does not import, or a damaged file.
        """
        chosen = select(measures)
        asked = None
        if run_ids is not None:
            present = [run_id for run_id, _, _ in self._networks(cohort_id, parameter_file)]
            asked = tuple(run_id for run_id in present if run_id in run_ids)
            if not asked:
                return None
        if chosen and cohort_id in self.names:
            networks = self._networks(cohort_id, parameter_file)
            if asked is not None:
                networks = [place for place in networks if place[0] in asked]
            versions = self._versions_of(cohort_id)
            lacking_of = {measure.name: _lacking(networks, measure, versions) for measure in chosen}
            chosen = [measure for measure in chosen if lacking_of[measure.name]]
            lacking = set[Place]().union(*lacking_of.values())
            if len(lacking) < len(networks):
                asked = tuple(place[0] for place in networks if place in lacking)
        if not chosen:
            return None
        selectors = tuple(measure.selector for measure in chosen)
        output = self._new_files(cohort_id, parameter_file, chosen, 1)[0]
        return MeasureJob(cohort_id, parameter_file, selectors, output, asked)

    def split(self, job: MeasureJob, together: int, most: int) -> list[MeasureJob]:
        """Return jobs that do the work of one in parts, with a file of rows each.

        Args:
            job: as `missing` returns it.
            together: most networks that are measured together, and so are in one part (`blocks_of`).
            most: most networks of a part, unless a block has more.
        """
        about = self._about(job.cohort_id, job.parameter_file)
        parts: list[list[str]] = [[]]
        for block in blocks_of(about, together):
            run_ids = [about["run_id"][row] for row in block]
            asked = [run_id for run_id in run_ids if job.run_ids is None or run_id in job.run_ids]
            if parts[-1] and len(parts[-1]) + len(asked) > most:
                parts.append([])
            parts[-1] += asked
        if len(parts) == 1:
            return [job]
        files = self._new_files(job.cohort_id, job.parameter_file, select(job.measures), len(parts))
        jobs = []
        for run_ids, file in zip(parts, files, strict=True):
            jobs.append(job._replace(run_ids=tuple(run_ids), output=file))
        return jobs

    def files_of(self, cohort_id: str) -> list[str]:
        """Return the paths of the files of measures that a cohort has."""
        return [f"{paths.MEASURES}/{name}" for name in self.names.get(cohort_id, ())]

    def names_of(self, cohort_id: str) -> set[str]:
        """Return the names of the measures that a cohort has rows of without an error."""
        if cohort_id not in self.names:
            return set()
        return {name for _, _, _, name in self._versions_of(cohort_id)}

    def _new_files(self, cohort_id: str, parameter_file: str, measures: Sequence[Measure], count: int) -> list[str]:
        """Return so many paths of files of measures that do not exist yet."""
        lines = [f"{measure.selector} {measure.version}" for measure in measures]
        text = "\n".join(lines)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        existing = set(self.files_of(cohort_id))
        files: list[str] = []
        for number in itertools.count(1):
            path = paths.measures_file(cohort_id, parameter_file, digest, number)
            if path not in existing:
                files.append(path)
            if len(files) == count:
                break
        return files

    def _about(self, cohort_id: str, parameter_file: str) -> dict[str, Any]:
        return CohortFiles(self.results, cohort_id).folder.read_metadata(parameter_file)

    def _networks(self, cohort_id: str, parameter_file: str) -> list[Place]:
        about = self._about(cohort_id, parameter_file)
        return list(zip(about["run_id"], about["phase"], about["step"], strict=True))

    def _versions(self, cohort_id: str) -> dict[tuple[str, str, int, str], int]:
        """Return the highest version of each (run_id, phase, step, measure) that has a row without an error."""
        versions: Counter[tuple[str, str, int, str]] = Counter()
        columns = ["run_id", "phase", "step", "name", "status", "version"]
        for file in self.names[cohort_id]:
            rows = self.results.read_table(f"{paths.MEASURES}/{file}", columns)
            is_error = pc.starts_with(rows["status"], MEASURE_ERROR)
            for row in rows.filter(pc.invert(is_error)).to_pylist():
                key = (row["run_id"], row["phase"], row["step"], row["name"])
                versions[key] = max(versions[key], row["version"])
        return versions


def lacking_measures(existing: ExistingMeasures, cohort_id: str, measures: Sequence[str] | None) -> set[str]:
    """Return the names of measures that are asked for and that a cohort has no row of, or only rows with errors."""
    return {measure.name for measure in select(measures)} - existing.names_of(cohort_id)


def missing_jobs(
    existing: ExistingMeasures,
    cohort_ids: Sequence[str],
    measures: Sequence[str] | None,
    checkpoints: bool,
    run_ids: Collection[str] | None = None,
) -> list[MeasureJob]:
    """Return a job for each file of parameters that lacks measures.

    Args:
        existing: the measures in the results folder.
        cohort_ids: the cohorts to look at.
        measures: names, as `analysis.measures.selection.select` takes them.
        checkpoints: include checkpoints, not only the parameters at each run's end.
        run_ids: the runs to measure; None for all.
    """
    jobs = []
    for cohort_id in cohort_ids:
        for file in CohortFiles(existing.results, cohort_id).parameter_files():
            if checkpoints or paths.is_final(file):
                job = existing.missing(cohort_id, file, measures, run_ids)
                if job is not None:
                    jobs.append(job)
    return jobs


def _lacking(
    networks: Sequence[Place], measure: Measure, versions: Mapping[tuple[str, str, int, str], int]
) -> set[Place]:
    """Return the networks that lack a row of a measure's version."""
    return {place for place in networks if versions.get((*place, measure.name), -1) < measure.version}
