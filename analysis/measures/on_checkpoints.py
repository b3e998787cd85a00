"""From files of parameters to files of measures: what is missing, and measuring it."""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch

from benevolent.analysis.measures.evaluate import ERROR, measure_stack
from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import check_trust
from benevolent.trainables import data
from benevolent.trainables.stack import network
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.training.initial_state import InitialStates
from benevolent.trainables.training.teacher_labels import TeacherLabels


class MeasureJob(NamedTuple):
    """Measures that a file of parameters lacks, and the file that their rows go to."""

    cohort_id: str
    parameter_file: str
    measures: tuple[str, ...]
    output: str


class ExistingMeasures:
    """What was measured when this was made: rows of `measures/` that are not errors.

    Every file of measures is read once, and only what says which measures it holds. One cohort is looked at after
    the other, and few are kept, so memory does not grow with the sweep.
    """

    def __init__(self, results: Folder) -> None:
        self.results = results
        self.names: dict[str, list[str]] = {}
        for name in results.names(paths.MEASURES):
            self.names.setdefault(paths.measured_cohort(name), []).append(name)
        self._of = functools.lru_cache(maxsize=32)(self._versions)

    def missing(self, cohort_id: str, parameter_file: str, measures: Sequence[str] | None) -> MeasureJob | None:
        """What is still to be measured: the measures without a row of their version for some network of a file.

        Args:
            cohort_id: whose parameters.
            parameter_file: its path in the cohort's folder, as `CohortFiles.parameter_files` gives it.
            measures: what `select` takes.

        Returns:
            the measures to compute for all networks of the file, in the order of `measures`; None if there are none.

        Raises:
            BadInput: an unknown measure, one's own that does not import, or a damaged file.
        """
        chosen = select(measures)
        if chosen and cohort_id in self.names:
            networks, known = self._networks(cohort_id, parameter_file), self._of(cohort_id)
            chosen = [
                measure
                for measure in chosen
                if not all(known.get((*place, measure.name), -1) >= measure.version for place in networks)
            ]
        if not chosen:
            return None
        set_and_versions = "\n".join(f"{measure.spelled} {measure.version}" for measure in chosen)
        digest = hashlib.sha256(set_and_versions.encode()).hexdigest()[:8]
        attempt, taken = 1, {f"{paths.MEASURES}/{name}" for name in self.names.get(cohort_id, ())}
        while (path := paths.measures_file(cohort_id, parameter_file, digest, attempt)) in taken:
            attempt += 1
        return MeasureJob(cohort_id, parameter_file, tuple(measure.spelled for measure in chosen), path)

    def _networks(self, cohort_id: str, parameters: str) -> list[tuple[str, str, int]]:
        about = CohortFiles(self.results, cohort_id).folder.read_metadata(parameters)
        return list(zip(about["run_id"], about["phase"], about["step"], strict=True))

    def _versions(self, cohort_id: str) -> dict[tuple[str, str, int, str], int]:
        """The highest version of each (run_id, phase, step, measure) that has a row without an error."""
        known: Counter[tuple[str, str, int, str]] = Counter()
        columns = ["run_id", "phase", "step", "name", "status", "version"]
        for name in self.names[cohort_id]:
            rows = self.results.read_table(f"{paths.MEASURES}/{name}", columns)
            rows = rows.filter(pc.invert(pc.starts_with(rows["status"], ERROR)))
            *places, versions = (rows[column].to_pylist() for column in (*columns[:4], "version"))
            for *place, version in zip(*places, versions, strict=True):
                key = (place[0], place[1], place[2], place[3])
                known[key] = max(known[key], version)
        return known


def measure_file(results: Folder, job: MeasureJob, trust: bool = False, device: str = "cpu") -> int:
    """Measure every network in a file of parameters, and write the rows as one file.

    Args:
        results: the results folder.
        job: which file, and which measures.
        trust: allow modules that the results name to be imported.
        device: where the measures are computed.

    Returns:
        how many networks were measured.
    """
    files = CohortFiles(results, job.cohort_id)
    stored = read_parameters(files.folder, job.parameter_file)
    tensors, about = stored.tensors, stored.metadata
    manifest = Manifest.read(results, job.cohort_id)
    configs = {config.run_id: config for config in manifest.configs}
    runs = [configs[run_id] for run_id in about["run_id"]]
    for config in runs:
        check_trust(config, trust)
    dataset = data.load(runs[0].data, runs[0].precision, device)
    architecture = network.for_run(runs[0], dataset)
    buffers = {name: tensors[name].to(device) for name in architecture.buffers.shapes}
    tensors = {name: tensors[name].to(device) for name in architecture.shapes}  # a file keeps no order
    origins = InitialStates(results, manifest, architecture)
    drawn = [origins.drawn(config) for config in runs]
    initial = {k: torch.stack([one[k] for one in drawn]).to(value) for k, value in tensors.items()}
    phases = [next(p for p in c.phases if p.name == name) for c, name in zip(runs, about["phase"], strict=True)]
    # Of fresh examples those of the first epoch stand for all.
    inputs = {name: data.inputs_of(dataset, runs, name, 0, phases[0].name) for name in dataset.splits}
    teach = TeacherLabels(results, manifest).labels
    labels = {name: data.labels_of(dataset, runs, phases, name, teacher_labels=teach) for name in inputs}
    as_they_were = [replace(phase, label_corruption=0.0) for phase in phases]
    true_labels = labels["train"]
    if phases != as_they_were:
        true_labels = data.labels_of(dataset, runs, as_they_were, "train", teacher_labels=teach)
    frames = []
    for rows in _alike(inputs.values()):
        splits = {name: (inputs[name].pick(rows[:1]), labels[name][rows]) for name in inputs}
        own = [{name: value[rows] for name, value in group.items()} for group in (tensors, initial, buffers)]
        loss = runs[0].loss
        what = (job.measures, own[2], loss.name, loss.margin, true_labels[rows])
        frame = measure_stack(architecture, own[0], own[1], splits, *what)
        frames.append(frame.assign(position=rows.numpy()[frame["position"]]))
    frame = pd.concat(frames).sort_values("position", kind="stable", ignore_index=True)
    for column in ("run_id", "phase", "step"):
        frame[column] = [about[column][position] for position in frame["position"]]
    order = ["run_id", "phase", "step", "name", "index", "value", "status", "seconds", "version"]
    results.write_table(job.output, pa.Table.from_pandas(frame[order]))
    return len(runs)


def _alike(inputs: Iterable[data.Inputs]) -> list[torch.Tensor]:
    """The places of runs that read the same inputs on all splits, each group in order."""
    slots = torch.stack([one.slot for one in inputs], 1).cpu()
    kinds = slots.unique(dim=0, return_inverse=True)[1]
    return [(kinds == kind).nonzero().flatten() for kind in range(int(kinds.max()) + 1)]
