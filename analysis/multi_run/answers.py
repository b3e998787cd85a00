"""Answers of many networks to the same examples, whether a network was trained on an example or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benevolent.analysis.results import Results, check_trust
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.scores import predicted
from benevolent.trainables.stack.stack import pairs_at_once
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.training.running_stack import Tensors
from benevolent.trainables.training.teacher_labels import TeacherLabels


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of R networks, at their ends, to the N examples of a split.

    Attributes:
        predicted: `(R, N)`, classes.
        labels: `(R, N)`, those that each run is trained on, or would be if it saw the example.
        true_labels: `(N,)`, before any corruption.
        seen: `(R, N)`, True where the run was trained on the example; False on held-out splits.
    """

    predicted: Tensor
    labels: Tensor
    true_labels: Tensor
    seen: Tensor

    @property
    def right(self) -> Tensor:
        """True where the answer is the run's label, `(R, N)`."""
        return self.predicted == self.labels


@checked_arguments
def answers_of_runs(results: Results, run_ids: Sequence[str], split: str) -> Answers:
    """Collect the answers of runs to all examples of a split, also to those that `data.subset` keeps from a run.

    Args:
        results: with the runs, all of one data set and split.
        run_ids: of the runs.
        split: `train`, `validation` or `test`.

    Raises:
        BadInput: an unknown run, runs whose splits differ, targets that are not classes, `data.fresh`, or a user's
            module without `trust`.
    """
    first = results.config(run_ids[0])
    dataset = data.load(first.data, first.precision)
    if dataset.target == "real" or first.data.fresh:
        raise BadInput(f"run {run_ids[0]}: answers are counted on classes, of examples that do not change")
    cohorts: dict[tuple[str, str], tuple[Folder, list[RunConfig]]] = {}
    for run_id in run_ids:
        folder, cohort_id, config = results.cohorts.find(run_id)
        check_trust(config, results.trust)
        own = data.load(config.data, config.precision)
        if own.checksum != dataset.checksum or len(own.train) != len(dataset.train):
            raise BadInput(f"run {run_id}: its data or splits are not those of run {run_ids[0]}")
        cohorts.setdefault((folder.uri, cohort_id), (folder, []))[1].append(config)
    rows: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
    for (_, cohort_id), (folder, configs) in cohorts.items():
        rows |= _rows_of_cohort(folder, cohort_id, configs, split)
    predictions, labels, seen = (torch.stack(part) for part in zip(*[rows[run_id] for run_id in run_ids], strict=True))
    return Answers(predictions, labels, dataset.splits[split].labels, seen)


def _rows_of_cohort(
    folder: Folder, cohort_id: str, configs: list[RunConfig], split: str
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Return predictions, labels and which examples were seen, each `(N,)`, of every run of one cohort."""
    dataset = data.load(configs[0].data, configs[0].precision)
    teach = TeacherLabels(folder, Manifest.read(folder, cohort_id)).labels
    phases = [config.phases[-1] for config in configs]
    inputs = data.inputs_of(dataset, configs, split, 0, phases[0].name, whole=True)
    labels = data.labels_of(dataset, configs, phases, split, teacher_labels=teach, whole=True)
    place = {config.run_id: k for k, config in enumerate(configs)}
    built = built_network.for_run(configs[0], dataset)
    files = CohortFiles(folder, cohort_id)
    rows = {}
    for name in files.final_files():
        stored = read_parameters(files.folder, name)
        wanted = [row for row, run_id in enumerate(stored.run_ids) if run_id in place]
        if not wanted:
            continue
        runs = [stored.run_ids[row] for row in wanted]
        places = torch.tensor([place[run_id] for run_id in runs])
        tensors = {key: value[wanted] for key, value in stored.tensors.items()}
        predictions = _predictions(built, tensors, inputs.pick(places))
        for run_id, prediction in zip(runs, predictions, strict=True):
            k = place[run_id]
            rows[run_id] = prediction, labels[k], _seen(configs[k], split, labels.shape[1])
    return rows


def _seen(config: RunConfig, split: str, examples: int) -> Tensor:
    seen = torch.zeros(examples, dtype=torch.bool)
    if split == "train":
        seen[data.subset_positions(config.data, config.seed)] = True
    return seen


@torch.no_grad()
def _predictions(built: Network, tensors: Tensors, inputs: data.Inputs) -> Tensor:
    """Return the classes `(K, N)` that K networks predict."""
    parameters = built.parameters.views(built.parameters.rows(tensors))
    buffers = built.buffers.views(built.buffers.rows(tensors))
    size = max(1, pairs_at_once(built.activations(inputs.shape)) // len(inputs))
    parts = []
    for start in range(0, inputs.examples, size):
        parts.append(predicted(built.logits(parameters, buffers, inputs.rows(start, start + size))))
    return torch.cat(parts, 1)
