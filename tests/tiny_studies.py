"""Every study at a size that trains in seconds, on handwritten digits in place of the data sets in files."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benevolent.orchestrator.study import ScaleChanges, Study
from benevolent.trainables.data.readers import RawDataset, RawSplit, Reader, read_digits

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

SIZES = {"base.data.train_size": 40, "base.data.validation_size": 20, "base.data.test_size": 60}
CONVOLUTIONS = SIZES | {
    "base.model.filters": 6,
    "base.optimizer.lr": 0.05,
    "base.optimizer.batch_size": 20,
    "base.stop.max_epochs": 60,
    "seeds.count": 2,
}
BIAS = {
    "base.data.train_size": 20,
    "base.data.test_size": 60,
    "base.stop.max_epochs": 4,
    "record.epochs": [0, 1, 2, 3],
    "record.steps": [4, 5, 22, 23],
    "seeds.count": 2,
}
#: The changes of every study's sweeps, as in its file: the sweep's name, or `every`, and dotted keys.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "bth-architecture": {
        "every": BIAS | {"base.data.name": "large_digits", "seeds.count": 3},
        "mlp": {"base.model.width": 16},
        "cnn": {"base.model.width": 4},
    },
    "bth-corruption": {
        "images": BIAS
        | {"base.model.width": 16, "base.stop.max_epochs": 12, "grid.data.label_corruption": [0.0, 0.3, 0.6]}
    },
    "bth-dropout": {
        "sinusoids": {
            "base.data.train_size": 40,
            "base.data.test_size": 100,
            "base.model.width": 12,
            "base.optimizer.lr": 0.02,
            "base.stop.max_epochs": 60,
            "grid.model.dropout": [0.0, 0.2],
            "grid.data.frequency": [0.25, 0.5],
            "seeds.count": 2,
        }
    },
    "bth-frequency": {
        "sinusoids": {
            **BIAS,
            "base.data.train_size": 40,
            "base.model.width": 12,
            "base.model.depth": 3,
            "base.optimizer.lr": 0.02,
            "base.stop.max_epochs": 60,
            "record.epochs": [0, 1, 2, 20],
            "record.steps": [20, 21, 90, 91],
            "grid.data.frequency": [0.25, 0.5, 1.0],
            "seeds.count": 3,
        }
    },
    "bth-predict": {
        "every": {
            **SIZES,
            "base.pretrain.epochs": 3,
            "base.stop.max_epochs": 60,
            "grid": {
                "init.scale": [0.5, 2],
                "pretrain.label_corruption": [0.0, 1.0],
                "model.width": [8, 16],
                "prune.fraction": [0, 0.5],
            },
            "seeds": 3,
        }
    },
    "bth-steadiness": {
        "sinusoids": {
            "base.data.train_size": 40,
            "base.data.test_size": 40,
            "base.model.width": 12,
            "base.optimizer.lr": 0.02,
            "base.stop.max_epochs": 60,
            "grid.data.frequency": [0.25, 0.5],
            "grid.init.scale": [0.5, 1.0],
            "seeds.count": 2,
        }
    },
    "capacity": {
        "scales": CONVOLUTIONS | {"grid.init.std": [0.05, 0.1, 0.2]},
        "pretraining": CONVOLUTIONS | {"base.pretrain.epochs": 4, "grid.pretrain.label_corruption": [0.2, 0.6, 1.0]},
    },
    "decision-boundary": {
        "disk": {
            "base.model.width": 32,
            "base.data.train_size": 60,
            "base.data.test_size": 100,
            "base.optimizer.lr": 0.1,
            "base.optimizer.schedule": [[100, 1], [200, 0.05]],
            "base.stop.max_epochs": 200,
            "record.steps": [2, 10, 30, 60, 100, 200],
            "seeds": 2,
        }
    },
    "increasing-complexity": {
        "networks": {
            "base.data.train_size": 600,
            "base.data.test_size": 600,
            "base.stop.max_epochs": 6,
            "list": [
                {"model.family": "mlp", "model.width": 48, "model.depth": 3},
                {"model.family": "linear", "labels.source": {"model": {"family": "mlp", "width": 48, "depth": 3}}},
                {
                    "model.family": "mlp",
                    "model.width": 4,
                    "model.depth": 2,
                    "labels.source": {"model": {"family": "mlp", "width": 48, "depth": 3}},
                },
                {
                    "model.family": "mlp",
                    "model.width": 16,
                    "model.depth": 2,
                    "labels.source": {"model": {"family": "mlp", "width": 48, "depth": 3}},
                },
            ],
            "record.steps": [10, 20, 40, 60, 90],
            "seeds": 2,
        }
    },
    "linear-first": {
        "every": {
            "base.data.train_size": 120,
            "base.data.validation_size": 40,
            "base.data.test_size": 150,
            "base.stop.max_epochs": 30,
            "record.steps": [5, 10, 20, 40, 80],
            "seeds": 2,
        },
        "mnist": {"base.model.width": 32, "base.optimizer.lr": 0.1},
        "cifar10-animals-objects": {"base.model": {"family": "mlp", "width": 32}},
        "cifar10-first-last": {"base.model": {"family": "mlp", "width": 32}},
        "sinusoid": {"base.model.width": 32},
    },
    "margins": {"every": CONVOLUTIONS | {"grid.init.std": [0.05, 0.1, 0.15]}},
    "more-parameters": {
        "networks": SIZES | {"grid.model.width": [2, 8, 32], "base.stop.max_epochs": 60, "seeds.count": 2}
    },
    "n-to-infinity": {
        "every": {
            "base.data.validation_size": 20,
            "base.data.test_size": 60,
            "base.model.width": 6,
            "base.optimizer.batch_size": 20,
            "base.stop.max_epochs": 12,
            "grid.data.train_size": [20, 60, 150],
            "seeds.count": 2,
        }
    },
    "norm-choice": {
        "networks": CONVOLUTIONS
        | {
            "base.pretrain.epochs": 4,
            "list": [
                {"pretrain.epochs": 0},
                {"pretrain.label_corruption": 0.5},
                {"pretrain.label_corruption": 1.0},
            ],
        }
    },
    "normalized-loss-init": {
        "every": CONVOLUTIONS | {"grid.init.std": [0.05, 0.1, 0.2]},
        **{f"{place}-random": {"grid.init.std": [0.1, 0.2]} for place in ("first", "second", "third")},
    },
    "normalized-loss-pretrain": {
        "every": CONVOLUTIONS
        | {
            "base.pretrain.epochs": 4,
            "list": [
                {"pretrain.epochs": 0},
                {"pretrain.label_corruption": 0.5},
                {"pretrain.label_corruption": 1.0},
            ],
        }
    },
    "overfit-harmless": {
        "theorem": {"base.stop.max_epochs": 60, "grid.data.noise": [0.1], "seeds.count": 2},
        "deep": {
            **SIZES,
            "base.model.width": 32,
            "base.optimizer.lr": 0.1,
            "base.stop.max_epochs": 40,
            "list": [
                {"init.scheme": "xavier"},
                {"init.scheme": "xavier", "init.scale": 5, "optimizer.lr": 0.02},
                {
                    "init.scheme": "run",
                    "init.source": {
                        "init.scheme": "xavier",
                        "init.scale": 2,
                        "data.train_size": 80,
                        "data.label_corruption": 1.0,
                    },
                },
            ],
            "seeds.count": 2,
        },
    },
    "resnet-normalized": {
        "every": {
            **SIZES,
            "base.data.pool": 1,
            "base.stop.max_epochs": 25,
            "base.optimizer.batch_size": 20,
            "grid.init.scale": [0.5, 1, 2],
            "seeds.count": 2,
        }
    },
}


def tiny(study: Study) -> Study:
    """A study whose small scale is `CHANGES`, on the data sets of `READERS`."""
    changes: dict[str, dict[str, Any]] = {}
    for name, sweep in study.sweeps.items():
        mine = {**CHANGES[study.name].get("every", {}), **CHANGES[study.name].get(name, {})}
        changes[name] = {**_data(sweep["base"]["data"]), **mine}
    return study.model_copy(update={"small": ScaleChanges(takes="seconds", changes=changes)})


def _data(section: Mapping[str, Any]) -> dict[str, Any]:
    """What changes of a `data:` section, so that digits stand for data in files."""
    name = f"digits_like_{section['name']}"
    changes: dict[str, Any] = {"base.data.name": name} if name in READERS else {}
    if section.get("classes") in CLASSES:
        changes["base.data.classes"] = CLASSES[section["classes"]]
    return changes
