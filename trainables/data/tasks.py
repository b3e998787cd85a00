"""What a `DataConfig` asks for, checked and described without reading a file."""

import functools
from dataclasses import dataclass

from benevolent.trainables.config.base import did_you_mean
from benevolent.trainables.config.data import CLASS_TASKS, DataConfig, Half
from benevolent.trainables.data.readers import READERS, is_present
from benevolent.trainables.data.split import Target
from benevolent.trainables.data.synthetic import SYNTHETIC, parameters, sampler
from benevolent.trainables.errors import BadInput
from benevolent.trainables.rng import generator

#: Means and deviations of inputs in [0, 1], one per channel or one for all.
CONSTANTS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "cifar": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "half": ((0.5,), (0.5,)),
    "none": ((0.0,), (1.0,)),
}

#: Fields that only data sets in files take, and those that only synthetic tasks take (where they name them).
OF_FILES = ("half", "classes", "crop", "pool", "normalize", "pixels", "augment")
OF_TASKS = ("frequency", "noise", "dimension", "hard_test", "fresh")


@dataclass(frozen=True)
class Task:
    """What a network is built for: `classes` is 0 for a `real` target."""

    input_shape: tuple[int, ...]
    classes: int
    target: Target


@functools.lru_cache(maxsize=4096)
def describe(config: DataConfig) -> Task:
    """The task of a `data:` section; nothing is read, so the files may be missing.

    Raises:
        BadInput: an unknown data set, a field or a task that it does not take, more examples than there are.

    >>> describe(DataConfig(name="mnist", classes="low_high", pool=2))
    Task(input_shape=(1, 14, 14), classes=2, target='classes')
    """
    if config.name not in READERS and config.name not in SYNTHETIC:
        names = [*READERS, *SYNTHETIC]
        raise BadInput(f"data.name = {config.name!r}: unknown data set" + did_you_mean(config.name, names))
    taken = (*parameters(config.name), "fresh") if config.name in SYNTHETIC else OF_FILES
    for field in (*OF_FILES, *OF_TASKS):
        value = getattr(config, field)
        if field not in taken and value != DataConfig.model_fields[field].default:
            raise BadInput(f"data.{field} = {value!r}: has no effect on {config.name}; leave it out")
    return _synthetic(config) if config.name in SYNTHETIC else _in_files(config)


def _synthetic(config: DataConfig) -> Task:
    task = SYNTHETIC[config.name]
    if task.target == "real" and config.label_corruption:
        why = f"the targets of {config.name} are no classes"
        raise BadInput(f"data.label_corruption = {config.label_corruption}: {why}; allowed: 0")
    inputs, _ = sampler(config)(generator(0, "describe"), 1)
    return Task(inputs.shape[1:], 2 if task.target == "classes" else 0, task.target)


def _in_files(config: DataConfig) -> Task:
    reader, name = READERS[config.name], config.name
    classes = len(reader.train)
    if config.classes in CLASS_TASKS and name not in CLASS_TASKS[config.classes][1]:
        sets = " and ".join(CLASS_TASKS[config.classes][1])
        own = [task for task, (_, there) in CLASS_TASKS.items() if name in there]
        allowed = ", ".join([*own, "groups such as [[0], [1]]"])
        raise BadInput(f"data.classes = {config.classes!r}: a task of {sets}, not of {name}; allowed: {allowed}")
    named = [one for group in config.groups or () for one in group]
    if named and max(named) >= classes:
        raise BadInput(
            f"data.classes = {config.classes!r}: no class of {name}: {max(named)}; allowed: 0 to {classes - 1}"
        )
    shape = reader.shape
    if len(shape) == 3:
        if 2 * config.crop >= min(shape[1:]):
            what = f"leaves nothing of {name}, {shape[1]} x {shape[2]}"
            raise BadInput(f"data.crop = {config.crop}: {what}; allowed: 0 to {(min(shape[1:]) - 1) // 2}")
        height, width = (side - 2 * config.crop for side in shape[1:])
        if height % config.pool or width % config.pool:
            what = f"{name} cropped by {config.crop}" if config.crop else name
            where = f"data.pool = {config.pool}: does not divide the sides of {what}, {height} x {width}"
            divisors = [side for side in range(1, min(height, width) + 1) if height % side == width % side == 0]
            raise BadInput(f"{where}; allowed: {', '.join(map(str, divisors))}")
        shape = (shape[0], height // config.pool, width // config.pool)
    elif config.crop or config.pool > 1 or config.pixels != "none" or config.augment != "none":
        fields = "data.crop, data.pool, data.pixels and data.augment"
        raise BadInput(f"{fields}: the inputs of {name} are no images; leave them out")
    if "window" in config.augment:
        where = f"data.augment = {config.augment!r}"
        if not config.crop:
            raise BadInput(f"{where}: the window is what data.crop leaves, and it is 0; allowed: crop of 1 or more")
        if config.pool > 1 or config.pixels != "none":
            raise BadInput(f"{where}: goes with neither data.pool nor data.pixels; leave those out")
    if config.normalize == "cifar" and shape[0] != 3:
        why = f"these constants are for three channels, and {name} has {shape[0]}"
        raise BadInput(f"data.normalize = 'cifar': {why}; allowed: split, half, none")
    _check_sizes(
        config,
        [_of_half(count, config.half) for one, count in enumerate(reader.train) if not named or one in named],
        [_of_half(count, config.half) for one, count in enumerate(reader.test) if not named or one in named],
    )
    return Task(shape, len(config.groups) if config.groups else classes, "classes")


def _of_half(count: int, half: Half) -> int:
    """How many of a class's examples are in a half; the first has the odd one."""
    return count if half == "both" else count - count // 2 if half == "first" else count // 2


def _check_sizes(config: DataConfig, train: list[int], test: list[int]) -> None:
    """Refuse splits that are larger than the parts that they are drawn from; counts are of each class."""
    asked = {"train_size": config.train_size, "validation_size": config.validation_size}
    parts = [(asked, sum(train), " training"), ({"test_size": config.test_size}, sum(test), " test")]
    if not test:
        parts = [(asked | {"test_size": config.test_size}, sum(train), "")]
    for sizes, there, kind in parts:
        if (total := sum(sizes.values())) > there:
            numbers = " + ".join(map(str, sizes.values()))
            equals = f"{numbers} = {total}" if len(sizes) > 1 else numbers
            some = " of these classes" if config.classes else ""
            some += f" in the {config.half} half" if config.half != "both" else ""
            what = f"{config.name} has {there}{kind} examples{some}"
            raise BadInput(f"data.{' + '.join(sizes)} = {equals}: {what}; allowed: up to that")


def listing() -> list[tuple[str, str, str]]:
    """Every data set as (name, what it is, its source): one line each of `bth list datasets`."""
    lines = []
    for name, reader in READERS.items():
        examples = f"{sum(reader.train):,}" + (f" + {sum(reader.test):,}" if reader.test else "")
        there = "present" if is_present(name) else f"absent: bth data fetch {name}"
        what = f"{_shape(reader.shape)}, {len(reader.train)} classes, {examples} examples, {there}"
        lines.append((name, what, reader.source))
    for name, task in SYNTHETIC.items():
        about = describe(DataConfig(name=name))
        kind = "2 classes" if about.target == "classes" else "real target"
        what = f"{_shape(about.input_shape)}, {kind}, drawn; takes {', '.join(parameters(name))}, fresh"
        lines.append((name, what, task.source))
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
