"""Data sets in files: where they are, how they are read, and how they are fetched.

A data set is added by writing a reader and naming it in `READERS`. All files are under one root: the environment
variable BENEVOLENT_DATA, `~/.cache/benevolent` by default, laid out as torchvision does. Nothing is downloaded but by
`fetch`. torchvision is imported only where files are read, since that takes seconds in every process.
"""

import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainables.errors import BadInput
from trainables.section import did_you_mean

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Part:
    """Inputs `(N, *input_shape)`, uint8 from 0 to the data set's `top` (or floats), and labels `(N,)` as integers."""

    inputs: Array
    labels: Array


@dataclass(frozen=True)
class Raw:
    """A data set as it is stored; `test` is its official test part, None if it has none."""

    train: Part
    test: Part | None = None

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all arrays."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            if part is not None:
                digest.update(np.ascontiguousarray(part.inputs).data)
                digest.update(np.ascontiguousarray(part.labels).data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Reader:
    """A data set in files, described without reading it.

    Attributes:
        read: from the data root to its arrays.
        shape: of one input.
        train: how many examples of each class there are for training.
        test: the same of its official test part; empty if it has none.
        source: where it comes from.
        folder: where its files are, below the root; empty for a data set that comes with a package.
        fetch: downloads the files to the root.
        top: the largest value of an input; inputs are divided by it.
        digest: `Raw.digest` as published, to notice damage; empty if unknown.
    """

    read: Callable[[Path], Raw]
    shape: tuple[int, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    source: str
    folder: str = ""
    fetch: Callable[[Path], None] | None = None
    top: float = 255
    digest: str = ""


def read_digits(root: Path | None = None) -> Raw:
    """1,797 handwritten digits of 8 x 8 pixels from 0 to 16, as they are inside scikit-learn.

    Read from scikit-learn's own file: importing `sklearn.datasets` takes two seconds in every process.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package scikit-learn")
    table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",", dtype=np.uint8)
    return Raw(Part(table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)))


def _torchvision(kind: str) -> dict[str, Any]:
    """`read` and `fetch` of a class of `torchvision.datasets`."""

    def part(dataset: Any) -> Part:
        inputs = np.asarray(dataset.data)
        inputs = inputs[:, None] if inputs.ndim == 3 else inputs.transpose(0, 3, 1, 2)
        return Part(np.ascontiguousarray(inputs), np.asarray(dataset.targets, dtype=np.int64))

    def read(root: Path) -> Raw:
        from torchvision import datasets

        return Raw(*(part(getattr(datasets, kind)(root, train=train)) for train in (True, False)))

    def fetch(root: Path) -> None:
        from torchvision import datasets

        for train in (True, False):
            getattr(datasets, kind)(root, train=train, download=True)

    return {"read": read, "fetch": fetch}


MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)

READERS: dict[str, Reader] = {
    "digits": Reader(
        read_digits,
        (1, 8, 8),
        (178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
        (),
        "Alpaydin and Kaynak 1998, UCI",
        top=16,
    ),
    "mnist": Reader(
        **_torchvision("MNIST"),
        shape=(1, 28, 28),
        train=MNIST_TRAIN,
        test=MNIST_TEST,
        source="LeCun et al. 1998",
        folder="MNIST/raw",
    ),
    "fashion_mnist": Reader(
        **_torchvision("FashionMNIST"),
        shape=(1, 28, 28),
        train=(6000,) * 10,
        test=(1000,) * 10,
        source="Xiao, Rasul and Vollgraf 2017",
        folder="FashionMNIST/raw",
    ),
    "cifar10": Reader(
        **_torchvision("CIFAR10"),
        shape=(3, 32, 32),
        train=(5000,) * 10,
        test=(1000,) * 10,
        source="Krizhevsky 2009",
        folder="cifar-10-batches-py",
    ),
    "cifar100": Reader(
        **_torchvision("CIFAR100"),
        shape=(3, 32, 32),
        train=(500,) * 100,
        test=(100,) * 100,
        source="Krizhevsky 2009",
        folder="cifar-100-python",
    ),
}

_provided: dict[str, Raw] = {}


def root() -> Path:
    """Where data sets are: BENEVOLENT_DATA, or `~/.cache/benevolent`."""
    return Path(os.environ.get("BENEVOLENT_DATA") or "~/.cache/benevolent").expanduser()


def provide(name: str, raw: Raw) -> None:
    """Give this process the arrays of a data set, so that it looks for no files (a worker of a cluster)."""
    _provided[name] = raw


def read(name: str) -> Raw:
    """The arrays of a data set, held once by every process.

    Raises:
        BadInput: no such data set, or its files are missing or damaged.
    """
    return _provided[name] if name in _provided else _read(name, root())


@functools.cache
def _read(name: str, where: Path) -> Raw:
    reader = reader_of(name)
    remedy = f"fetch it with `bth data fetch {name}`"
    place = where / reader.folder
    if reader.folder and not place.is_dir():
        raise BadInput(f"data.name = {name!r}: no files in {place}; {remedy}")
    try:
        raw = reader.read(where)
        _verify(reader, raw)
    except Exception as error:  # whatever a damaged file makes of torchvision, pickle or numpy
        why = str(error).partition("\n")[0] or type(error).__name__
        raise BadInput(f"data.name = {name!r}: missing or damaged files in {place} ({why}); {remedy}") from error
    return raw


def _verify(reader: Reader, raw: Raw) -> None:
    """Raise ValueError unless the arrays are those that the reader describes."""
    for part, counts in ((raw.train, reader.train), (raw.test, reader.test)):
        if part is not None and part.inputs.shape != (sum(counts), *reader.shape):
            raise ValueError(f"inputs of shape {part.inputs.shape}, expected {(sum(counts), *reader.shape)}")
        if part is not None and np.bincount(part.labels, minlength=len(counts)).tolist() != list(counts):
            raise ValueError("other labels than it should have")
    if reader.digest and raw.digest != reader.digest:
        raise ValueError(f"digest {raw.digest[:16]}, expected {reader.digest[:16]}")


def reader_of(name: str) -> Reader:
    """The reader of a data set; `BadInput` names those that there are."""
    if name not in READERS:
        raise BadInput(f"data.name = {name!r}: unknown data set" + did_you_mean(name, READERS))
    return READERS[name]


def present(name: str) -> bool:
    """Whether the files of a data set seem to be there; they are not read."""
    folder = READERS[name].folder if name in READERS else ""
    return name in _provided or not folder or any((root() / folder).glob("*"))


def fetch(name: str) -> bool:
    """Download a data set to the root, unless it is there already; False if it was.

    Raises:
        BadInput: no such data set, no way to fetch it, or the download failed.
    """
    reader = reader_of(name)
    try:
        read(name)
        return False
    except BadInput as error:
        if reader.fetch is None:
            raise error from None
    place = root() / reader.folder
    try:
        # torchvision takes an extracted file of MNIST that exists for a good one.
        for file in place.glob("*-ubyte"):
            file.unlink()
        root().mkdir(parents=True, exist_ok=True)
        reader.fetch(root())
    except Exception as error:  # offline, a mirror that is gone, a full disk, a folder that is not ours
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BadInput(f"{name}: could not be fetched to {root()} ({why})") from error
    read(name)
    return True
