"""Learning and forgetting of single training examples, from the checkpoints of a run.

An example is right at a checkpoint if the network, in eval mode, predicts the label that the run was trained on.
Changes between two checkpoints are not seen, so counts of forgetting are at most those of Toneva et al., who look at
each example whenever a batch holds it. More checkpoints come closer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.results import Results, check_trust
from benevolent.trainables import data
from benevolent.trainables.arguments import checked_arguments
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import built_network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.scores import mistakes
from benevolent.trainables.stack.stack import pairs_at_once
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.training.running_stack import Tensors
from benevolent.trainables.training.teacher_labels import TeacherLabels


@dataclass(frozen=True, eq=False)
class CheckpointAnswers:
    """The examples that one network classifies rightly at one checkpoint.

    Attributes:
        epoch: of the checkpoint.
        right: `(N,)` True where the prediction is the label trained on.
    """

    epoch: float
    right: Tensor


@checked_arguments
def forgetting_table(results: Results, run_ids: Sequence[str]) -> pd.DataFrame:
    """Follow every training example through the last phase of runs.

    Sources: Toneva et al. 2019, "An empirical study of example forgetting during deep neural network learning"; Arpit
    et al. 2017, "A closer look at memorization in deep networks".

    Args:
        results: results of a sweep with `record: {measure_at: checkpoints}`.
        run_ids: ids of runs with two checkpoints or more after the start of their last phase.

    Returns:
        One row per run and example. Columns `run_id`; `example`, its position in the training split, of those that the
        run saw; `label`, the one
        trained on; `corrupted`, True if the data set, or the teacher, has another; `first_learned`, the epoch of the
        first checkpoint where it is right, NaN if there is none; `learned` and `forgotten`, how often it became right
        (the first time included) and wrong again from one checkpoint to the next; `right_at_end`. An untrained network
        has learned nothing: the start of the phase does not count.

    Raises:
        BadInput: an unknown run; a run with too few checkpoints, with real-valued targets, or that sees every example
            once (`data.fresh`); a user's module without `trust`.
    """
    cohorts: dict[str, tuple[Folder, str, list[RunConfig]]] = {}
    for run_id in run_ids:
        folder, cohort_id, config = results.cohorts.find(run_id)
        check_trust(config, results.trust)
        if config.data.fresh:
            raise BadInput(
                f"run {run_id}: no example comes twice with data.fresh: true, so none can be forgotten; needs "
                "data.fresh: false"
            )
        key = f"{folder.uri} {cohort_id}"
        if key not in cohorts:
            cohorts[key] = folder, cohort_id, []
        cohorts[key][2].append(config)
    tables: dict[str, pd.DataFrame] = {}
    for folder, cohort_id, configs in cohorts.values():
        tables |= _tables_of_cohort(folder, cohort_id, configs)
    return pd.concat([tables[run_id] for run_id in run_ids], ignore_index=True)


@checked_arguments
def summarize_forgetting(examples: pd.DataFrame, by: Sequence[str] = ("run_id",)) -> pd.DataFrame:
    """Summarize groups of examples.

    Args:
        examples: table from `forgetting_table`.
        by: its columns that make groups, such as `["run_id", "corrupted"]`.

    Returns:
        A row per group. Columns `examples`, their number; `never_learned`, the fraction that was never right;
        `unforgettable`, the fraction that was learned and never wrong again; `forgotten`, events per example;
        `first_learned`, the median epoch over the examples that were learned.

    >>> rows = {"first_learned": [1.0, 2.0, None], "learned": [1, 2, 0], "forgotten": [0, 2, 0]}
    >>> summarize_forgetting(pd.DataFrame({"run_id": "a"} | rows)).round(2).loc["a"].tolist()
    [3.0, 0.33, 0.33, 0.67, 1.5]
    """
    ever_learned = examples["learned"] > 0
    unforgettable = ever_learned & (examples["forgotten"] == 0)
    columns = examples.assign(never_learned=~ever_learned, unforgettable=unforgettable)
    groups = columns.groupby(list(by))
    return groups.agg(
        examples=("learned", "size"),
        never_learned=("never_learned", "mean"),
        unforgettable=("unforgettable", "mean"),
        forgotten=("forgotten", "mean"),
        first_learned=("first_learned", "median"),
    )


def _tables_of_cohort(folder: Folder, cohort_id: str, configs: list[RunConfig]) -> dict[str, pd.DataFrame]:
    """Return the table of each of some runs of a cohort, by run_id."""
    dataset = data.load(configs[0].data, configs[0].precision)
    if dataset.target == "real":
        raise BadInput(
            f"run {configs[0].run_id}: the targets of data.name = {configs[0].data.name!r} are real numbers; "
            "forgetting needs a data set with classes"
        )
    teacher_labels = TeacherLabels(folder, Manifest.read(folder, cohort_id)).labels
    phases = [config.phases[-1] for config in configs]
    clean_phases = [replace(phase, label_corruption=0.0) for phase in phases]
    inputs = data.inputs_of(dataset, configs, "train")
    labels = data.labels_of(dataset, configs, phases, "train", teacher_labels=teacher_labels)
    true_labels = data.labels_of(dataset, configs, clean_phases, "train", teacher_labels=teacher_labels)
    built = built_network.for_run(configs[0], dataset)
    answers = _answers_at_checkpoints(CohortFiles(folder, cohort_id), configs, built, inputs, labels)
    tables = {}
    for k, config in enumerate(configs):
        table = _table_of_run(config.run_id, answers[k], labels[k], true_labels[k])
        positions = data.subset_positions(config.data, config.seed)
        tables[config.run_id] = table.assign(example=positions.numpy())
    return tables


def _answers_at_checkpoints(
    cohort: CohortFiles, configs: list[RunConfig], built: Network, inputs: data.Inputs, labels: Tensor
) -> list[list[CheckpointAnswers]]:
    """Classify the training examples at every checkpoint of the last phase; for each run, in order of steps."""
    index = {}
    for k, config in enumerate(configs):
        index[config.run_id, config.phases[-1].name] = k
    answers: list[dict[int, CheckpointAnswers]] = [{} for _ in configs]  # for each run, by step
    for name in cohort.parameter_files():  # files of final parameters come last
        wanted = _wanted_rows(cohort.folder.read_metadata(name), index)
        if not wanted:
            continue
        tensors = read_parameters(cohort.folder, name).tensors
        for row, k, step, epoch in wanted:
            if paths.is_final(name):  # a run may have gone back, see `stop.snapshot_loss`
                answers[k] = {earlier: answer for earlier, answer in answers[k].items() if earlier < step}
            own_tensors = {key: value[row : row + 1] for key, value in tensors.items()}
            own_inputs = inputs.pick(slice(k, k + 1))
            right = _right_examples(built, own_tensors, own_inputs, labels[k : k + 1])
            answers[k][step] = CheckpointAnswers(epoch, right)
    return [list(by_step.values()) for by_step in answers]


def _wanted_rows(metadata: dict, index: dict[tuple[str, str], int]) -> list[tuple[int, int, int, float]]:
    """Return the rows of a parameter file that hold a run's last phase after its start.

    Args:
        metadata: of the file.
        index: number k of each run, by (run_id, name of its last phase).

    Returns:
        (row in the file, k, step, epoch).
    """
    wanted = []
    columns = zip(metadata["run_id"], metadata["phase"], metadata["step"], metadata["epoch"], strict=True)
    for row, (run_id, phase, step, epoch) in enumerate(columns):
        k = index.get((run_id, phase))
        if k is not None and step > 0:
            wanted.append((row, k, step, epoch))
    return wanted


@torch.no_grad()
def _right_examples(built: Network, tensors: Tensors, inputs: data.Inputs, labels: Tensor) -> Tensor:
    """Return the mask `(N,)` of examples for which one network predicts the label `(1, N)`."""
    parameters = built.parameters.views(built.parameters.rows(tensors))
    buffers = built.buffers.views(built.buffers.rows(tensors))
    batch = pairs_at_once(built.activations(inputs.shape))
    right = []
    for start in range(0, inputs.examples, batch):
        rows = inputs.rows(start, start + batch)
        logits = built.logits(parameters, buffers, rows)
        wrong = mistakes(logits, labels[:, start : start + batch])
        right.append(wrong[0] == 0)
    return torch.cat(right).cpu()


def _table_of_run(run_id: str, answers: list[CheckpointAnswers], labels: Tensor, true_labels: Tensor) -> pd.DataFrame:
    """Return the rows of one run from its answers at each checkpoint, in order of steps."""
    if len(answers) < 2:
        raise BadInput(
            f"run {run_id}: has {len(answers)} checkpoints after the start of its last phase, forgetting needs two or "
            "more; needs record.measure_at: checkpoints"
        )
    epochs = torch.tensor([answer.epoch for answer in answers]).double()
    right = torch.stack([answer.right for answer in answers])
    none_right = torch.zeros_like(right[:1])
    previously_right = torch.cat([none_right, right[:-1]])
    ever_right = right.any(0)
    first_right = epochs[right.int().argmax(0)]
    learned = right & ~previously_right
    forgotten = previously_right & ~right
    columns = {
        "label": labels.cpu(),
        "corrupted": (labels != true_labels).cpu(),
        "first_learned": torch.where(ever_right, first_right, torch.nan),
        "learned": learned.sum(0),
        "forgotten": forgotten.sum(0),
        "right_at_end": right[-1],
    }
    arrays = {name: values.numpy() for name, values in columns.items()}
    return pd.DataFrame({"run_id": run_id, "example": range(len(labels)), **arrays})
