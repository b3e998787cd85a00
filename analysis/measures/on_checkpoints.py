"""Measures of stored parameters: which are still missing, and computing them, one file at a time."""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from benevolent.analysis.measures.evaluate import ERROR, measure_stack
from benevolent.analysis.measures.measure import Measure
from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import check_trust
from benevolent.trainables import data
from benevolent.trainables.config.run import Phase, RunConfig
from benevolent.trainables.stack import network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.training.initial_state import InitialStates
from benevolent.trainables.training.teacher_labels import TeacherLabels

#: A stored network: (run_id, phase, step).
Place = tuple[str, str, int]


class MeasureJob(NamedTuple):
    """Measures to compute for a file of parameters, and the file that their rows go to."""

    cohort_id: str
    parameter_file: str
    measures: tuple[str, ...]
    output: str


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

    def missing(self, cohort_id: str, parameter_file: str, measures: Sequence[str] | None) -> MeasureJob | None:
        """Return the measures that lack a row of their version for some network of a file, in the order of `measures`.

        Args:
            cohort_id: of the cohort that the file belongs to.
            parameter_file: its path in the cohort's folder, as `CohortFiles.parameter_files` gives it.
            measures: names that `select` takes.

        Returns:
            the job of computing them for all networks of the file; None if none is missing.

        Raises:
            BadInput: an unknown measure, a user's own that does not import, or a damaged file.
        """
        chosen = select(measures)
        if chosen and cohort_id in self.names:
            networks = self._networks(cohort_id, parameter_file)
            versions = self._versions_of(cohort_id)
            chosen = [measure for measure in chosen if _is_missing(measure, networks, versions)]
        if not chosen:
            return None
        selectors = tuple(measure.selector for measure in chosen)
        return MeasureJob(cohort_id, parameter_file, selectors, self._new_file(cohort_id, parameter_file, chosen))

    def _new_file(self, cohort_id: str, parameter_file: str, measures: Sequence[Measure]) -> str:
        """Return the path of a file of measures that does not exist yet."""
        text = "\n".join(f"{measure.selector} {measure.version}" for measure in measures)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        existing = {f"{paths.MEASURES}/{name}" for name in self.names.get(cohort_id, ())}
        attempt = 1
        while True:
            path = paths.measures_file(cohort_id, parameter_file, digest, attempt)
            if path not in existing:
                return path
            attempt += 1

    def _networks(self, cohort_id: str, parameter_file: str) -> list[Place]:
        about = CohortFiles(self.results, cohort_id).folder.read_metadata(parameter_file)
        return list(zip(about["run_id"], about["phase"], about["step"], strict=True))

    def _versions(self, cohort_id: str) -> dict[tuple[str, str, int, str], int]:
        """Return the highest version of each (run_id, phase, step, measure) that has a row without an error."""
        versions: Counter[tuple[str, str, int, str]] = Counter()
        columns = ["run_id", "phase", "step", "name", "status", "version"]
        for file in self.names[cohort_id]:
            rows = self.results.read_table(f"{paths.MEASURES}/{file}", columns)
            is_error = pc.starts_with(rows["status"], ERROR)
            for row in rows.filter(pc.invert(is_error)).to_pylist():
                key = (row["run_id"], row["phase"], row["step"], row["name"])
                versions[key] = max(versions[key], row["version"])
        return versions


def _is_missing(measure: Measure, networks: Sequence[Place], versions: Mapping[tuple[str, str, int, str], int]) -> bool:
    return any(versions.get((*place, measure.name), -1) < measure.version for place in networks)


def measure_file(results: Folder, job: MeasureJob, trust: bool = False, device: str = "cpu") -> int:
    """Measure every network in a file of parameters, and write the rows as one file.

    Args:
        results: the results folder.
        job: which file, and which measures.
        trust: allow modules that the results name to be imported.
        device: where the measures are computed.

    Returns:
        the number of networks measured.
    """
    stored = MeasurableNetworks.load(results, job, trust, device)
    frames = []
    for rows in _rows_with_equal_inputs(stored.inputs.values()):
        frame = stored.measure(rows, job.measures)
        frames.append(frame.assign(position=rows.numpy()[frame["position"]]))
    table = pd.concat(frames).sort_values("position", kind="stable", ignore_index=True)
    for column in ("run_id", "phase", "step"):
        table[column] = [stored.about[column][position] for position in table["position"]]
    table["traceback"] = table["traceback"].astype("string")
    columns = ["run_id", "phase", "step", "name", "index", "value", "status", "seconds", "version", "traceback"]
    results.write_table(job.output, pa.Table.from_pandas(table[columns]))
    return len(stored.configs)


class MeasurableNetworks(NamedTuple):
    """The networks of one file of parameters, with the data that they were trained on.

    Attributes:
        network: their architecture.
        configs: of the K runs, in the order of the file.
        about: metadata of the file: lists of `run_id`, `phase` and `step`.
        parameters: `name -> (K, ...)`.
        initial: the same at each run's random initialization.
        buffers: `name -> (K, ...)`.
        masks: `name -> (K, ...)`, False for pruned weights; empty if the runs are not pruned.
        inputs: of every split.
        labels: of every split `(K, N)`.
        true_labels: of the training split before corruption `(K, N)`.
    """

    network: Network
    configs: list[RunConfig]
    about: dict[str, Any]
    parameters: dict[str, Tensor]
    initial: dict[str, Tensor]
    buffers: dict[str, Tensor]
    masks: dict[str, Tensor]
    inputs: dict[str, data.Inputs]
    labels: dict[str, Tensor]
    true_labels: Tensor

    @classmethod
    def load(cls, results: Folder, job: MeasureJob, trust: bool, device: str) -> "MeasurableNetworks":
        """Read the networks of a job's file, and the data of their runs."""
        stored = read_parameters(CohortFiles(results, job.cohort_id).folder, job.parameter_file)
        about = stored.metadata
        tensors = {name: value.to(device) for name, value in stored.tensors.items()}
        manifest = Manifest.read(results, job.cohort_id)
        config_of = {config.run_id: config for config in manifest.configs}
        configs = [config_of[run_id] for run_id in stored.run_ids]
        for config in configs:
            check_trust(config, trust)
        dataset = data.load(configs[0].data, configs[0].precision, device)
        architecture = network.for_run(configs[0], dataset)
        parameters = {name: tensors[name] for name in architecture.shapes}  # the order of a file is arbitrary
        initial_states = InitialStates(results, manifest, architecture)
        drawn = [initial_states.drawn(config) for config in configs]
        phases = [_phase(config, name) for config, name in zip(configs, about["phase"], strict=True)]
        # For runs with fresh examples in every epoch, those of the first epoch stand for all.
        inputs = {name: data.inputs_of(dataset, configs, name, 0, phases[0].name) for name in dataset.splits}
        teacher_labels = TeacherLabels(results, manifest).labels

        def labels_of(split: str, phases: list[Phase]) -> Tensor:
            return data.labels_of(dataset, configs, phases, split, teacher_labels=teacher_labels)

        clean_phases = [replace(phase, label_corruption=0.0) for phase in phases]
        labels = {name: labels_of(name, phases) for name in inputs}
        return cls(
            network=architecture,
            configs=configs,
            about=about,
            parameters=parameters,
            initial={name: _stacked(drawn, name, value) for name, value in parameters.items()},
            buffers={name: tensors[name] for name in architecture.buffers.shapes},
            masks={name: mask.to(device) for name, mask in stored.masks.items()},
            inputs=inputs,
            labels=labels,
            true_labels=labels["train"] if phases == clean_phases else labels_of("train", clean_phases),
        )

    def measure(self, rows: Tensor, measures: Sequence[str]) -> pd.DataFrame:
        """Measure the networks in some rows, which share their inputs (see `measure_stack`)."""
        splits = {name: (inputs.pick(rows[:1]), self.labels[name][rows]) for name, inputs in self.inputs.items()}
        loss = self.configs[0].loss
        return measure_stack(
            self.network,
            _picked(self.parameters, rows),
            _picked(self.initial, rows),
            splits,
            measures,
            _picked(self.buffers, rows),
            loss.name,
            loss.margin,
            self.true_labels[rows],
            _picked(self.masks, rows),
        )


def _phase(config: RunConfig, name: str) -> Phase:
    return next(phase for phase in config.phases if phase.name == name)


def _stacked(networks: Sequence[Mapping[str, Tensor]], name: str, like: Tensor) -> Tensor:
    return torch.stack([tensors[name] for tensors in networks]).to(like)


def _picked(tensors: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in tensors.items()}


def _rows_with_equal_inputs(inputs: Iterable[data.Inputs]) -> list[Tensor]:
    """Return the rows of runs that read the same inputs on all splits, in order, one tensor for each kind of inputs."""
    slots = torch.stack([split.slot for split in inputs], 1).cpu()
    kinds = slots.unique(dim=0, return_inverse=True)[1]
    return [(kinds == kind).nonzero().flatten() for kind in range(int(kinds.max()) + 1)]
