"""Data sets in files: where they are read from, how they are split, and what is refused."""

import dataclasses
import hashlib
import os
import pickle

import fresh_process
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benevolent.orchestrator.cli.main import app
from benevolent.trainables import data
from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import loading
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream, generator

REAL = pytest.mark.skipif("BENEVOLENT_DATA" not in os.environ, reason="BENEVOLENT_DATA names no folder with data sets")
REAL_NAMES = ("mnist", "fashion_mnist", "cifar10")
#: Of the splits of 1,000 + 197 + 600 examples; another checksum is other data or another split.
CHECKSUMS = {
    "digits": "f3c11503ac1c9928",
    "mnist": "892205e4748f8433",
    "fashion_mnist": "fb6df34e27dd2680",
    "cifar10": "7c5638668790f318",
}


def pixels(split: data.Split) -> set[bytes]:
    """The examples of a split as they are in the files, so that they can be told apart."""
    return {row.tobytes() for row in split.inputs.numpy()}


def config(name: str, **fields) -> DataConfig:
    return DataConfig.parse({"name": name, **fields})


@pytest.fixture
def as_bytes(monkeypatch):
    """Even small splits are kept as they are stored."""
    monkeypatch.setattr(loading, "FLOAT_BYTES", 0)
    loading._load.cache_clear()
    yield
    loading._load.cache_clear()


# ---- splits


def test_splits_have_the_requested_sizes_and_are_disjoint():
    dataset = data.load(DataConfig())
    assert [len(split) for split in dataset.splits.values()] == [1000, 197, 600]
    digits = data.read("digits").train
    positions = data.stratified_order(digits.labels, RandomStream(0, "split"))
    assert sorted(positions) == list(range(1797))
    assert len(set.union(*map(pixels, dataset.splits.values()))) == len({*map(bytes, digits.inputs)})


def test_the_splits_are_stratified():
    shares = np.bincount(data.read("digits").train.labels) / 1797
    for split in data.load(DataConfig(split_seed=3)).splits.values():
        assert np.abs(split.labels.bincount().numpy() - shares * len(split)).max() < 2


@pytest.mark.parametrize("classes", [None, "odd_even"])
def test_halves_of_a_data_set_are_disjoint(classes):
    sizes = {"train_size": 500, "validation_size": 100, "test_size": 200, "classes": classes}
    every = [
        {
            tuple(row)
            for name in data.load(config).splits
            for row in data.load(config).splits[name].inputs.flatten(1).tolist()
        }
        for config in (
            data.DataConfig(half=half, split_seed=seed, normalize="none", **sizes)
            for half in ("first", "second")
            for seed in (0, 7)
        )
    ]
    assert all(len(one) > 750 for one in every)  # a digit or two may be there twice
    assert not (every[0] | every[1]) & (every[2] | every[3])
    assert every[0] != every[1]


def test_inputs_are_normalized_by_the_training_split():
    train = data.load(DataConfig(), "float64").train.inputs
    assert train.mean().item() == pytest.approx(0, abs=1e-12)
    assert train.std(correction=0).item() == pytest.approx(1)


def test_test_split_does_not_depend_on_train_size():
    found = []
    for size in (50, 1000):
        dataset = data.load(DataConfig(train_size=size), "float64")
        test = dataset.test.inputs - dataset.test.inputs.min()
        found.append((test / test.max(), dataset.test.labels))
    torch.testing.assert_close(found[0], found[1])


def test_splits_depend_on_split_seed_and_not_on_the_run_seed():
    first, second = data.load(DataConfig()), data.load(DataConfig(split_seed=1))
    assert first.checksum != second.checksum and not torch.equal(first.test.labels, second.test.labels)
    assert RunConfig(seed=1).data == RunConfig(seed=2).data


def test_no_validation_split_of_size_zero():
    assert list(data.load(DataConfig(validation_size=0)).splits) == ["train", "test"]


def test_runs_that_differ_in_interventions_share_one_data_set():
    plain = data.load(DataConfig())
    assert data.load(DataConfig(label_corruption=0.5, pixels="shuffled", corrupt_test=True)) is plain
    assert data.load(DataConfig(train_size=999)) is not plain


def test_inputs_stored_as_uint8_equal_those_stored_as_floats(as_bytes):
    kept = data.load(DataConfig()).train
    assert kept.sets.stored.dtype == torch.uint8 and kept.inputs.dtype == torch.float32
    index = torch.tensor([[3, 1, 4], [1, 5, 9]])
    loading._load.cache_clear()
    loading.FLOAT_BYTES = 2**27  # monkeypatched, and set back with it
    floats = data.load(DataConfig()).train
    assert floats.sets.stored.dtype == torch.float32
    torch.testing.assert_close(kept.inputs, floats.inputs)
    torch.testing.assert_close(kept.gather(index), floats.inputs[index])
    assert torch.equal(floats.gather(index), floats.inputs[index])


@pytest.mark.parametrize(("normalize", "low", "high"), [("none", 0, 1), ("half", -1, 1)])
def test_inputs_are_normalized_by_constants(normalize, low, high):
    inputs = data.load(DataConfig(normalize=normalize)).train.inputs
    assert (inputs.min(), inputs.max()) == (low, high)


def test_pooling_averages_squares():
    raw = data.load(DataConfig(normalize="none"), "float64").test.inputs
    pooled = data.load(DataConfig(normalize="none", pool=2), "float64").test.inputs
    assert pooled.shape[1:] == (1, 4, 4)
    assert (pooled - torch.nn.functional.avg_pool2d(raw, 2)).abs().max() <= 0.5 / 16


@pytest.mark.parametrize("dtype", ["int16", "int64", "float64"])
def test_means_of_pixels_that_are_no_bytes_are_not_rounded(monkeypatch, dtype):
    images = (np.arange(20 * 16).reshape(20, 1, 4, 4) ** 2 % 251).astype(dtype)
    part = data.RawSplit(images, np.arange(20) % 2)
    own = data.Reader(lambda root: data.RawDataset(part), (1, 4, 4), (10, 10), (), "made here", top=250)
    monkeypatch.setitem(data.READERS, f"own_{dtype}", own)
    sizes = {"train_size": 12, "validation_size": 4, "test_size": 4}
    config = DataConfig(name=f"own_{dtype}", normalize="none", pool=2, **sizes)
    pooled = data.load(config, "float64").train.inputs
    means = torch.nn.functional.avg_pool2d(torch.from_numpy(images).double(), 2) / 250
    distances = (pooled.flatten(1)[:, None] - means.flatten(1)).abs().amax(2)
    assert distances.amin(1).max() < 1e-15


def test_crop_keeps_the_center_and_comes_before_pooling():
    raw = data.load(DataConfig(normalize="none"), "float64").test.inputs
    assert torch.equal(data.load(DataConfig(normalize="none", crop=1), "float64").test.inputs, raw[..., 1:-1, 1:-1])
    both = data.load(DataConfig(normalize="none", crop=2, pool=2), "float64").test.inputs
    assert (both - torch.nn.functional.avg_pool2d(raw[..., 2:-2, 2:-2], 2)).abs().max() <= 0.5 / 16
    train = data.load(DataConfig(crop=2), "float64").train.inputs  # normalized by what is left
    assert train.mean().item() == pytest.approx(0, abs=1e-12)


def test_groups_of_classes_become_labels_and_other_classes_are_left_out():
    sizes = {"train_size": 200, "validation_size": 50, "test_size": 100}
    raw = data.read("digits").train
    of_class = {label: {image.tobytes() for image in raw.inputs[raw.labels == label]} for label in (3, 6)}
    pair = data.load(config("digits", classes=[[3], [6]], normalize="none", **sizes))
    for split in pair.splits.values():
        images = (split.inputs * 16).round().to(torch.uint8).numpy()
        assert all(image.tobytes() in of_class[3 + 3 * int(y)] for image, y in zip(images, split.labels, strict=True))
    assert pair.classes == 2 and pair.train.labels.bincount().tolist() == pytest.approx([100, 100], abs=2)


def test_named_task_equals_its_groups():
    named, spelled = (config("digits", classes=c) for c in ("low_high", [[4, 3, 2, 1, 0], [5, 6, 7, 8, 9]]))
    assert torch.equal(data.load(named).train.labels, data.load(spelled).train.labels)
    assert RunConfig.parse({"data": {"classes": [[1, 0], [2]]}}).data.classes == "0,1|2"


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"name": "digit"}, "data.name = 'digit': unknown data set; did you mean 'digits'? allowed: cifar10"),
        ({"train_size": 1001}, "1001 + 197 + 600 = 1798: digits has 1797 examples"),
        (
            {"name": "mnist", "train_size": 60_000},
            "60000 + 197 = 60197: mnist has 60000 training examples; allowed: up to",
        ),
        ({"name": "mnist", "test_size": 10_001}, "data.test_size = 10001: mnist has 10000 test examples"),
        ({"half": "second"}, "1000 + 197 + 600 = 1797: digits has 896 examples in the second half; allowed"),
        ({"classes": "3|6"}, "= 1797: digits has 364 examples of these classes"),
        ({"classes": "3|10"}, "data.classes = '3|10': digits has no class 10; allowed: 0 to 9"),
        (
            {"name": "mnist", "classes": "animals_objects"},
            "a task of cifar10, not of mnist; allowed: low_high, odd_even, groups",
        ),
        ({"name": "mnist", "normalize": "cifar"}, "mnist has 1; allowed: split, half, none"),
        ({"pool": 3}, "data.pool = 3: does not divide the sides of digits, 8 x 8; allowed: 1, 2, 4, 8"),
        ({"pool": 4, "crop": 1}, "data.pool = 4: does not divide the sides of digits cropped by 1, 6 x 6"),
        ({"crop": 4}, "data.crop = 4: leaves nothing of digits, 8 x 8; allowed: 0 to 3"),
        ({"augment": "window"}, "data.augment = 'window': windows move in the border that data.crop cuts off"),
        ({"augment": "window", "crop": 1, "pool": 2}, "data.augment = 'window': does not go with data.pool = 2"),
        ({"name": "disk", "augment": "flip"}, "data.augment = 'flip': has no effect on disk"),
        ({"name": "disk", "crop": 1}, "data.crop = 1: has no effect on disk"),
        ({"frequency": 2.0}, "data.frequency = 2.0: has no effect on digits; leave it out"),
        ({"fresh": True}, "data.fresh = True: has no effect on digits"),
        ({"name": "disk", "pool": 2}, "data.pool = 2: has no effect on disk"),
        ({"name": "frequency", "label_corruption": 0.1}, "the targets of frequency are not classes"),
        ({"name": "staircase", "dimension": 5}, "data.dimension = 5: at least 6"),
    ],
)
def test_invalid_data_sections_are_refused_in_one_line(fields, line):
    for refuse in (data.describe, data.load):
        with pytest.raises(BadInput) as refused:
            refuse(DataConfig.parse(fields))
        assert line in str(refused.value) and str(refused.value).startswith("data.") and "\n" not in str(refused.value)


@pytest.mark.parametrize("classes", ["high", "3", [[3]], [[3], []], [[3], [3]], [3, 6], [[-1], [2]], [[True], [2]], 3])
def test_invalid_groups_are_refused(classes):
    with pytest.raises(BadInput, match="data.classes = "):
        RunConfig.parse({"data": {"classes": classes}})


def test_describe_agrees_with_load_and_reads_no_file(tmp_path, monkeypatch):
    for fields in ({}, {"classes": "low_high", "pool": 2}, {"name": "xord"}, {"name": "frequency"}):
        task, dataset = data.describe(DataConfig(**fields)), data.load(DataConfig(**fields))
        assert (task.input_shape, task.classes, task.target) == (dataset.input_shape, dataset.classes, dataset.target)
    monkeypatch.setenv("BENEVOLENT_DATA", str(tmp_path))
    assert data.describe(DataConfig(name="cifar100")).classes == 100


# ---- files


def test_reading_data_imports_neither_scikit_learn_nor_torchvision(tmp_path):
    code = "import sys; from benevolent.trainables import data; data.read('digits'); "
    code += "sys.exit(any(name in sys.modules for name in ('sklearn', 'torchvision')))"
    assert fresh_process.python(code, cwd=tmp_path) == (0, "", "")


@REAL
@pytest.mark.parametrize("name", REAL_NAMES)
def test_data_sets_in_files_match_their_reader(name):
    reader, raw = data.READERS[name], data.read(name)
    for part, counts in ((raw.train, reader.train), (raw.test, reader.test)):
        assert part.inputs.dtype == np.uint8 and part.inputs.shape == (sum(counts), *reader.shape)
        assert np.bincount(part.labels).tolist() == list(counts)
    assert data.read(name) is raw


@pytest.mark.parametrize("name", ["digits", *(pytest.param(name, marks=REAL) for name in REAL_NAMES)])
def test_checksums_are_pinned(name):
    assert data.load(DataConfig(name=name)).checksum == CHECKSUMS[name]


@REAL
def test_the_official_test_part_gives_the_test_split():
    dataset = data.load(DataConfig(name="mnist", normalize="none", train_size=2000))
    raw = data.read("mnist")
    parts = {"train": raw.train, "validation": raw.train, "test": raw.test}
    for name, split in dataset.splits.items():
        part = {image.tobytes() for image in parts[name].inputs}
        assert all(image.tobytes() in part for image in (split.inputs * 255).round().to(torch.uint8).numpy())
        shares = np.array(data.READERS["mnist"].test if name == "test" else data.READERS["mnist"].train)
        assert np.abs(split.labels.bincount().numpy() - shares / shares.sum() * len(split)).max() < 2


@REAL
def test_channels_are_normalized_separately_and_large_splits_stay_uint8():
    dataset = data.load(DataConfig(name="cifar10", train_size=20_000))
    assert dataset.train.sets.stored.dtype == torch.uint8 and dataset.test.sets.stored.dtype == torch.float32
    assert dataset.train.inputs.mean((0, 2, 3)).abs().max() < 1e-4
    torch.testing.assert_close(dataset.train.inputs.std((0, 2, 3)), torch.ones(3), rtol=1e-4, atol=0)
    assert dataset.test.inputs.mean((0, 2, 3)).abs().max() < 0.2


COUNTS = (3, 2, 1, 1, 1, 1, 1, 1, 1, 1)


def write_mnist(dataset) -> None:
    """Files of MNIST's format, with few images, in place of a download."""
    os.makedirs(dataset.raw_folder, exist_ok=True)
    labels = np.repeat(np.arange(10, dtype=np.uint8), COUNTS)
    images = np.arange(13 * 784, dtype=np.uint8).reshape(13, 28, 28)
    for kind in ("train", "t10k"):
        for what, values, magic in (("images-idx3", images, 2051), ("labels-idx1", labels, 2049)):
            header = np.array([magic, *values.shape], dtype=">i4").tobytes()
            with open(f"{dataset.raw_folder}/{kind}-{what}-ubyte", "wb") as file:
                file.write(header + values.tobytes())


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A data root without files, and a download of 13 images."""
    from torchvision import datasets

    monkeypatch.setenv("BENEVOLENT_DATA", str(tmp_path))
    monkeypatch.setattr(datasets.MNIST, "download", write_mnist)
    small = dataclasses.replace(data.READERS["mnist"], train=COUNTS, test=COUNTS, digest="")
    monkeypatch.setitem(data.READERS, "mnist", small)
    return tmp_path / "MNIST" / "raw"


def refusal(name: str = "mnist") -> str:
    with pytest.raises(BadInput) as refused:
        data.read(name)
    return str(refused.value)


def test_missing_data_set_is_refused_with_its_folder_and_a_remedy(small_mnist):
    line = f"data.name = 'mnist': no files in {small_mnist}; fetch it with `bth data fetch mnist`"
    assert refusal() == line and not data.is_present("mnist")


def test_fetched_data_set_is_not_fetched_again(small_mnist):
    bth = CliRunner()
    assert f"mnist: fetched to {small_mnist}" in bth.invoke(app, ["data", "fetch", "mnist"]).output
    assert f"mnist: already in {small_mnist}" in bth.invoke(app, ["data", "fetch", "mnist"]).output
    assert data.is_present("mnist") and data.read("mnist").train.inputs.shape == (13, 1, 28, 28)
    assert [path.name for path in small_mnist.parent.parent.iterdir()] == ["MNIST"]


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    ("damage", "problem", "present"),
    [
        (lambda path: path.unlink(), "missing files", False),
        (lambda path: path.rename(path.with_suffix(".gz")), "missing files", False),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged files", True),
        (lambda path: path.write_bytes(b""), "damaged files", True),
    ],
)
def test_missing_and_damaged_files_are_named_and_fetched_again(small_mnist, file, damage, problem, present):
    data.fetch("mnist")
    data.readers._read.cache_clear()
    damage(small_mnist / file)
    assert data.is_present("mnist") == present
    line = refusal()
    assert f"{problem} in {small_mnist}" in line and "bth data fetch mnist" in line
    assert present or file in line
    assert data.fetch("mnist") and not data.fetch("mnist")


def test_one_changed_pixel_counts_as_damage(small_mnist, monkeypatch):
    data.fetch("mnist")
    digest = data.read("mnist").digest
    monkeypatch.setitem(data.READERS, "mnist", dataclasses.replace(data.READERS["mnist"], digest=digest))
    data.readers._read.cache_clear()
    assert data.read("mnist").digest == digest
    path = small_mnist / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    data.readers._read.cache_clear()
    assert "damaged" in refusal()


def test_failed_download_changes_nothing_and_is_one_line(small_mnist, monkeypatch):
    from torchvision import datasets

    def fail(dataset) -> None:
        write_mnist(dataset)
        raise RuntimeError("Error downloading:\nTried a mirror")

    monkeypatch.setattr(datasets.MNIST, "download", fail)
    with pytest.raises(BadInput, match=r"mnist: could not be fetched to .* \(Error downloading: Tried a mirror\)$"):
        data.fetch("mnist")
    assert not list(small_mnist.parents[1].iterdir())


def test_cifar100_is_read_from_its_files(tmp_path, monkeypatch):
    """Rows of 1024 red, green and blue bytes, image rows first; the labels are the 100 fine ones."""
    from torchvision import datasets

    folder, draw = tmp_path / "cifar-100-python", generator(0, "cifar100")
    folder.mkdir()
    images = {}
    for name, per_class in (("train", 3), ("test", 1)):
        images[name] = draw.integers(0, 256, (100 * per_class, 3, 32, 32), dtype=np.uint8)
        fine = [place % 100 for place in range(100 * per_class)]
        rows = {"data": images[name].reshape(-1, 3072), "fine_labels": fine, "coarse_labels": [7] * len(fine)}
        (folder / name).write_bytes(pickle.dumps(rows))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"class {place}" for place in range(100)]}))
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", datasets.CIFAR100.meta | {"md5": sums["meta"]})
    monkeypatch.setenv("BENEVOLENT_DATA", str(tmp_path))
    small = dataclasses.replace(data.READERS["cifar100"], train=(3,) * 100, test=(1,) * 100)
    monkeypatch.setitem(data.READERS, "cifar100", small)
    raw = data.read("cifar100")
    for part, name in ((raw.train, "train"), (raw.test, "test")):
        assert part.inputs.dtype == np.uint8 and np.array_equal(part.inputs, images[name])
        assert part.labels.tolist() == [place % 100 for place in range(len(part.labels))]
    fields = {"train_size": 200, "validation_size": 100, "test_size": 100, "normalize": "none"}
    dataset = data.load(config("cifar100", **fields))
    assert dataset.classes == 100 and set(dataset.test.labels.tolist()) == set(range(100))
    assert torch.equal(dataset.train.labels.bincount(), torch.full((100,), 2))
    (folder / "train").write_bytes(b"damaged")
    data.readers._read.cache_clear()
    assert "damaged files" in refusal("cifar100")


def test_provided_data_set_needs_no_files(small_mnist, monkeypatch):
    part = data.RawSplit(np.zeros((13, 1, 28, 28), np.uint8), np.repeat(np.arange(10), COUNTS))
    monkeypatch.setattr(data.readers, "_provided", {})
    data.provide("mnist", data.RawDataset(part, part))
    assert data.read("mnist").train is part and data.is_present("mnist")


def test_data_root_can_be_set(tmp_path, monkeypatch):
    monkeypatch.delenv("BENEVOLENT_DATA", raising=False)
    assert data.data_root().name == "benevolent" and data.data_root().is_absolute()
    monkeypatch.setenv("BENEVOLENT_DATA", "~/elsewhere")
    assert data.data_root().is_absolute()
    output = CliRunner().invoke(app, ["data", "list", "--root", str(tmp_path)]).output
    assert str(tmp_path) in output.replace("\n", "") and "bth data fetch cifar10" in " ".join(output.split())


def test_the_listing_names_every_data_set_with_its_source():
    lines = {name: (what, source) for name, what, source in data.listing()}
    assert lines.keys() == data.READERS.keys() | data.SYNTHETIC.keys() and all(source for _, source in lines.values())
    assert lines["digits"][0] == "1 x 8 x 8, 10 classes, 1,797 examples, present"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"shape": (4, 4)},
            "what it reads is not what it declares (train: an input of shape (2,), declared (4, 4))",
        ),
        (
            {"train": (12, 8)},
            "what it reads is not what it declares (train: examples of each class (10, 10), declared (12, 8))",
        ),
        (
            {"train": (20,)},
            "what it reads is not what it declares (train: examples of each class (10, 10), declared (20,))",
        ),
        ({"test": (5, 5)}, "what it reads is not what it declares (test: no part, declared 10 examples)"),
        ({"read": lambda root: (root / "nothing").read_bytes()}, "it cannot be read ([Errno 2] No such file"),
    ],
)
def test_bug_in_a_reader_is_not_reported_as_damaged_files(monkeypatch, changes, line):
    part = data.RawSplit(np.zeros((20, 2), np.float32), np.arange(20) % 2)
    own = data.Reader(lambda root: data.RawDataset(part), (2,), (10, 10), (), "made here")
    monkeypatch.setitem(data.READERS, "own", dataclasses.replace(own, **changes))
    data.readers._read.cache_clear()
    assert refusal("own").startswith(f"data.name = 'own': its reader: {line}")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"train": (12, 8)}, True),
        ({"train": (10, 10)}, False),
        ({"train": (12, 8), "shape": (3000, 3000)}, False),  # too many numbers to read them for this
        ({"read": lambda root: (root / "nothing").read_bytes()}, False),  # the file may be on the machines that train
        ({"train": (12, 8), "folder": "nowhere"}, False),
    ],
)
def test_what_a_small_reader_declares_is_checked_before_training_where_its_data_are(monkeypatch, changes, refused):
    part = data.RawSplit(np.zeros((20, 2), np.float32), np.arange(20) % 2)
    own = data.Reader(lambda root: data.RawDataset(part), (2,), (10, 10), (), "made here")
    monkeypatch.setitem(data.READERS, "own", dataclasses.replace(own, **changes))
    data.readers._read.cache_clear()
    if refused:
        with pytest.raises(BadInput, match="what it reads is not what it declares"):
            data.check_own("own")
    else:
        data.check_own("own")


INPUTS = np.zeros((20, 2), np.float32)
HOLED = np.where(np.arange(40).reshape(20, 2) == 13, np.nan, INPUTS)
LABELS = np.arange(20) % 2


@pytest.mark.parametrize(
    ("inputs", "labels", "line"),
    [
        (INPUTS, LABELS.astype(float), "labels of type float64; classes are integers from 0: np.unique(labels, "),
        (INPUTS, np.array(["cat", "dog"])[LABELS], "labels of type <U3; classes are integers from 0: np.unique("),
        (INPUTS, LABELS - 1, "labels below 0; classes are integers from 0: np.unique(labels, return_inverse=True)[1]"),
        (INPUTS, LABELS[1:], "labels of shape (19,) for 20 inputs"),
        (INPUTS, np.eye(2)[LABELS], "labels of shape (20, 2) for 20 inputs"),
        (torch.zeros(20, 2), LABELS, "inputs are a Tensor, not a NumPy array"),
        (INPUTS, list(LABELS), "labels are a list, not a NumPy array"),
        (HOLED, LABELS, "example 6 contains NaN or infinity"),
        (INPUTS.astype(object), LABELS, "inputs of type object, not numbers)"),
        (INPUTS.astype(bool), LABELS, 'inputs of type bool, not numbers: .astype("uint8") makes them so)'),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_in_a_line(monkeypatch, inputs, labels, line):
    part = data.RawSplit(inputs, labels)
    own = data.Reader(lambda root: data.RawDataset(part), (2,), (10, 10), (), "made here")
    monkeypatch.setitem(data.READERS, "own", own)
    data.readers._read.cache_clear()
    assert refusal("own").startswith(f"data.name = 'own': its reader: what it reads cannot be used (train: {line}")


def test_of_many_classes_the_first_that_differs_is_named(monkeypatch):
    part = data.RawSplit(INPUTS, np.arange(20))
    own = data.Reader(lambda root: data.RawDataset(part), (2,), (1,) * 7 + (2,) + (1,) * 12, (), "made here")
    monkeypatch.setitem(data.READERS, "own", own)
    data.readers._read.cache_clear()
    assert "1 examples of class 7, declared 2" in refusal("own")


def test_bug_in_a_reader_keeps_its_traceback(monkeypatch):
    mistaken = dataclasses.replace(data.READERS["digits"], read=lambda root: {}["inputs"])
    monkeypatch.setitem(data.READERS, "digits", mistaken)
    data.readers._read.cache_clear()
    with pytest.raises(KeyError, match="inputs"):
        data.read("digits")


def test_use_data_root_ends_with_its_block(tmp_path, monkeypatch):
    monkeypatch.setenv("BENEVOLENT_DATA", "/somewhere")
    with data.use_data_root(tmp_path):
        assert data.data_root() == tmp_path
    assert str(data.data_root()) == "/somewhere"
    monkeypatch.delenv("BENEVOLENT_DATA")
    with data.use_data_root(tmp_path):
        pass
    assert "BENEVOLENT_DATA" not in os.environ
