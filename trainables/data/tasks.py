"""Check a `DataConfig`, and describe its task, without reading a file."""

import functools
import itertools
import math
from dataclasses import dataclass

from benevolent.trainables.config.data import CLASS_TASKS, DataConfig, Half
from benevolent.trainables.data.input_interventions import interventions_on
from benevolent.trainables.data.readers import READERS, Reader, is_present, unknown_dataset
from benevolent.trainables.data.split import Target
from benevolent.trainables.data.synthetic import SYNTHETIC, parameters, sampler
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import RandomStream

#: Means and deviations of inputs in [0, 1], one per channel or one for all.
CONSTANTS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "cifar": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "half": ((0.5,), (0.5,)),
    "none": ((0.0,), (1.0,)),
}

#: Fields of data sets in files only, and of synthetic tasks only (each takes those that its builder names).
OF_FILES = ("half", "classes", "crop", "pool", "normalize", "pixels", "augment")
OF_TASKS = ("frequency", "noise", "dimension", "hard_test", "fresh")


@dataclass(frozen=True)
class Task:
    """The inputs and targets that a network is built for; `classes` is 0 for a `real` target."""

    input_shape: tuple[int, ...]
    classes: int
    target: Target


@functools.lru_cache(maxsize=4096)
def describe(config: DataConfig) -> Task:
    """Return the task of a `data:` section; nothing is read, so the files may be missing.

    Raises:
        BadInput: an unknown data set, a field or a task that it does not take, more examples than there are.

    >>> describe(DataConfig(name="mnist", classes="low_high", pool=2))
    Task(input_shape=(1, 14, 14), classes=2, target='classes')
    """
    if config.name not in READERS and config.name not in SYNTHETIC:
        raise unknown_dataset(config.name, [*READERS, *SYNTHETIC], "bth list datasets")
    _check_subset(config)
    is_synthetic = config.name in SYNTHETIC
    taken = (*parameters(config.name), "fresh") if is_synthetic else OF_FILES
    for field in (*OF_FILES, *OF_TASKS):
        value = getattr(config, field)
        if field not in taken and value != DataConfig.model_fields[field].default:
            raise BadInput(f"data.{field} = {value!r}: has no effect on {config.name}; leave it out")
    return _synthetic(config) if is_synthetic else _in_files(config)


def _synthetic(config: DataConfig) -> Task:
    task = SYNTHETIC[config.name]
    if task.target == "real" and config.label_corruption:
        why = f"the targets of {config.name} are not classes"
        raise BadInput(f"data.label_corruption = {config.label_corruption}: {why}; allowed: 0")
    sample = sampler(config)
    inputs, _ = sample(RandomStream(0, "describe"), 1)
    classes = 2 if task.target == "classes" else 0
    return Task(inputs.shape[1:], classes, task.target)


def _in_files(config: DataConfig) -> Task:
    reader = READERS[config.name]
    classes = len(reader.train)
    _check_classes(config, classes)
    shape = reader.shape
    if len(shape) == 3:
        shape = _image_shape(config, shape)
    elif config.crop or config.pool > 1 or config.pixels != "none" or config.augment != "none":
        fields = "data.crop, data.pool, data.pixels and data.augment"
        raise BadInput(f"{fields}: the inputs of {config.name} are not images; leave them out")
    _check_window(config)
    if config.normalize == "cifar" and shape[0] != 3:
        why = f"these constants are for three channels, and {config.name} has {shape[0]}"
        raise BadInput(f"data.normalize = 'cifar': {why}; allowed: split, half, none")
    _check_sizes(config, reader)
    if config.groups:
        classes = len(config.groups)
    return Task(shape, classes, "classes")


def _check_classes(config: DataConfig, classes: int) -> None:
    """Refuse a named task of another data set, and classes that do not exist."""
    name = config.name
    if config.classes in CLASS_TASKS:
        _, data_sets = CLASS_TASKS[config.classes]
        if name not in data_sets:
            own_tasks = [task for task, (_, names) in CLASS_TASKS.items() if name in names]
            allowed = ", ".join([*own_tasks, "groups such as [[0], [1]]"])
            what = f"a task of {' and '.join(data_sets)}, not of {name}"
            raise BadInput(f"data.classes = {config.classes!r}: {what}; allowed: {allowed}")
    largest = max(_kept_classes(config), default=0)
    if largest >= classes:
        what = f"{name} has no class {largest}"
        raise BadInput(f"data.classes = {config.classes!r}: {what}; allowed: 0 to {classes - 1}")


def _kept_classes(config: DataConfig) -> list[int]:
    """Return the original classes that groups name; an empty list where all are kept."""
    return list(itertools.chain.from_iterable(config.groups or ()))


def _image_shape(config: DataConfig, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of cropped and pooled images.

    Raises:
        BadInput: nothing is left, or the squares do not fit.
    """
    channels, full_height, full_width = shape
    smallest = min(full_height, full_width)
    if 2 * config.crop >= smallest:
        what = f"leaves nothing of {config.name}, {full_height} x {full_width}"
        largest = (smallest - 1) // 2
        raise BadInput(f"data.crop = {config.crop}: {what}; allowed: 0 to {largest}")
    height = full_height - 2 * config.crop
    width = full_width - 2 * config.crop
    if height % config.pool or width % config.pool:
        images = f"{config.name} cropped by {config.crop}" if config.crop else config.name
        what = f"does not divide the sides of {images}, {height} x {width}"
        common = math.gcd(height, width)
        divisors = [str(side) for side in range(1, common + 1) if common % side == 0]
        allowed = ", ".join(divisors)
        raise BadInput(f"data.pool = {config.pool}: {what}; allowed: {allowed}")
    return channels, height // config.pool, width // config.pool


def _check_subset(config: DataConfig) -> None:
    """Refuse a part of examples that no other epoch has."""
    if config.fresh and config.subset < 1:
        where = f"data.subset = {config.subset:g}"
        raise BadInput(f"{where}: with data.fresh: true no epoch repeats an example; set data.train_size instead")


def _check_window(config: DataConfig) -> None:
    """Refuse windows of images that have no border to move in, or of images that are changed otherwise."""
    if "window" not in config.augment:
        return
    where = f"data.augment = {config.augment!r}"
    if not config.crop:
        raise BadInput(f"{where}: windows move in the border that data.crop cuts off, here 0; allowed: 1 or more")
    if config.pool > 1:
        raise BadInput(f"{where}: does not go with data.pool = {config.pool}; leave one out")
    for intervention in interventions_on(config, "train"):
        field = intervention.fields[0]
        raise BadInput(f"{where}: does not go with data.{field} = {getattr(config, field)!r}; leave one out")


def _check_sizes(config: DataConfig, reader: Reader) -> None:
    """Refuse splits that are larger than the parts that they are drawn from."""
    sizes = {"train_size": config.train_size, "validation_size": config.validation_size}
    test_size = {"test_size": config.test_size}
    if reader.test:
        _check_size(config, sizes, _available(config, reader.train), " training")
        _check_size(config, test_size, _available(config, reader.test), " test")
    else:
        _check_size(config, sizes | test_size, _available(config, reader.train), "")


def _available(config: DataConfig, counts: tuple[int, ...]) -> int:
    """Return how many examples of a part are kept, of which there are `counts` in each class."""
    kept = _kept_classes(config)
    available = 0
    for original, count in enumerate(counts):
        if not kept or original in kept:
            available += _half_of(count, config.half)
    return available


def _half_of(count: int, half: Half) -> int:
    """Return how many of a class's examples are in a half; the first half has the odd one."""
    match half:
        case "both":
            return count
        case "first":
            return count - count // 2
        case "second":
            return count // 2


def _check_size(config: DataConfig, sizes: dict[str, int], available: int, part: str) -> None:
    total = sum(sizes.values())
    if total <= available:
        return
    numbers = " + ".join(map(str, sizes.values()))
    asked = f"{numbers} = {total}" if len(sizes) > 1 else numbers
    condition = " of these classes" if config.classes else ""
    if config.half != "both":
        condition += f" in the {config.half} half"
    what = f"{config.name} has {available}{part} examples{condition}"
    raise BadInput(f"data.{' + '.join(sizes)} = {asked}: {what}; allowed: up to {available}")


def listing() -> list[tuple[str, str, str]]:
    """Return every data set as (name, description, source): one line each of `bth list datasets`."""
    lines = []
    for name, reader in READERS.items():
        shape = _shape_text(reader.shape)
        examples = f"{sum(reader.train):,}"
        if reader.test:
            examples += f" + {sum(reader.test):,}"
        state = "present" if is_present(name) else f"absent: bth data fetch {name}"
        description = f"{shape}, {len(reader.train)} classes, {examples} examples, {state}"
        lines.append((name, description, reader.source))
    for name, task in SYNTHETIC.items():
        about = describe(DataConfig(name=name))
        target = "2 classes" if about.target == "classes" else "real target"
        fields = ", ".join([*parameters(name), "fresh"])
        description = f"{_shape_text(about.input_shape)}, {target}, drawn; takes {fields}"
        lines.append((name, description, task.source))
    return lines


def _shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
