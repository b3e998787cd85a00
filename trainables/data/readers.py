"""Data sets in files: where they are, how they are read, and how they are fetched.

Add a data set by writing a reader and naming it in `READERS`. All files are under one root: the environment variable
BENEVOLENT_DATA, `~/.cache/benevolent` by default, laid out as torchvision does. Only `fetch` downloads anything.
torchvision is imported only where files are read, since that takes seconds in every process.
"""

import contextlib
import functools
import hashlib
import http.client
import importlib.util
import itertools
import math
import os
import pickle
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benevolent.trainables.config.common_names import meant_value
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.plugins import PLUGINS

Array = np.ndarray[Any, Any]

ROOT_VARIABLE = "BENEVOLENT_DATA"
DEFAULT_ROOT = "~/.cache/benevolent"


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
        read: from the data root to the arrays. Damaged files make it raise one of `FORMAT_ERRORS`; any other exception
            is a mistake in the reader.
        shape: of one input.
        train: number of examples of each class for training.
        test: the same of the official test part; empty if there is none.
        source: where the data set comes from.
        folder: where its files are, below the root; empty for a data set that comes with a package.
        files: the files in the folder that `read` needs; empty: any file there shows that the data set is present.
        fetch: downloads the files to the root.
        top: the largest value of an input; inputs are divided by it.
        digest: the expected `RawDataset.digest`; empty if unknown (torchvision checks CIFAR's files).
    """

    read: Callable[[Path], RawDataset]
    shape: tuple[int, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    source: str
    folder: str = ""
    files: tuple[str, ...] = ()
    fetch: Callable[[Path], None] | None = None
    top: float = 255
    digest: str = ""


class DamagedFiles(ValueError):
    """Files that a library cannot read, or whose contents are not what the reader declares."""


class UndeclaredArrays(DamagedFiles):
    """Arrays that differ from what the reader declares."""


class UnusableArrays(DamagedFiles):
    """Arrays that no network can be trained on, such as labels that are not classes."""


#: Numbers that a data set has at most which is read only to be checked.
FEW_NUMBERS = 10_000_000

#: Classes whose counts an error line lists, at most.
CLASSES_LISTED = 12

#: Errors of files that are missing or damaged. All others are mistakes in a reader, and keep their traceback.
FORMAT_ERRORS = (OSError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error)

#: Errors of torchvision in files that are damaged: it asserts and indexes its way through them.
TORCHVISION_ERRORS = (*FORMAT_ERRORS, RuntimeError, AssertionError, LookupError)

#: Errors of downloads: offline, a mirror that is gone, a full disk. torchvision raises RuntimeError.
DOWNLOAD_ERRORS = (*FORMAT_ERRORS, RuntimeError, http.client.HTTPException)


def read_digits(root: Path | None = None) -> RawDataset:
    """Read 1,797 handwritten digits of 8 x 8 pixels from 0 to 16, from scikit-learn's own file.

    Importing `sklearn.datasets` instead would take two seconds in every process.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package scikit-learn")
    file = Path(package.origin).parent / "datasets/data/digits.csv.gz"
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    images = table[:, :-1].reshape(-1, 1, 8, 8)
    return RawDataset(RawSplit(images, table[:, -1].astype(np.int64)))


def _torchvision(kind: str) -> dict[str, Any]:
    """Return the `read` and `fetch` of a class of `torchvision.datasets`."""

    def read(root: Path) -> RawDataset:
        train = _read_torchvision(kind, root, train=True)
        test = _read_torchvision(kind, root, train=False)
        return RawDataset(train, test)

    def fetch(root: Path) -> None:
        from torchvision import datasets

        for train in (True, False):
            getattr(datasets, kind)(root, train=train, download=True)

    return {"read": read, "fetch": fetch}


def _read_torchvision(kind: str, root: Path, train: bool) -> RawSplit:
    from torchvision import datasets

    try:
        dataset = getattr(datasets, kind)(root, train=train)
    except TORCHVISION_ERRORS as error:
        raise DamagedFiles(_one_line(error)) from error
    images = np.asarray(dataset.data)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    labels = np.asarray(dataset.targets, dtype=np.int64)
    return RawSplit(np.ascontiguousarray(images), labels)


MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR10_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
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
        files=MNIST_FILES,
        digest="1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
    ),
    "fashion_mnist": Reader(
        **_torchvision("FashionMNIST"),
        shape=(1, 28, 28),
        train=(6000,) * 10,
        test=(1000,) * 10,
        source="Xiao, Rasul and Vollgraf 2017",
        folder="FashionMNIST/raw",
        files=MNIST_FILES,
        digest="ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619",
    ),
    "cifar10": Reader(
        **_torchvision("CIFAR10"),
        shape=(3, 32, 32),
        train=(5000,) * 10,
        test=(1000,) * 10,
        source="Krizhevsky 2009",
        folder="cifar-10-batches-py",
        files=CIFAR10_FILES,
        digest="9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df",
    ),
    "cifar100": Reader(
        **_torchvision("CIFAR100"),
        shape=(3, 32, 32),
        train=(500,) * 100,
        test=(100,) * 100,
        source="Krizhevsky 2009",
        folder="cifar-100-python",
        files=("train", "test", "meta"),
    ),
}

#: Arrays given to this process, which then needs no files.
_provided: dict[str, RawDataset] = {}


def data_root() -> Path:
    """Return the folder of all data sets: BENEVOLENT_DATA, or `~/.cache/benevolent`."""
    return Path(os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT).expanduser()


@contextlib.contextmanager
def use_data_root(path: str | Path | None) -> Iterator[None]:
    """Look for data sets in another folder, in this process and those that it starts; None changes nothing."""
    if path is None:
        yield
        return
    previous = os.environ.get(ROOT_VARIABLE)
    os.environ[ROOT_VARIABLE] = str(Path(path).expanduser().absolute())
    try:
        yield
    finally:
        if previous is None:
            del os.environ[ROOT_VARIABLE]
        else:
            os.environ[ROOT_VARIABLE] = previous


def reader_of(name: str) -> Reader:
    """Return the reader of a data set; `BadInput` names those that exist."""
    if name not in READERS:
        raise unknown_dataset(name, READERS, "bth data list")
    return READERS[name]


def unknown_dataset(name: str, names: Collection[str], command: str) -> BadInput:
    """Return the error of a name that no data set has.

    Args:
        name: the name.
        names: those that are allowed here.
        command: lists them.
    """
    hint = did_you_mean(name, names, command, meant_value(name, names))
    own = "" if os.environ.get(PLUGINS) else f"; one of your own: name its module in {PLUGINS}"
    return BadInput(f"data.name = {name!r}: unknown data set{hint}{own}")


def location(name: str) -> str:
    """Return where the files of a data set are or would be; `BadInput` if there is no such data set."""
    folder = reader_of(name).folder
    return str(data_root() / folder) if folder else "an installed package"


def is_present(name: str) -> bool:
    """Return True if a data set can be read without fetching it; its files are not opened."""
    return name in _provided or _why_missing(name) is None


def _why_missing(name: str) -> str | None:
    """Return which files of a data set are missing; None if none is."""
    reader = reader_of(name)
    if not reader.folder:
        return None
    folder = data_root() / reader.folder
    if not any(folder.glob("*")):
        return f"no files in {folder}"
    missing = [file for file in reader.files if not (folder / file).is_file()]
    return f"missing files in {folder}: {', '.join(missing)}" if missing else None


def provide(name: str, raw: RawDataset) -> None:
    """Give this process the arrays of a data set, so that it looks for no files (a worker of a cluster)."""
    _provided[name] = raw


@contextlib.contextmanager
def temporary_data_set(name: str, reader: Reader) -> Iterator[None]:
    """Add a data set, such as random numbers in place of files, to this process for the time of a block."""
    READERS[name] = reader
    _provided[name] = reader.read(data_root())  # not cached by `read`, so that nothing is left
    try:
        yield
    finally:
        del READERS[name], _provided[name]


def read(name: str) -> RawDataset:
    """Return the arrays of a data set, held once by every process.

    Raises:
        BadInput: no such data set, or its files are missing or damaged.
    """
    return _provided[name] if name in _provided else _read(name, data_root())


def check_own(name: str) -> None:
    """Refuse a small data set of a user's own that is not what its reader declares.

    A large one is not read, and one that cannot be read here is not refused: it may be there where runs train.

    Raises:
        BadInput: as `read`.
    """
    reader = READERS.get(name)
    if reader is None or reader.fetch or reader.digest or not is_present(name):
        return
    if math.prod(reader.shape) * (sum(reader.train) + sum(reader.test)) > FEW_NUMBERS:
        return
    try:
        read(name)
    except BadInput as error:
        if isinstance(error.__cause__, UndeclaredArrays | UnusableArrays):
            raise


@functools.cache
def _read(name: str, root: Path) -> RawDataset:
    reader = reader_of(name)
    remedy = f"fetch it with `bth data fetch {name}`"
    if missing := _why_missing(name):
        raise BadInput(f"data.name = {name!r}: {missing}; {remedy}")
    try:
        return _read_and_verify(reader, root)
    except FORMAT_ERRORS as error:
        if not reader.fetch and not reader.digest:  # a user's own: nothing says that its files are the ones declared
            what = "it cannot be read"
            if isinstance(error, UndeclaredArrays):
                what = "what it reads is not what it declares"
            if isinstance(error, UnusableArrays):
                what = "what it reads cannot be used"
            raise BadInput(f"data.name = {name!r}: its reader: {what} ({_one_line(error)})") from error
        remedy = remedy if reader.fetch else "install it again"
        why = f"damaged files in {location(name)} ({_one_line(error)})"
        raise BadInput(f"data.name = {name!r}: {why}; {remedy}") from error


def _read_and_verify(reader: Reader, root: Path) -> RawDataset:
    """Return the arrays of a reader, which must be those that it declares.

    Raises:
        UndeclaredArrays: they are not.
        UnusableArrays: they are, but no network can be trained on them.
    """
    raw = reader.read(root)
    _verify_part("train", raw.train, reader.shape, reader.train)
    if raw.test is not None:
        _verify_part("test", raw.test, reader.shape, reader.test)
    elif reader.test:
        raise UndeclaredArrays(f"test: no part, declared {sum(reader.test)} examples")
    if reader.digest and raw.digest != reader.digest:
        raise UndeclaredArrays(f"digest {raw.digest[:16]}, declared {reader.digest[:16]}")
    return raw


def _verify_part(name: str, part: RawSplit, input_shape: tuple[int, ...], counts: tuple[int, ...]) -> None:
    """Refuse the arrays of one part that are not as declared."""
    for what, array in (("inputs", part.inputs), ("labels", part.labels)):
        if not isinstance(array, np.ndarray):
            raise UnusableArrays(f"{name}: {what} are a {type(array).__name__}, not a NumPy array")
    _verify_inputs(name, part.inputs, input_shape)
    _verify_labels(name, part.labels, len(part.inputs), counts)


def _verify_inputs(name: str, inputs: Array, shape: tuple[int, ...]) -> None:
    if inputs.shape[1:] != shape:
        raise UndeclaredArrays(f"{name}: an input of shape {inputs.shape[1:]}, declared {shape}")
    if inputs.dtype.kind not in "uif":
        remedy = ': .astype("uint8") makes them so' if inputs.dtype.kind == "b" else ""
        raise UnusableArrays(f"{name}: inputs of type {inputs.dtype}, not numbers{remedy}")
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        example = int(np.argwhere(~np.isfinite(inputs))[0, 0])
        raise UnusableArrays(f"{name}: example {example} contains NaN or infinity")


def _verify_labels(name: str, labels: Array, examples: int, counts: tuple[int, ...]) -> None:
    if labels.shape != (examples,):
        raise UnusableArrays(f"{name}: labels of shape {labels.shape} for {examples} inputs")
    if labels.dtype.kind not in "iu" or (labels < 0).any():
        what = f"of type {labels.dtype}" if labels.dtype.kind not in "iu" else "below 0"
        remedy = "np.unique(labels, return_inverse=True)[1] makes them so"
        raise UnusableArrays(f"{name}: labels {what}; classes are integers from 0: {remedy}")
    actual = tuple(np.bincount(labels).tolist())
    if actual == counts:
        return
    if max(len(actual), len(counts)) <= CLASSES_LISTED:
        raise UndeclaredArrays(f"{name}: examples of each class {actual}, declared {counts}")
    for label, (found, declared) in enumerate(itertools.zip_longest(actual, counts, fillvalue=0)):
        if found != declared:
            raise UndeclaredArrays(f"{name}: {found} examples of class {label}, declared {declared}")


def fetch(name: str) -> bool:
    """Download a data set to the root, with a progress bar; False if it is present already, undamaged.

    The files are read and checked before they take their place, so that a download that fails changes nothing.

    Raises:
        BadInput: no such data set, no way to fetch it, or the download failed.
    """
    reader = reader_of(name)
    try:
        read(name)
        return False
    except BadInput:
        if reader.fetch is None:
            raise
    try:
        _download(reader)
    except DOWNLOAD_ERRORS as error:
        raise BadInput(f"{name}: could not be fetched to {data_root()} ({_one_line(error)})") from error
    return True


def _download(reader: Reader) -> None:
    assert reader.fetch is not None
    root = data_root()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".fetching-") as aside:
        reader.fetch(Path(aside))
        _read_and_verify(reader, Path(aside))
        target = root / reader.folder
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        (Path(aside) / reader.folder).rename(target)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
