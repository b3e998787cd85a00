"""Every study at a size that trains in seconds, on handwritten digits in place of the data sets in files."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.study import Study, studies
from benevolent.orchestrator.study_heading import ScaleChanges
from benevolent.trainables.data.readers import RawDataset, RawSplit, Reader, read_digits

#: Changes of each study's sweeps, as in its own file: the sweep's name, or `every`, and dotted keys. `reads`: the
#: studies that a study reads.
FILES = Path(__file__).parent / "tiny"
#: Examples of each class in the training and in the test part.
TRAIN, TEST = 100, 70


@functools.cache
def digits(channels: int, kind: str) -> RawDataset:
    """Digits of 8 x 8 pixels, as they are, with dark and light exchanged, or in three colors."""
    part = read_digits().train
    images = part.inputs if kind != "inverse" else 16 - part.inputs
    if channels == 3:
        shades = np.random.default_rng(0).integers(1, 5, (len(images), 3, 1, 1), dtype=np.uint8)
        images = images // shades
    places = np.concatenate([np.flatnonzero(part.labels == label)[: TRAIN + TEST] for label in range(10)])
    trained = np.arange(len(places)) % (TRAIN + TEST) < TRAIN
    chosen = (places[trained], places[~trained])
    return RawDataset(*(RawSplit(np.ascontiguousarray(images[rows]), part.labels[rows]) for rows in chosen))


def reader(channels: int, kind: str, enlarge: bool = False) -> Reader:
    """A reader of `digits`, of 28 x 28 pixels if enlarged."""

    def large(part: RawSplit) -> RawSplit:
        images = part.inputs.repeat(3, axis=2).repeat(3, axis=3)
        return RawSplit(np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))), part.labels)

    def read(root: Path) -> RawDataset:
        raw = digits(channels, kind)
        return RawDataset(large(raw.train), large(raw.test)) if enlarge and raw.test else raw

    side = 28 if enlarge else 8
    return Reader(read, (channels, side, side), (TRAIN,) * 10, (TEST,) * 10, "scikit-learn's digits", top=16)


#: What stands for the data sets in files, which have names of their own: tasks are described only once in a process.
READERS = {
    "digits_like_mnist": reader(1, "plain"),
    "digits_like_fashion_mnist": reader(1, "inverse"),
    "digits_like_cifar10": reader(3, "plain"),
    "large_digits": reader(1, "plain", enlarge=True),
}
#: Named groups of classes belong to data sets in files; these are the same ones.
CLASSES = {
    "low_high": "0,1,2,3,4|5,6,7,8,9",
    "first_last": "0,1,2,3,4|5,6,7,8,9",
    "animals_objects": "2,3,4,5,6,7|0,1,8,9",
}


@functools.cache
def tiny_studies() -> dict[str, Study]:
    """All studies, each by its name."""
    return {name: tiny(study) for name, study in studies().items()}


def tiny(study: Study) -> Study:
    """A study whose small scale is that of its file in `tests/tiny`, on the data sets of `READERS`."""
    text = (FILES / f"{study.name}.yaml").read_text(encoding="utf-8")
    given = yaml_text.loads(text)
    changes: dict[str, dict[str, Any]] = {}
    for name, sweep in study.sweeps.items():
        mine = {**given.get("every", {}), **given.get(name, {})}
        changes[name] = {**_data(sweep["base"]["data"]), **mine}
    made: dict[str, Any] = {"small": ScaleChanges(takes="seconds", changes=changes)}
    if study.reads is not None:
        made["reads"] = study.reads.model_copy(update={"studies": given["reads"]})
    return study.model_copy(update=made)


def _data(section: Mapping[str, Any]) -> dict[str, Any]:
    """What changes of a `data:` section, so that digits stand for data in files."""
    name = f"digits_like_{section['name']}"
    changes: dict[str, Any] = {"base.data.name": name} if name in READERS else {}
    if section.get("classes") in CLASSES:
        changes["base.data.classes"] = CLASSES[section["classes"]]
    return changes
