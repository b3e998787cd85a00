"""Real data as tensors: one reader per data set, the split, and the corruption of labels.

A data set is added by writing a reader and naming it in `READERS`.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.config import Corruption, DataConfig, Phase
from trainables.errors import BadInput
from trainables.section import did_you_mean
from trainables.streams import generator


@dataclass(frozen=True)
class Raw:
    """A data set as it is stored: inputs `(N, *input_shape)` in [0, 1] and integer labels `(N,)`."""

    inputs: np.ndarray
    labels: np.ndarray
    classes: int


@dataclass(frozen=True)
class Split:
    """Inputs `(N, *input_shape)` and labels `(N,)` of one split."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The three splits; inputs are shifted and scaled by the training split's overall mean and deviation."""

    train: Split
    validation: Split
    test: Split
    classes: int
    checksum: str

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name; an empty validation split is left out."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if len(split)}


def read_digits() -> Raw:
    """1,797 handwritten digits of 8 x 8 pixels from the UCI repository (Alpaydin and Kaynak 1998), in scikit-learn."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Raw(digits.images[:, None].astype(np.float32) / 16, digits.target.astype(np.int64), 10)


READERS: dict[str, Callable[[], Raw]] = {"digits": read_digits}


@functools.lru_cache(maxsize=8)
def load(config: DataConfig, precision: str = "float32", device: str = "cpu") -> Dataset:
    """The splits of a data set: stratified by class, disjoint, drawn from `split_seed` alone.

    Raises:
        BadInput: an unknown data set, or more examples asked for than there are.
    """
    if config.name not in READERS:
        raise BadInput(f"data.name = {config.name!r}: unknown data set" + did_you_mean(config.name, READERS))
    raw = READERS[config.name]()
    sizes = (config.train_size, config.validation_size, config.test_size)
    if sum(sizes) > len(raw.labels):
        raise BadInput(
            f"data.train_size + validation_size + test_size = {' + '.join(map(str, sizes))} = {sum(sizes)}: "
            f"{config.name} has {len(raw.labels)} examples"
        )
    order = stratified_order(raw.labels, generator(config.split_seed, "split"))
    # The test split is cut first, so that it stays the same when the training split grows or shrinks.
    test, validation, train = np.split(order[: sum(sizes)], np.cumsum(sizes[:0:-1]))
    mean, deviation = raw.inputs[train].mean(dtype=np.float64), raw.inputs[train].std(dtype=np.float64)
    inputs = (raw.inputs.astype(np.float64) - mean) / deviation

    def split(index: np.ndarray) -> Split:
        tensor = torch.from_numpy(inputs[index]).to(device, getattr(torch, precision))
        return Split(tensor, torch.from_numpy(raw.labels[index]).to(device))

    digest = hashlib.sha256(raw.inputs.tobytes() + raw.labels.tobytes() + order.tobytes())
    return Dataset(split(train), split(validation), split(test), raw.classes, digest.hexdigest()[:16])


def stratified_order(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A random order in which every stretch has the classes in nearly their overall proportions.

    The j-th of the n_c examples of a class is placed at (j + u) / n_c with one u per class, then all are sorted.

    >>> labels = np.array([0] * 50 + [1] * 10)
    >>> int(labels[stratified_order(labels, np.random.default_rng(0))][:30].sum())
    5
    """
    position = np.empty(len(labels))
    for value in np.unique(labels):
        members = draw.permutation(np.flatnonzero(labels == value))
        position[members] = (np.arange(len(members)) + draw.random()) / len(members)
    return np.argsort(position, kind="stable")


def corrupt(labels: Tensor, classes: int, fraction: float, method: Corruption, seed: int, stream: str) -> Tensor:
    """Labels of which a fraction is wrong at random (Zhang et al. 2017; Liao et al. 2018).

    Exactly `round(fraction * N)` labels are chosen; those of a smaller fraction are among those of a larger one.
    `redraw` draws each anew from all classes, `swap` moves each to one of the other classes.

    Args:
        labels: `(N,)` integers.
        classes: how many classes there are.
        fraction: in [0, 1].
        method: `redraw` or `swap`.
        seed: the run's seed.
        stream: tells the corruption of one phase from that of another.

    Returns:
        New labels `(N,)`.

    >>> int((corrupt(torch.zeros(100, dtype=torch.long), 10, 0.3, "swap", 0, "data") != 0).sum())
    30
    """
    draw = generator(seed, f"corruption/{stream}")
    order = draw.permutation(len(labels))
    shift = draw.integers(1, classes, len(labels)) if method == "swap" else draw.integers(0, classes, len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[: round(fraction * len(labels))]] = True
    old = labels.cpu().numpy()
    new = np.where(chosen, (old + shift) % classes, old)
    return torch.from_numpy(new).to(labels.device)


def train_labels(dataset: Dataset, phase: Phase, seed: int) -> Tensor:
    """The labels `(N,)` that a run of this seed is trained on in a phase."""
    stream = "pretrain" if phase.name == "pretrain" else "train"
    return corrupt(dataset.train.labels, dataset.classes, phase.label_corruption, phase.corruption, seed, stream)
