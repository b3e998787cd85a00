"""Inputs and labels of each run of a stack: the data set after the run's own interventions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data.corruption import corrupt
from benevolent.trainables.data.input_interventions import interventions_on
from benevolent.trainables.data.loading import load
from benevolent.trainables.data.split import Dataset, Inputs, Split
from benevolent.trainables.data.synthetic import SYNTHETIC, draw_split, sampler
from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.rng import RandomStream, StackGenerator

if TYPE_CHECKING:  # `trainables.config` reads `trainables.config.data`
    from benevolent.trainables.config.phase import Phase
    from benevolent.trainables.config.run import RunSections

#: The labels `(N,)` that the teacher of a run gives to its inputs.
TeacherLabels = Callable[["RunSections", Inputs], Tensor]

#: Splits of fresh examples that a process keeps, of one epoch of a cohort: inputs and labels are asked for one after
#: the other. In a larger cohort they are drawn twice.
FRESH_SPLITS = 128


def subset_positions(config: DataConfig, seed: int) -> Tensor:
    """Return the positions `(n,)` in the training split, ascending, of the examples that a run sees.

    They are the first `data.seen_size` of a random order of all examples, from a stream of their own.

    Args:
        config: the data section of the run.
        seed: of the run.

    >>> subset_positions(DataConfig(train_size=6, subset=0.5), seed=3)
    tensor([0, 3, 5])
    >>> subset_positions(DataConfig(train_size=6), seed=3)
    tensor([0, 1, 2, 3, 4, 5])
    """
    return _subsets(config, [seed], "cpu")[0]


def _subsets(config: DataConfig, seeds: Sequence[int], device: torch.device | str) -> Tensor:
    """Return `subset_positions` of K runs, `(K, n)`."""
    if config.subset == 1:
        return torch.arange(config.train_size, device=device).expand(len(seeds), -1)
    orders = StackGenerator(seeds, "subset", 0, device).permutations(config.train_size)
    return orders[:, : config.seen_size].sort(1).values


def train_labels(dataset: Dataset, phase: Phase, seed: int) -> Tensor:
    """Return the labels `(N,)` of the whole training split in a phase.

    Args:
        dataset: from `load`.
        phase: of the run.
        seed: `data.intervention_seed` of the run, or else its own.
    """
    return _corrupted(dataset.train.labels, dataset, phase, seed)


def _corrupted(labels: Tensor, dataset: Dataset, phase: Phase, seed: int) -> Tensor:
    stream = _stream(phase.name)
    return corrupt(labels, dataset.classes, phase.label_corruption, phase.corruption, seed, stream)


def _stream(phase: str) -> str:
    """Return the part of a random stream's name that tells pretraining from all later phases, which share labels."""
    return "pretrain" if phase == "pretrain" else "train"


def inputs_of(
    dataset: Dataset,
    configs: Sequence[RunSections],
    split: str,
    epoch: int = 0,
    phase: str = "train",
    whole: bool = False,
) -> Inputs:
    """Return the inputs of K runs on a split: one set for all runs whose interventions are the same.

    Args:
        dataset: as `load` gave it for the first of the runs.
        configs: K runs of one cohort.
        split: `train`, `validation` or `test`.
        epoch: of the phase; matters with `data.fresh` only, as the phase does.
        phase: its name.
        whole: of the training split also the examples that a run with `data.subset` does not see.

    Returns:
        sets and slots: `gather(index (K, B))` and `rows(start, stop)` give each run its own inputs.
    """
    keys = [_inputs_key(config, split, epoch) for config in configs]
    representatives: dict[tuple[object, ...], RunSections] = {}
    for key, config in zip(keys, configs, strict=True):
        representatives.setdefault(key, config)
    sets = [_own_inputs(dataset, config, split, epoch, phase) for config in representatives.values()]
    places = {key: place for place, key in enumerate(representatives)}
    slots = [places[key] for key in keys]
    slot = torch.tensor(slots, device=sets[0].stored.device)
    joined = Inputs.join(sets, slot)
    if whole or not _sees_a_part(configs[0].data, split):
        return joined
    seeds = [config.seed for config in configs]
    return replace(joined, subset=_subsets(configs[0].data, seeds, slot.device))


def labels_of(
    dataset: Dataset,
    configs: Sequence[RunSections],
    phases: Sequence[Phase],
    split: str,
    epoch: int = 0,
    teacher_labels: TeacherLabels | None = None,
    whole: bool = False,
) -> Tensor:
    """Return the labels `(K, N)` of K runs on a split, each corrupted as the phase of its run says.

    Args:
        dataset: as `load` gave it for the first of the runs.
        configs: K runs of one cohort.
        phases: the phase that each of them is in.
        split: `train`, `validation` or `test`; the latter two are corrupted with `data.corrupt_test` only.
        epoch: of the phase; matters with `data.fresh` only.
        teacher_labels: gives the labels of runs that have a teacher; without it they have those of the data set.
        whole: of the training split also the examples that a run with `data.subset` does not see.
    """
    rows = []
    taught: dict[tuple[object, ...], Tensor] = {}
    for config, phase in zip(configs, phases, strict=True):
        is_taught = split == "train" or config.labels.held_out
        if teacher_labels and config.teacher is not None and is_taught:
            key = (config.teacher.run_id, config.labels.at, *_inputs_key(config, split, epoch))
            if key not in taught:
                inputs = inputs_of(dataset, [config], split, epoch, phase.name, whole=True)
                taught[key] = teacher_labels(config, inputs)
            labels = taught[key]
        else:
            labels = _own_split(dataset, config, split, epoch, phase.name).labels
        if split == "train":
            labels = _corrupted(labels, dataset, phase, _intervention_seed(config))
        elif config.data.corrupt_test:
            data = config.data
            seed = _intervention_seed(config)
            labels = corrupt(labels, dataset.classes, data.label_corruption, data.corruption, seed, split)
        rows.append(labels)
    labels_of_split = torch.stack(rows)
    if whole or not _sees_a_part(configs[0].data, split):
        return labels_of_split
    seeds = [config.seed for config in configs]
    return labels_of_split.gather(1, _subsets(configs[0].data, seeds, labels_of_split.device))


def _sees_a_part(config: DataConfig, split: str) -> bool:
    return split == "train" and config.subset < 1


def _intervention_seed(config: RunSections) -> int:
    """Return the seed that interventions on the data of a run are drawn from."""
    own = config.data.intervention_seed
    return config.seed if own is None else own


def _inputs_key(config: RunSections, split: str, epoch: int) -> tuple[object, ...]:
    """Return a key that is equal for runs of one cohort that see the same inputs."""
    own = config.data
    interventions = interventions_on(own, split)
    values: list[object] = []
    for intervention in interventions:
        values += [(field, getattr(own, field)) for field in intervention.fields]
    values += [own.frequency, own.noise]
    fresh = own.fresh and split == "train"
    if fresh:
        values += [config.seed, epoch]
    if interventions:
        values.append(_intervention_seed(config))
    return tuple(values)


def _own_inputs(dataset: Dataset, config: RunSections, split: str, epoch: int, phase: str) -> Inputs:
    """Return the inputs of one run after the interventions on them."""
    inputs = _own_split(dataset, config, split, epoch, phase).sets
    seed = _intervention_seed(config)
    for intervention in interventions_on(config.data, split):
        inputs = intervention.change(inputs, config.data, seed, split, epoch)
    return inputs


def _own_split(dataset: Dataset, config: RunSections, split: str, epoch: int, phase: str) -> Split:
    """Return the examples of one run before interventions; those of a synthetic task may be its own."""
    if config.data.name not in SYNTHETIC:
        return dataset.splits[split]
    sets = dataset.train.sets
    precision = str(sets.dtype).removeprefix("torch.")
    device = str(sets.stored.device)
    if config.data.fresh and split == "train":
        return _fresh(config.data, config.seed, _stream(phase), epoch, precision, device)
    return load(config.data, precision, device).splits[split]


@functools.lru_cache(maxsize=FRESH_SPLITS)
def _fresh(config: DataConfig, seed: int, stream: str, epoch: int, precision: str, device: str) -> Split:
    """Return training examples that no other epoch has seen."""
    rng = RandomStream(seed, f"fresh/{stream}", epoch)
    inputs, labels = sampler(config)(rng, config.train_size)
    return draw_split(config, inputs, labels, getattr(torch, precision), device)
