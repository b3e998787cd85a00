"""From a `DataConfig` to a `Dataset`, and from the runs of a stack to what each of them is trained on."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from benevolent.trainables.config.base import PerRun
from benevolent.trainables.config.data import DataConfig, Half, Pixels
from benevolent.trainables.data.corruption import corrupt, replace_pixels
from benevolent.trainables.data.readers import READERS, RawSplit, read
from benevolent.trainables.data.split import FLOAT_BYTES, Dataset, Inputs, Split, stratified_order
from benevolent.trainables.data.synthetic import SYNTHETIC, sampler
from benevolent.trainables.data.tasks import CONSTANTS, describe
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator

if TYPE_CHECKING:  # `trainables.config` reads `trainables.config.data`
    from benevolent.trainables.config.run import Phase, RunConfig

Array = np.ndarray[Any, Any]
Splits = dict[str, Split]
#: The labels `(N,)` that the teacher of a run gives to its inputs.
TeacherLabels = Callable[["RunConfig", Inputs], Tensor]

#: Fields in which runs differ after the data set is loaded: those of one run, but what its synthetic task takes.
INTERVENTIONS = tuple(
    name
    for name, field in DataConfig.model_fields.items()
    if PerRun in field.metadata and name not in ("frequency", "noise")
)


def load(config: DataConfig, precision: str = "float32", device: str = "cpu") -> Dataset:
    """The splits of a data set: stratified by class, disjoint, drawn from `split_seed` alone.

    Runs that differ only in interventions (`label_corruption`, `pixels`, ...) share one; those are applied by
    `inputs_of` and `labels_of`.

    Raises:
        BadInput: what `describe` refuses; files that are missing or damaged.
    """
    describe(config)
    plain = {name: DataConfig.model_fields[name].default for name in (*INTERVENTIONS, "fresh")}
    plain["augment"] = "window" if "window" in config.augment else "none"
    return _load(config.model_copy(update=plain), precision, device)


@functools.lru_cache(maxsize=8)
def _load(config: DataConfig, precision: str, device: str) -> Dataset:
    make = _draw if config.name in SYNTHETIC else _cut
    splits, digest = make(config, getattr(torch, precision), device)
    task = describe(config)
    return Dataset(**splits, classes=task.classes, target=task.target, checksum=digest)


def _draw(config: DataConfig, dtype: torch.dtype, device: str) -> tuple[Splits, str]:
    """The splits of a synthetic task, each from its own stream."""
    splits, digest = {}, hashlib.sha256()
    for name in ("train", "validation", "test"):
        sample = sampler(config, hard=config.hard_test and name == "test")
        inputs, labels = sample(generator(config.split_seed, f"{config.name}/{name}"), getattr(config, f"{name}_size"))
        digest.update(inputs.tobytes() + labels.tobytes())
        splits[name] = _drawn(config, inputs, labels, dtype, device)
    return splits, digest.hexdigest()[:16]


def _drawn(config: DataConfig, inputs: Array, labels: Array, dtype: torch.dtype, device: str) -> Split:
    kind = torch.int64 if SYNTHETIC[config.name].target == "classes" else dtype
    return Split.of(torch.from_numpy(inputs).to(device, dtype), torch.from_numpy(labels).to(device, kind))


def _cut(config: DataConfig, dtype: torch.dtype, device: str) -> tuple[Splits, str]:
    """The splits of a data set in files."""
    raw, reader = read(config.name), READERS[config.name]
    new = _new_labels(config, len(reader.train))
    order = _order(raw.train, new, config, "split")
    orders = [order]
    # The test split is cut first, so that it stays the same when the training split grows or shrinks.
    sizes = [config.validation_size, config.train_size]
    if raw.test is None:
        test, validation, train = np.split(
            order[: config.test_size + sum(sizes)], [config.test_size, config.test_size + sizes[0]]
        )
    else:
        orders.append(_order(raw.test, new, config, "split/test"))
        test = orders[1][: config.test_size]
        validation, train = np.split(order[: sum(sizes)], sizes[:1])
    rows = {"train": (raw.train, train), "validation": (raw.train, validation), "test": (raw.test or raw.train, test)}
    border = {name: config.crop if config.augment == "window" and name == "train" else 0 for name in rows}
    stored = {
        name: _pooled(_cropped(part.inputs[index], config.crop - border[name]), config.pool)
        for name, (part, index) in rows.items()
    }
    mean, deviation = _scale(config, _cropped(stored["train"], border["train"]), reader.top)

    def split(name: str) -> Split:
        part, index = rows[name]
        labels = torch.from_numpy(new[part.labels[index]]).to(device)
        inputs = torch.from_numpy(stored[name]).to(device)
        if inputs.dtype == torch.uint8 and inputs.numel() * dtype.itemsize > FLOAT_BYTES:
            slot = torch.zeros(1, dtype=torch.int64, device=device)
            center, spread = (torch.from_numpy(one).to(device, dtype).unsqueeze(0) for one in (mean, deviation))
            return Split(Inputs(inputs.unsqueeze(0), slot, dtype, center, spread, border[name]), labels)
        center, spread = (torch.from_numpy(one).to(device) for one in (mean, deviation))
        return Split.of(inputs.double().sub_(center).div_(spread).to(dtype), labels, border[name])

    digest = hashlib.sha256(raw.digest.encode() + b"".join(one.tobytes() for one in orders))
    return {name: split(name) for name in rows}, digest.hexdigest()[:16]


def _new_labels(config: DataConfig, classes: int) -> Array:
    """The label of each original class; -1 for a class that is left out."""
    new = np.full(classes, -1)
    for label, group in enumerate(config.groups or [(one,) for one in range(classes)]):
        new[list(group)] = label
    return new


def _order(part: RawSplit, new: Array, config: DataConfig, stream: str) -> Array:
    """Positions of the examples that are kept, in a random order that is stratified by original class."""
    kept = np.flatnonzero((new[part.labels] >= 0) & _in_half(part.labels, config.half, f"half/{stream}"))
    return kept[stratified_order(part.labels[kept], generator(config.split_seed, stream))]


def _in_half(labels: Array, half: Half, stream: str) -> Array:
    """Whether examples are in a half: of each class the same ones whatever else is asked, the odd one in the first."""
    if half == "both":
        return np.ones(len(labels), dtype=bool)
    first, draw = np.zeros(len(labels), dtype=bool), generator(0, stream)
    for value in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == value))
        first[members[: len(members) - len(members) // 2]] = True
    return first if half == "first" else ~first


def _cropped(inputs: Array, border: int) -> Array:
    """Images without so many pixels at every side."""
    return inputs[..., border:-border, border:-border] if border else inputs


def _pooled(inputs: Array, side: int) -> Array:
    """Means over squares of `side` x `side` pixels, rounded where inputs are integers."""
    if side == 1:
        return inputs
    count, channels, height, width = inputs.shape
    squares = inputs.reshape(count, channels, height // side, side, width // side, side)
    means = squares.mean((3, 5), dtype=np.float32)
    return np.rint(means).astype(inputs.dtype) if inputs.dtype == np.uint8 else means.astype(inputs.dtype)


def _scale(config: DataConfig, train: Array, top: float) -> tuple[Array, Array]:
    """What to subtract from stored inputs and to divide by: `(channels, 1, 1)` each, `(1,)` if they are no images."""
    if config.normalize == "split":
        channels = [train[:, channel] for channel in range(train.shape[1])] if train.ndim == 4 else [train]
        mean, deviation = np.array([_moments(one) for one in channels]).T
        if not deviation.all():
            raise BadInput(f"data.normalize = 'split': a channel of the training split of {config.name} is constant")
    else:
        mean, deviation = (top * np.array(one) for one in CONSTANTS[config.normalize])
    shape = (-1,) + (1,) * (train.ndim - 2)
    return mean.reshape(shape), deviation.reshape(shape)


def _moments(values: Array) -> tuple[float, float]:
    """Mean and deviation; those of bytes from their counts, which needs no copy as floats."""
    if values.dtype != np.uint8:
        return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    counts = sum(np.bincount(some.ravel(), minlength=256) for some in np.array_split(values, 1 + len(values) // 1000))
    levels = np.arange(256)
    mean = counts @ levels / values.size
    return float(mean), float(np.sqrt(counts @ (levels - mean) ** 2 / values.size))


def train_labels(dataset: Dataset, phase: "Phase", seed: int) -> Tensor:
    """The labels `(N,)` that a run of this seed is trained on in a phase."""
    return _corrupted(dataset.train.labels, dataset, phase, seed)


def _corrupted(labels: Tensor, dataset: Dataset, phase: "Phase", seed: int) -> Tensor:
    stream = "pretrain" if phase.name == "pretrain" else "train"
    return corrupt(labels, dataset.classes, phase.label_corruption, phase.corruption, seed, stream)


def inputs_of(
    dataset: Dataset, configs: "Sequence[RunConfig]", split: str, epoch: int = 0, phase: str = "train"
) -> Inputs:
    """The inputs of K runs on a split: one set where all see the same, else one for each that differs.

    Args:
        dataset: what `load` gave for the first of the runs.
        configs: K runs of one cohort.
        split: `train`, `validation` or `test`.
        epoch: of the phase; matters with `data.fresh` only, as does the phase.
        phase: its name.

    Returns:
        sets and slots: `gather(index (K, B))` and `rows(start, stop)` give each run its own inputs.
    """
    keys = [_inputs_key(config, split, epoch) for config in configs]
    examples = dict(zip(reversed(keys), reversed(configs), strict=True))
    place = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    sets = [_own_inputs(dataset, examples[key], split, epoch, phase) for key in place]
    slot = torch.tensor([place[key] for key in keys], device=sets[0].stored.device)
    return Inputs.join(sets, slot)


def labels_of(
    dataset: Dataset,
    configs: "Sequence[RunConfig]",
    phases: "Sequence[Phase]",
    split: str,
    epoch: int = 0,
    teacher_labels: "TeacherLabels | None" = None,
) -> Tensor:
    """The labels `(K, N)` of K runs on a split in their phases: their teacher's, corrupted as each run's phase says.

    Args:
        dataset: what `load` gave for the first of the runs.
        configs: K runs of one cohort.
        phases: the phase that each of them is in.
        split: `train`, `validation` or `test`; the latter two are corrupted with `data.corrupt_test` only.
        epoch: of the phase; matters with `data.fresh` only.
        teacher_labels: asked for the labels of runs that have a teacher; without it they have those of the data set.
    """
    rows, taught = [], {}
    for config, phase in zip(configs, phases, strict=True):
        if teacher_labels and config.teacher is not None and (split == "train" or config.labels.held_out):
            key = (config.teacher.run_id, config.labels.at, *_inputs_key(config, split, epoch))
            if key not in taught:
                taught[key] = teacher_labels(config, inputs_of(dataset, [config], split, epoch, phase.name))
            labels = taught[key]
        else:
            labels = _own_split(dataset, config, split, epoch, phase.name).labels
        if split == "train":
            labels = _corrupted(labels, dataset, phase, config.seed)
        elif config.data.corrupt_test:
            own = config.data
            labels = corrupt(labels, dataset.classes, own.label_corruption, own.corruption, config.seed, split)
        rows.append(labels)
    return torch.stack(rows)


def _pixels(config: DataConfig, split: str) -> Pixels:
    """What is done to the inputs of a split: only what is learned from is replaced, unless all images are alike."""
    return config.pixels if config.pixels_fraction and (split == "train" or config.pixels == "permuted") else "none"


def _inputs_key(config: "RunConfig", split: str, epoch: int) -> tuple[object, ...]:
    """Equal for runs of one cohort that see the same inputs."""
    own, pixels = config.data, _pixels(config.data, split)
    fresh = own.fresh and split == "train"
    drawn = (config.seed, epoch if fresh else 0) if fresh or pixels != "none" else ()
    return (pixels, pixels != "none" and own.pixels_fraction, own.frequency, own.noise, *drawn)


def _own_inputs(dataset: Dataset, config: "RunConfig", split: str, epoch: int, phase: str) -> Inputs:
    """The inputs of one run, with its pixels replaced."""
    sets, method = _own_split(dataset, config, split, epoch, phase).sets, _pixels(config.data, split)
    if method == "none":
        return sets
    old = sets.rows() if method == "gaussian" else sets.stored
    new = replace_pixels(old[0], method, config.data.pixels_fraction, config.seed, split).unsqueeze(0)
    return Inputs(new, sets.slot, sets.dtype) if method == "gaussian" else replace(sets, stored=new)


def _own_split(dataset: Dataset, config: "RunConfig", split: str, epoch: int, phase: str) -> Split:
    """The examples of one run before interventions: of a synthetic task they may be its own."""
    if config.data.name not in SYNTHETIC:
        return dataset.splits[split]
    sets = dataset.train.sets
    place = (str(sets.dtype).removeprefix("torch."), str(sets.stored.device))
    if config.data.fresh and split == "train":
        return _fresh(config.data, config.seed, "pretrain" if phase == "pretrain" else "train", epoch, *place)
    return load(config.data, *place).splits[split]


@functools.lru_cache(maxsize=128)  # of one epoch of a cohort, for whoever asks for inputs and then for labels
def _fresh(config: DataConfig, seed: int, phase: str, epoch: int, precision: str, device: str) -> Split:
    """Training examples that no other epoch has seen."""
    stream = generator(seed, f"fresh/{phase}", epoch)
    inputs, labels = sampler(config)(stream, config.train_size)
    return _drawn(config, inputs, labels, getattr(torch, precision), device)
