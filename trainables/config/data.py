"""`DataConfig`: the data that a run learns from."""

import itertools
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from benevolent.trainables.config.base import Section
from benevolent.trainables.per_run_fields import PerRun

Fraction = Annotated[float, Field(ge=0, le=1)]
Corruption = Literal["redraw", "swap"]
Pixels = Literal["none", "permuted", "shuffled", "gaussian"]
Half = Literal["both", "first", "second"]
Augment = Literal["none", "flip", "shift", "shift_flip", "window", "window_flip"]
Positive = Annotated[int, Field(ge=1)]

#: Groups of classes as a sweep may give them.
Groups = str | list[list[int]] | None
#: Text of groups of classes, such as 3,7|6.
GROUPS = r"\d+(,\d+)*(\|\d+(,\d+)*)*"

#: Named tasks on groups of classes: the groups, and the data sets that they are tasks of.
CLASS_TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "low_high": ("0,1,2,3,4|5,6,7,8,9", ("digits", "mnist")),
    "odd_even": ("1,3,5,7,9|0,2,4,6,8", ("digits", "mnist")),
    "first_last": ("0,1,2,3,4|5,6,7,8,9", ("cifar10", "fashion_mnist")),
    "animals_objects": ("2,3,4,5,6,7|0,1,8,9", ("cifar10",)),
}


def groups_as_text(classes: Any) -> Any:
    """Return groups of classes as one line of text, which tables and hashes can hold.

    >>> groups_as_text([[7, 3], [6]]), groups_as_text("low_high")
    ('3,7|6', 'low_high')
    """
    if classes is None or (isinstance(classes, str) and classes in CLASS_TASKS):
        return classes
    if isinstance(classes, str) and re.fullmatch(GROUPS, classes):
        classes = _groups_of(classes)
    if not _is_list(classes) or not all(_is_list(group) for group in classes):
        raise ValueError(f"expected lists of classes such as [[3], [6]], or one of {', '.join(CLASS_TASKS)}")
    members = list(itertools.chain.from_iterable(classes))
    are_classes = all(type(member) is int and member >= 0 for member in members)
    if len(classes) < 2 or not all(classes) or not are_classes:
        raise ValueError("expected two or more groups, each of one or more classes 0, 1, ...")
    if len(set(members)) < len(members):
        raise ValueError("a class is in two groups")
    groups = [",".join(map(str, sorted(group))) for group in classes]
    return "|".join(groups)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _groups_of(text: str) -> tuple[tuple[int, ...], ...]:
    """Return the groups of classes that a text names.

    >>> _groups_of("3,7|6")
    ((3, 7), (6,))
    """
    groups = []
    for group in text.split("|"):
        members = group.split(",")
        groups.append(tuple(map(int, members)))
    return tuple(groups)


class DataConfig(Section):
    """The data set, its task and splits, and the interventions on training labels and inputs.

    The fields `frequency`, `noise`, `dimension`, `hard_test` and `fresh` are those of synthetic tasks.

    `name`: the data set or synthetic task; `bth list datasets` shows all.

    `train_size`, `validation_size`, `test_size`: examples of this split. The splits are stratified and disjoint; a
    smaller training split is a part of a larger one. A data set with an official test part gives the test split from
    that part. `split_seed`: which examples are in which split. `half`: all splits are of one half of the data set's
    examples, which are divided once for all within each class, so that a method developed on the first half can be
    tried on unseen examples.

    `label_corruption`: the fraction of training labels that are corrupted; the run's seed chooses which.
    `corruption`: corrupted labels are redrawn uniformly from all classes (`redraw`, so that some stay right), or moved
    to another class (`swap`). `corrupt_test`: corrupts the labels of the validation and the test split in the same way.

    `classes`: groups of original classes that become the labels 0, 1, ...; other classes are left out. Also the name
    of a task: low_high or odd_even of digits and mnist, first_last of cifar10 and fashion_mnist, animals_objects of
    cifar10. `crop`: cuts this many pixels off every side: with 2 an image of CIFAR-10 is the 28 x 28 in its center
    (Zhang et al. 2017; Arpit et al. 2017), or with `augment` any 28 x 28 of it at a training step. `pool`: averages
    squares of this many pixels a side, after cropping (14 x 14 inputs of Arpit et al. 2017: 2).

    `normalize`: by mean and deviation of the training split, each channel its own (`split`), by the constants of the
    CIFAR-10 papers (`cifar`), from [0, 1] to [-1, 1] (`half`), or not at all (`none`).

    `pixels`: the positions of all images are permuted alike (`permuted`), those of each image in its own way
    (`shuffled`), or inputs are drawn from a Gaussian of the training split's mean and variance (`gaussian`), as in
    Zhang et al. 2017. With `permuted`, the validation and the test inputs are permuted too; the others leave them
    natural. `pixels_fraction`: the fraction of the inputs that `pixels` changes, chosen by the run's seed.

    `intervention_seed`: chooses and draws corrupted labels, replaced pixels and input noise in place of the run's seed,
    so that runs of many seeds see the same wrong labels or the same noise.

    `subset`: the fraction of the training examples that a run sees (Feldman and Zhang 2020, section 2.2). Each run has
    its own, drawn from its seed (`trainables.data.subset_positions` says which), uniformly over all classes; a smaller
    one is a part of a larger one of the same seed. Everything about training is then about these examples alone:
    epochs, full batches, `train` losses and errors, targets of the stop rule, measures. Inputs are normalized by the
    whole training split, and interventions are drawn on it, before the subset is taken.

    `input_noise`: standard deviation of the Gaussian noise that is added to every number of the (normalized) training
    inputs, drawn once from the run's seed, so that a run sees each example with the same noise at every step.

    `augment`: mirrors, moves or cuts the images of every training step at random, drawn from the run's seed
    (`trainables.data.augmentation`); losses and errors are those of the images as they are, on every split.

    `frequency`: of the wave in the task frequency, and of the curve between the classes of disk. `noise`: the
    probability of a wrong label in disk, and of a flipped first coordinate in sparse_linear. `dimension`: of an input
    of frequency, sinusoid, sparse_linear or sphere, and the pairs in one of xord; by default that of the task's source.
    `hard_test`: the positives of the test split of xord have exactly one pair of equal signs (Brutzkus and Globerson
    2019). `fresh`: the training examples of every epoch are new, drawn from the run's seed.
    """

    inert: ClassVar = {
        "corruption": ("label_corruption", 0),
        "corrupt_test": ("label_corruption", 0),
        "pixels": ("pixels_fraction", 0),
        "pixels_fraction": ("pixels", "none"),
    }

    name: str = "digits"
    train_size: Positive = 1000
    validation_size: Annotated[int, Field(ge=0)] = 197
    test_size: Positive = 600
    split_seed: Annotated[int, Field(ge=0)] = 0
    half: Half = "both"
    label_corruption: Annotated[Fraction, PerRun] = 0.0
    corruption: Annotated[Corruption, PerRun] = "redraw"
    corrupt_test: Annotated[bool, PerRun] = False
    classes: Annotated[str | None, BeforeValidator(groups_as_text, json_schema_input_type=Groups)] = None
    crop: Annotated[int, Field(ge=0)] = 0
    pool: Positive = 1
    normalize: Literal["split", "cifar", "half", "none"] = "split"
    pixels: Annotated[Pixels, PerRun] = "none"
    pixels_fraction: Annotated[Fraction, PerRun] = 1.0
    input_noise: Annotated[float, Field(ge=0), PerRun] = 0.0
    intervention_seed: Annotated[Annotated[int, Field(ge=0)] | None, PerRun] = None
    subset: Annotated[float, Field(gt=0, le=1)] = 1.0
    augment: Augment = "none"
    frequency: Annotated[float, Field(gt=0), PerRun] = 1.0
    noise: Annotated[float, Field(ge=0, le=0.5), PerRun] = 0.1
    dimension: Positive | None = None
    hard_test: bool = False
    fresh: bool = False

    @property
    def seen_size(self) -> int:
        """The number of training examples that a run sees.

        >>> DataConfig(train_size=1000, subset=0.7).seen_size, DataConfig(train_size=4, subset=0.1).seen_size
        (700, 1)
        """
        return max(1, round(self.subset * self.train_size))

    @property
    def groups(self) -> tuple[tuple[int, ...], ...] | None:
        """The original classes of each label; None where the labels are the original classes."""
        if self.classes is None:
            return None
        if self.classes in CLASS_TASKS:
            text, _ = CLASS_TASKS[self.classes]
            return _groups_of(text)
        return _groups_of(self.classes)
