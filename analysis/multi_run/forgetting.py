"""When the examples of a run are learned, and how often they are forgotten, from its kept checkpoints.

An example is right at a checkpoint if the network, in eval mode, gives it the label that the run was trained on. At
every checkpoint it is right or wrong, so what happens between two of them is not seen: counts of forgetting are at most
those of Toneva et al., who look at each example whenever a batch holds it. The more checkpoints, the nearer.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from benevolent.analysis.results import Results, check_trust
from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack import network
from benevolent.trainables.stack.network import Network
from benevolent.trainables.stack.stack import pairs_at_once
from benevolent.trainables.store import paths
from benevolent.trainables.store.cohort_files import CohortFiles
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.store.parameters import read_parameters
from benevolent.trainables.training.losses import mistakes
from benevolent.trainables.training.running_stack import Tensors
from benevolent.trainables.training.teacher_labels import TeacherLabels


def forgetting(results: Results, run_ids: Sequence[str]) -> pd.DataFrame:
    """What every training example went through in the last phase of runs (Toneva et al. 2019; Arpit et al. 2017).

    Args:
        results: of a sweep with `record: {measure_at: checkpoints}`.
        run_ids: of runs that kept two checkpoints or more after their start.

    Returns:
        One row per run and example. Columns `run_id`; `example`, its place in the training split; `label`, which was
        trained on; `corrupted`, whether the data set, or the teacher, has another; `first_learned`, the epoch of the
        first checkpoint where it is right, NaN if there is none; `learned` and `forgotten`, how often it was right
        where it had been wrong a checkpoint before (the first time included), and wrong where it had been right;
        `right_at_end`. An untrained network has learned nothing: the start of the phase does not count.

    Raises:
        BadInput: an unknown run; one that kept too few checkpoints, whose targets are real numbers, or that sees every
            example once (`data.fresh`); a user's module without `trust`.
    """
    cohorts: dict[str, tuple[Folder, str, list[RunConfig]]] = {}
    for run_id in run_ids:
        folder, cohort_id, config = results.cohorts.find(run_id)
        check_trust(config, results.trust)
        if config.data.fresh:
            raise BadInput(f"run {run_id}: data.fresh = True: no example comes twice, so none can be forgotten")
        cohorts.setdefault(f"{folder.uri} {cohort_id}", (folder, cohort_id, []))[2].append(config)
    tables = {run_id: table for place in cohorts.values() for run_id, table in _of_cohort(*place).items()}
    return pd.concat([tables[run_id] for run_id in run_ids], ignore_index=True)


def summarize(examples: pd.DataFrame, by: Sequence[str] = ("run_id",)) -> pd.DataFrame:
    """A row for each group of the rows that `forgetting` gave.

    Args:
        examples: what `forgetting` gave.
        by: columns of it, such as `["run_id", "corrupted"]`.

    Returns:
        Columns `examples`, how many; `never_learned` and `unforgettable`, the fractions that were never right, and that
        were never wrong again after the first time; `forgotten`, events per example; `first_learned`, the median epoch
        of those that were learned.

    >>> rows = {"first_learned": [1.0, 2.0, None], "learned": [1, 2, 0], "forgotten": [0, 2, 0]}
    >>> summarize(pd.DataFrame({"run_id": "a"} | rows)).round(2).loc["a"].tolist()
    [3.0, 0.33, 0.33, 0.67, 1.5]
    """
    ever = examples["learned"] > 0
    columns = examples.assign(never_learned=~ever, unforgettable=ever & (examples["forgotten"] == 0))
    return columns.groupby(list(by)).agg(
        examples=("learned", "size"),
        never_learned=("never_learned", "mean"),
        unforgettable=("unforgettable", "mean"),
        forgotten=("forgotten", "mean"),
        first_learned=("first_learned", "median"),
    )


def _of_cohort(folder: Folder, cohort_id: str, configs: list[RunConfig]) -> dict[str, pd.DataFrame]:
    """The tables of some runs of a cohort."""
    manifest, files = Manifest.read(folder, cohort_id), CohortFiles(folder, cohort_id).folder
    dataset = data.load(configs[0].data, configs[0].precision)
    if dataset.target == "real":
        raise BadInput(f"run {configs[0].run_id}: forgetting needs classes; the targets are real numbers")
    built, teach = network.for_run(configs[0], dataset), TeacherLabels(folder, manifest).labels
    phases = [config.phases[-1] for config in configs]
    clean = [replace(phase, label_corruption=0.0) for phase in phases]
    inputs = data.inputs_of(dataset, configs, "train")
    labels, truth = (data.labels_of(dataset, configs, some, "train", teacher_labels=teach) for some in (phases, clean))
    rows = {(config.run_id, phase.name): k for k, (config, phase) in enumerate(zip(configs, phases, strict=True))}
    right: list[dict[int, tuple[float, Tensor]]] = [{} for _ in configs]  # of each run, by step
    for name in CohortFiles(folder, cohort_id).parameter_files():  # the ends of runs come last
        about = files.read_metadata(name)
        places = list(zip(about["run_id"], about["phase"], about["step"], about["epoch"], strict=True))
        if not any(step > 0 and (run_id, phase) in rows for run_id, phase, step, _ in places):
            continue
        tensors = read_parameters(files, name).tensors
        for row, (run_id, phase, step, epoch) in enumerate(places):
            k = rows.get((run_id, phase))
            if k is None or not step:
                continue
            if paths.is_final(name):  # a run may have gone back, see `stop.snapshot_loss`
                right[k] = {before: seen for before, seen in right[k].items() if before < step}
            own = {key: value[row : row + 1] for key, value in tensors.items()}
            right[k][step] = epoch, _right(built, own, inputs.pick(slice(k, k + 1)), labels[k : k + 1])
    return {
        config.run_id: _table(config.run_id, list(right[k].values()), labels[k], truth[k])
        for k, config in enumerate(configs)
    }


@torch.no_grad()
def _right(built: Network, tensors: Tensors, inputs: data.Inputs, labels: Tensor) -> Tensor:
    """Which examples `(N,)` one network gives their label `(1, N)`."""
    parameters, buffers = (layout.views(layout.rows(tensors)) for layout in (built.parameters, built.buffers))
    size, found = pairs_at_once(built.activations(inputs.shape)), []
    for start in range(0, inputs.examples, size):
        logits = built.logits(parameters, buffers, inputs.rows(start, start + size))
        found.append(mistakes(logits, labels[:, start : start + size])[0] == 0)
    return torch.cat(found).cpu()


def _table(run_id: str, seen: list[tuple[float, Tensor]], labels: Tensor, truth: Tensor) -> pd.DataFrame:
    """The rows of one run, from the epochs of its checkpoints and what was right at each."""
    if len(seen) < 2:
        raise BadInput(
            f"run {run_id}: {len(seen)} checkpoints after the start of its last phase; forgetting needs two or more, "
            "as `record: {measure_at: checkpoints}` keeps them"
        )
    epochs, right = torch.tensor([epoch for epoch, _ in seen]).double(), torch.stack([one for _, one in seen])
    before = torch.cat([torch.zeros_like(right[:1]), right[:-1]])
    ever = right.any(0)
    columns = {
        "label": labels.cpu(),
        "corrupted": (labels != truth).cpu(),
        "first_learned": torch.where(ever, epochs[right.int().argmax(0)], torch.nan),
        "learned": (right & ~before).sum(0),
        "forgotten": (before & ~right).sum(0),
        "right_at_end": right[-1],
    }
    named = {name: values.numpy() for name, values in columns.items()}
    return pd.DataFrame({"run_id": run_id, "example": range(len(labels)), **named})
