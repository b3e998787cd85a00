"""Measures of stored parameters, computed one file at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.measures.effective_weights import plain_stack
from benevolent.analysis.measures.evaluate import measure_stack
from benevolent.analysis.measures.measured_together import blocks_of, networks_together
from benevolent.analysis.measures.missing_measures import MeasureJob
from benevolent.analysis.measures.selection import select
from benevolent.analysis.results import check_trust
from benevolent.trainables import data
from benevolent.trainables.config.run import Phase
from benevolent.trainables.config.stored_run import StoredRun
from benevolent.trainables.errors import damaged
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.computed_weights import computed_weights
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.store.statuses import MEASURE_ERROR
from benevolent.trainables.store.table_schemas import measure_rows
from benevolent.trainables.training.initial_state import InitialStates
from benevolent.trainables.training.teacher_labels import TeacherLabels


class MeasuredFile(NamedTuple):
    """Counts of the networks of a file that were measured, and of rows that say that a measure raised an error."""

    networks: int
    errors: int


def measure_file(results: Folder, job: MeasureJob, trust: bool = False, device: str = "cpu") -> MeasuredFile:
    """Measure the networks of a job, and write the rows as one file.

    Args:
        results: the results folder.
        job: the file, and the measures.
        trust: allow modules that the results name to be imported.
        device: where the measures are computed.
    """
    stored = MeasurableNetworks.load(results, job, trust, device)
    frames = []
    blocks = blocks_of(stored.about, networks_together(on_gpu=device != "cpu"))
    for rows in _with_equal_inputs(blocks, stored.inputs.values()):
        frame = stored.measure(rows, job.measures)
        frames.append(frame.assign(position=rows.numpy()[frame["position"]]))
    table = pd.concat(frames).sort_values("position", kind="stable", ignore_index=True)
    for column in ("run_id", "phase", "step"):
        table[column] = [stored.about[column][position] for position in table["position"]]
    results.write_table(job.output, measure_rows(table))
    return MeasuredFile(len(stored.configs), int(table["status"].str.startswith(MEASURE_ERROR).sum()))


class MeasurableNetworks(NamedTuple):
    """The networks of a job, with the data that they were trained on.

    Attributes:
        network: their architecture; computed weights are plain parameters in it, see `plain_stack`.
        configs: of the K runs, in the order of the file.
        about: their metadata: lists of `run_id`, `phase` and `step`.
        parameters: `name -> (K, ...)`.
        initial: the same at each run's random initialization.
        buffers: `name -> (K, ...)`.
        masks: `name -> (K, ...)`, False for pruned weights; empty if the runs are not pruned.
        inputs: of every split, and of the corrupted test splits that the job's measures read.
        labels: of every one of these `(K, N)`.
        true_labels: of the training split before corruption `(K, N)`.
    """

    network: Network
    configs: list[StoredRun]
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
        if job.run_ids is not None:
            stored = stored.of_runs(job.run_ids)
        about = stored.metadata
        tensors = {name: value.to(device) for name, value in stored.tensors.items()}
        manifest = Manifest.read(results, job.cohort_id)
        unknown = set(stored.run_ids).difference(manifest.stored_runs)
        if unknown:
            where = f"{results.uri}/{paths.cohort(job.cohort_id)}/{job.parameter_file}"
            raise damaged(where, f"run {min(unknown)} is not of this cohort")
        configs = [manifest.stored_runs[run_id] for run_id in stored.run_ids]
        for config in configs:
            check_trust(config, trust)
        dataset = data.load(configs[0].data, configs[0].precision, device)
        architecture = built_network.for_run(configs[0], dataset)
        parameters = {name: tensors[name] for name in architecture.shapes}  # the order of a file is arbitrary
        initial_states = InitialStates(results, manifest, architecture)
        masks = {name: mask.to(device) for name, mask in stored.masks.items()}
        drawn = []
        for row, config in enumerate(configs):
            own_masks = {name: mask[row] for name, mask in stored.masks.items()}
            drawn.append(initial_states.drawn(config, own_masks))
        phases = [_phase(config, name) for config, name in zip(configs, about["phase"], strict=True)]
        # For runs with fresh examples in every epoch, those of the first epoch stand for all.
        inputs = {name: data.inputs_of(dataset, configs, name, 0, phases[0].name) for name in dataset.splits}
        teacher_labels = TeacherLabels(results, manifest).labels

        def labels_of(split: str, phases: list[Phase]) -> Tensor:
            return data.labels_of(dataset, configs, phases, split, teacher_labels=teacher_labels)

        clean_phases = [replace(phase, label_corruption=0.0) for phase in phases]
        labels = {name: labels_of(name, phases) for name in inputs}
        for name in _corrupted_splits(job.measures, dataset):
            corrupted = data.corrupted_test(dataset, configs[0].data, name)
            inputs[name] = data.inputs_of(corrupted, configs, "test", 0, phases[0].name)
            labels[name] = labels["test"]
        initial = {name: _stacked(drawn, name, value) for name, value in parameters.items()}
        buffers = {name: tensors[name] for name in architecture.buffers.shapes}
        true_labels = labels["train"]
        if phases != clean_phases:
            true_labels = labels_of("train", clean_phases)
        if computed_weights(architecture.module):
            initial_buffers = {name: _stacked(drawn, name, value) for name, value in buffers.items()}
            initial = plain_stack(architecture, initial | initial_buffers)[1]
            architecture, plain, own_masks = plain_stack(architecture, {**buffers, **parameters})
            parameters = {name: plain[name] for name in architecture.shapes}
            initial = {name: initial[name] for name in architecture.shapes}
            buffers = {name: plain[name] for name in architecture.buffers.shapes}
            masks = masks | own_masks
        return cls(
            network=architecture,
            configs=configs,
            about=about,
            parameters=parameters,
            initial=initial,
            buffers=buffers,
            masks=masks,
            inputs=inputs,
            labels=labels,
            true_labels=true_labels,
        )

    def measure(self, rows: Tensor, measures: Sequence[str]) -> pd.DataFrame:
        """Measure the networks in some rows, which share their inputs (see `measure_stack`)."""
        splits = {}
        for name, inputs in self.inputs.items():
            splits[name] = (inputs.pick(rows[:1]), self.labels[name][rows])
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


def _corrupted_splits(measures: Sequence[str], dataset: data.Dataset) -> list[str]:
    """Return the corrupted test splits that measures read; none where the inputs are not images."""
    if dataset.scale is None:
        return []
    return [measure.corrupted_split for measure in select(measures) if measure.corrupted_split]


def _phase(config: StoredRun, name: str) -> Phase:
    return next(phase for phase in config.phases if phase.name == name)


def _stacked(networks: Sequence[Mapping[str, Tensor]], name: str, like: Tensor) -> Tensor:
    return torch.stack([tensors[name] for tensors in networks]).to(like)


def _picked(tensors: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in tensors.items()}


def _with_equal_inputs(blocks: Sequence[Sequence[int]], inputs: Iterable[data.Inputs]) -> Iterator[Tensor]:
    """Yield the rows of each block, divided so that runs in one part read the same inputs on all splits."""
    columns = []
    for split in inputs:
        columns.append(split.slot.unsqueeze(1))
        if split.subset is not None:
            columns.append(split.subset)
    kind_of_row = torch.cat(columns, 1).cpu().unique(dim=0, return_inverse=True)[1]
    for block in blocks:
        rows = torch.tensor(block)
        kinds = kind_of_row[rows]
        for kind in kinds.unique():
            yield rows[kinds == kind]
