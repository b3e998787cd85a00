"""Data sets in files: where they are, how they are read, and how they are fetched.

A data set is added by writing a reader and naming it in `READERS`. All files are under one root: the environment
variable BENEVOLENT_DATA, `~/.cache/benevolent` by default, laid out as torchvision does. Nothing is downloaded but by
`fetch`. torchvision is imported only where files are read, since that takes seconds in every process.
"""

import functools
import hashlib
import importlib.util
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.errors import BadInput

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RawSplit:
    """Inputs `(N, *input_shape)`, uint8 from 0 to the data set's `top` (or floats), and labels `(N,)` as integers."""

    inputs: Array
    labels: Array


@dataclass(frozen=True)
class RawDataset:
    """A data set as it is stored; `test` is its official test part, None if it has none."""

    train: RawSplit
    test: RawSplit | None = None

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
        digest: what `RawDataset.digest` should be, to notice damage; empty if unknown (torchvision checks CIFAR's files).
    """

    read: Callable[[Path], RawDataset]
    shape: tuple[int, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    source: str
    folder: str = ""
    fetch: Callable[[Path], None] | None = None
    top: float = 255
    digest: str = ""


def read_digits(root: Path | None = None) -> RawDataset:
    """1,797 handwritten digits of 8 x 8 pixels from 0 to 16, as they are inside scikit-learn.

    Read from scikit-learn's own file: importing `sklearn.datasets` takes two seconds in every process.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package scikit-learn")
    table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",", dtype=np.uint8)
    return RawDataset(RawSplit(table[:, :-1].reshape(-1, 1, 8, 8), table[:, -1].astype(np.int64)))


def _torchvision(kind: str) -> dict[str, Any]:
    """`read` and `fetch` of a class of `torchvision.datasets`."""

    def part(dataset: Any) -> RawSplit:
        inputs = np.asarray(dataset.data)
        inputs = inputs[:, None] if inputs.ndim == 3 else inputs.transpose(0, 3, 1, 2)
        return RawSplit(np.ascontiguousarray(inputs), np.asarray(dataset.targets, dtype=np.int64))

    def read(root: Path) -> RawDataset:
        from torchvision import datasets

        return RawDataset(*(part(getattr(datasets, kind)(root, train=train)) for train in (True, False)))

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
        digest="65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5",
    ),
    "mnist": Reader(
        **_torchvision("MNIST"),
        shape=(1, 28, 28),
        train=MNIST_TRAIN,
        test=MNIST_TEST,
        source="LeCun et al. 1998",
        folder="MNIST/raw",
        digest="1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
    ),
    "fashion_mnist": Reader(
        **_torchvision("FashionMNIST"),
        shape=(1, 28, 28),
        train=(6000,) * 10,
        test=(1000,) * 10,
        source="Xiao, Rasul and Vollgraf 2017",
        folder="FashionMNIST/raw",
        digest="ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619",
    ),
    "cifar10": Reader(
        **_torchvision("CIFAR10"),
        shape=(3, 32, 32),
        train=(5000,) * 10,
        test=(1000,) * 10,
        source="Krizhevsky 2009",
        folder="cifar-10-batches-py",
        digest="9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df",
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

_provided: dict[str, RawDataset] = {}


def data_root() -> Path:
    """Where data sets are: BENEVOLENT_DATA, or `~/.cache/benevolent`."""
    return Path(os.environ.get("BENEVOLENT_DATA") or "~/.cache/benevolent").expanduser()


def set_data_root(path: str | Path | None) -> None:
    """Look for data sets here from now on, in this process and in those that it starts; None changes nothing."""
    if path is not None:
        os.environ["BENEVOLENT_DATA"] = str(Path(path).expanduser().absolute())


def location(name: str) -> str:
    """Where the files of a data set are or would be; `BadInput` if there is no such data set."""
    folder = reader_of(name).folder
    return str(data_root() / folder) if folder else "an installed package"


def provide(name: str, raw: RawDataset) -> None:
    """Give this process the arrays of a data set, so that it looks for no files (a worker of a cluster)."""
    _provided[name] = raw


def read(name: str) -> RawDataset:
    """The arrays of a data set, held once by every process.

    Raises:
        BadInput: no such data set, or its files are missing or damaged.
    """
    return _provided[name] if name in _provided else _read(name, data_root())


@functools.cache
def _read(name: str, where: Path) -> RawDataset:
    reader, remedy = reader_of(name), f"fetch it with `bth data fetch {name}`"
    if not is_present(name):
        raise BadInput(f"data.name = {name!r}: no files in {location(name)}; {remedy}")
    try:
        raw = reader.read(where)
        _verify(reader, raw)
    except Exception as error:  # whatever a damaged file makes of torchvision, pickle or numpy
        why = f"missing or damaged files in {location(name)} ({_one_line(error)})"
        why += f"; {remedy if reader.fetch else 'install it again'}"
        if not reader.fetch and not reader.digest:  # a user's own, of which nothing tells that its files are damaged
            what = "what it reads is not what it declares" if isinstance(error, _Undeclared) else "it cannot be read"
            why = f"its reader: {what} ({_one_line(error)})"
        raise BadInput(f"data.name = {name!r}: {why}") from error
    return raw


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _Undeclared(ValueError):
    """The arrays are not those that the reader declares."""


def _verify(reader: Reader, raw: RawDataset) -> None:
    """Raise `_Undeclared` unless the arrays are those that the reader declares."""
    for name, part, counts in (("train", raw.train, reader.train), ("test", raw.test, reader.test)):
        if part is None:
            if counts:
                raise _Undeclared(f"{name}: no part, declared {sum(counts)} examples")
            continue
        if part.inputs.shape != (expected := (sum(counts), *reader.shape)):
            raise _Undeclared(f"{name}: inputs of shape {part.inputs.shape}, declared {expected}")
        found = itertools.zip_longest(np.bincount(part.labels).tolist(), counts, fillvalue=0)
        for label, (there, declared) in enumerate(found):
            if there != declared:
                raise _Undeclared(f"{name}: {there} examples of class {label}, declared {declared}")
    if reader.digest and raw.digest != reader.digest:
        raise _Undeclared(f"digest {raw.digest[:16]}, declared {reader.digest[:16]}")


def reader_of(name: str) -> Reader:
    """The reader of a data set; `BadInput` names those that there are."""
    if name not in READERS:
        raise BadInput(f"data.name = {name!r}: unknown data set" + did_you_mean(name, READERS))
    return READERS[name]


def is_present(name: str) -> bool:
    """Whether the files of a data set seem to be there; they are not read."""
    folder = reader_of(name).folder
    return name in _provided or not folder or any((data_root() / folder).glob("*"))


def fetch(name: str) -> bool:
    """Download a data set to the root, with a progress bar; False if it is there already, undamaged.

    The files are read and checked before they take their place, so that a download that fails changes nothing.

    Raises:
        BadInput: no such data set, no way to fetch it, or the download failed.
    """
    reader = reader_of(name)
    try:
        read(name)
        return False
    except BadInput as error:
        if reader.fetch is None:
            raise
        found = str(error).rpartition("; ")[0]
    try:
        data_root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_root(), prefix=f".{name}-") as aside:
            reader.fetch(Path(aside))
            _verify(reader, reader.read(Path(aside)))
            target = data_root() / reader.folder
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            (Path(aside) / reader.folder).rename(target)
    except Exception as error:  # offline, a mirror that is gone, a full disk, a folder that is not ours
        raise BadInput(f"{name}: could not be fetched to {data_root()} ({_one_line(error)}); {found}") from error
    return True
