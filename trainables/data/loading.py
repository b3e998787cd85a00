"""Load a `DataConfig` as a `Dataset`: read or draw the examples, split them, and normalize the inputs."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benevolent.trainables.config.data import DataConfig, Half
from benevolent.trainables.data.readers import READERS, RawSplit, read
from benevolent.trainables.data.split import (
    FLOAT_BYTES,
    Dataset,
    Inputs,
    PixelScale,
    Split,
    stratified_order,
)
from benevolent.trainables.data.synthetic import SYNTHETIC, draw_split, sampler
from benevolent.trainables.data.tasks import CONSTANTS, describe
from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import torch
from benevolent.trainables.per_run_fields import PerRun
from benevolent.trainables.rng import RandomStream

Array = np.ndarray[Any, Any]
Splits = dict[str, Split]

#: Fields that change the data of a run after the data set is loaded: all that may differ between the runs of a stack,
#: except the parameters of synthetic tasks.
INTERVENTIONS = tuple(
    name
    for name, field in DataConfig.model_fields.items()
    if PerRun in field.metadata and name not in ("frequency", "noise")
)
#: Hexadecimal digits of a data set's checksum.
CHECKSUM_DIGITS = 16


def load(config: DataConfig, precision: str = "float32", device: str = "cpu") -> Dataset:
    """Return the splits of a data set: disjoint, stratified by class, drawn from `split_seed` alone.

    Runs that differ only in interventions (`label_corruption`, `pixels`, ...) and in the subset that they see share one
    data set; `inputs_of` and `labels_of` apply them.

    Raises:
        BadInput: what `describe` refuses; files that are missing or damaged.
    """
    describe(config)
    fields = DataConfig.model_fields
    plain = {name: fields[name].default for name in (*INTERVENTIONS, "fresh", "subset")}
    plain["augment"] = "window" if "window" in config.augment else "none"
    return _load(config.model_copy(update=plain), precision, device)


@functools.lru_cache(maxsize=8)
def _load(config: DataConfig, precision: str, device: str) -> Dataset:
    make = _draw if config.name in SYNTHETIC else _read_and_split
    made = make(config, getattr(torch, precision), device)
    task = describe(config)
    return Dataset(**made.splits, classes=task.classes, target=task.target, checksum=made.checksum, scale=made.scale)


class _Made(NamedTuple):
    """Splits by name, their checksum, and the scale of images."""

    splits: Splits
    checksum: str
    scale: PixelScale | None = None


def _draw(config: DataConfig, dtype: torch.dtype, device: str) -> _Made:
    """Draw the splits of a synthetic task, each from its own stream."""
    splits: Splits = {}
    digest = hashlib.sha256()
    for name in ("train", "validation", "test"):
        sample = sampler(config, hard=config.hard_test and name == "test")
        rng = RandomStream(config.split_seed, f"{config.name}/{name}")
        inputs, labels = sample(rng, getattr(config, f"{name}_size"))
        digest.update(inputs.tobytes() + labels.tobytes())
        splits[name] = draw_split(config, inputs, labels, dtype, device)
    return _Made(splits, digest.hexdigest()[:CHECKSUM_DIGITS])


@dataclass(frozen=True)
class _ChosenExamples:
    """The examples of one split, as positions in a part of the data set's files."""

    source: RawSplit
    positions: Array

    @property
    def inputs(self) -> Array:
        """The stored inputs, copied."""
        return self.source.inputs[self.positions]

    @property
    def labels(self) -> Array:
        """The original classes."""
        return self.source.labels[self.positions]


def _read_and_split(config: DataConfig, dtype: torch.dtype, device: str) -> _Made:
    """Read a data set in files, and split it."""
    raw = read(config.name)
    reader = READERS[config.name]
    new_labels = _new_labels(config, len(reader.train))
    order = _order(raw.train, new_labels, config, "split")
    test_order = None
    if raw.test is not None:
        test_order = _order(raw.test, new_labels, config, "split/test")
    parts = _parts(config, raw.train, raw.test, order, test_order)

    # Training images keep a border where each step sees another window of them.
    borders = dict.fromkeys(parts, 0)
    if config.augment == "window":
        borders["train"] = config.crop
    images = {}
    for name, part in parts.items():
        cropped = _cropped(part.inputs, config.crop - borders[name])
        images[name] = _pooled(cropped, config.pool)
    train_inputs = _cropped(images["train"], borders["train"])
    mean, deviation = _scale(config, train_inputs, reader.top)

    splits = {}
    for name, part in parts.items():
        labels = torch.from_numpy(new_labels[part.labels])
        inputs = _normalized(images[name], mean, deviation, dtype, device, borders[name])
        splits[name] = Split(inputs, labels.to(device))
    digest = hashlib.sha256(raw.digest.encode() + order.tobytes())
    if test_order is not None:
        digest.update(test_order.tobytes())
    scale = None
    if len(reader.shape) == 3:
        center = torch.from_numpy(mean / reader.top).to(device)
        spread = torch.from_numpy(deviation / reader.top).to(device)
        scale = PixelScale(center, spread)
    return _Made(splits, digest.hexdigest()[:CHECKSUM_DIGITS], scale)


def _parts(
    config: DataConfig, train: RawSplit, test: RawSplit | None, order: Array, test_order: Array | None
) -> dict[str, _ChosenExamples]:
    """Return the splits as positions in the files.

    The test split comes first, so that it stays the same when the training split grows or shrinks; a data set with an
    official test part gives the test split from that part.
    """
    size = config.test_size
    if test is None or test_order is None:
        test_part = _ChosenExamples(train, order[:size])
        order = order[size:]
    else:
        test_part = _ChosenExamples(test, test_order[:size])
    first = config.validation_size
    last = first + config.train_size
    train_part = _ChosenExamples(train, order[first:last])
    validation_part = _ChosenExamples(train, order[:first])
    return {"train": train_part, "validation": validation_part, "test": test_part}


def _normalized(images: Array, mean: Array, deviation: Array, dtype: torch.dtype, device: str, border: int) -> Inputs:
    """Return inputs as normalized floats, or, where those would be large, as bytes that are normalized when read."""
    inputs = torch.from_numpy(images).to(device)
    center = torch.from_numpy(mean).to(device)
    spread = torch.from_numpy(deviation).to(device)
    float_bytes = inputs.numel() * dtype.itemsize
    if inputs.dtype == torch.uint8 and float_bytes > FLOAT_BYTES:
        slot = torch.zeros(1, dtype=torch.int64, device=device)
        centers = center.to(dtype).unsqueeze(0)
        spreads = spread.to(dtype).unsqueeze(0)
        return Inputs(inputs.unsqueeze(0), slot, dtype, centers, spreads, border)
    normalized = inputs.double().sub_(center).div_(spread)
    return Inputs.of(normalized.to(dtype), border)


def _new_labels(config: DataConfig, classes: int) -> Array:
    """Return the label of each original class; -1 for a class that is left out."""
    new_labels = np.full(classes, -1)
    groups = config.groups or [(original,) for original in range(classes)]
    for label, group in enumerate(groups):
        new_labels[list(group)] = label
    return new_labels


def _order(part: RawSplit, new_labels: Array, config: DataConfig, stream: str) -> Array:
    """Return the positions of the examples that are kept, in a random order, stratified by original class."""
    of_classes = new_labels[part.labels] >= 0
    in_half = _in_half(part.labels, config.half, f"half/{stream}")
    kept = np.flatnonzero(of_classes & in_half)
    rng = RandomStream(config.split_seed, stream)
    order = stratified_order(part.labels[kept], rng)
    return kept[order]


def _in_half(labels: Array, half: Half, stream: str) -> Array:
    """Return booleans `(N,)`: the examples of a half.

    Each class is divided in the same way whatever else is asked for; the first half has the odd example.
    """
    if half == "both":
        return np.ones(len(labels), dtype=bool)
    rng = RandomStream(0, stream)
    first = np.zeros(len(labels), dtype=bool)
    for value in np.unique(labels):
        members = np.flatnonzero(labels == value)
        members = members[rng.permutation(len(members))]
        count = len(members) - len(members) // 2
        first[members[:count]] = True
    return first if half == "first" else ~first


def _cropped(images: Array, border: int) -> Array:
    """Return images without `border` pixels at every side."""
    if not border:
        return images
    return images[..., border:-border, border:-border]


def _pooled(images: Array, side: int) -> Array:
    """Return means over squares of `side` x `side` pixels, rounded where images are bytes."""
    if side == 1:
        return images
    count, channels, height, width = images.shape
    squares = images.reshape(count, channels, height // side, side, width // side, side)
    means = squares.mean((3, 5), dtype=np.promote_types(images.dtype, np.float32))
    return np.rint(means).astype(np.uint8) if images.dtype == np.uint8 else means


def _scale(config: DataConfig, train: Array, top: float) -> tuple[Array, Array]:
    """Return what stored inputs are normalized by: mean and deviation.

    Args:
        config: its `normalize` says by what.
        train: stored inputs of the training split.
        top: the largest value of an input.

    Returns:
        `(channels, 1, 1)` each for images, `(1,)` for other inputs.
    """
    if config.normalize == "split":
        channels = list(np.moveaxis(train, 1, 0)) if train.ndim == 4 else [train]
        moments = [_moments(channel) for channel in channels]
        mean, deviation = np.array(moments).T
        if not deviation.all():
            raise BadInput(f"data.normalize = 'split': a channel of the training split of {config.name} is constant")
    else:
        means, deviations = CONSTANTS[config.normalize]
        mean = top * np.array(means)
        deviation = top * np.array(deviations)
    shape = (-1,) + (1,) * (train.ndim - 2)
    return mean.reshape(shape), deviation.reshape(shape)


def _moments(values: Array) -> tuple[float, float]:
    """Return mean and deviation; those of bytes from counts of their 256 values, which needs no copy as floats."""
    if values.dtype != np.uint8:
        mean = values.mean(dtype=np.float64)
        deviation = values.std(dtype=np.float64)
        return float(mean), float(deviation)
    blocks = np.array_split(values, 1 + len(values) // 1000)
    counts = np.zeros(256, dtype=np.int64)
    for block in blocks:
        counts += np.bincount(block.ravel(), minlength=256)
    levels = np.arange(256)
    mean = counts @ levels / values.size
    variance = counts @ (levels - mean) ** 2 / values.size
    return float(mean), float(np.sqrt(variance))
