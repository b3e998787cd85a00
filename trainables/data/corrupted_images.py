"""Corrupted copies of the test images: noise, blur and low contrast at fixed severities.

Kinds, severities and constants are those of CIFAR-10-C (Hendrycks and Dietterich 2019, `make_cifar_c.py` of the
authors' code). They apply to pixels in [0, 1] of the images as networks see them: cropped and pooled, before they are
normalized. The result is cut to [0, 1] and rounded to 8 bits, as CIFAR-10-C is. Images of MNIST have nearly the size of
those of CIFAR-10; on much smaller ones (`digits`: 8 x 8) the same blur removes more.

All networks of a data split see the same corrupted images: noise is drawn from `data.split_seed`, not from a run's
seed. Interventions of a run on its test inputs (`data.pixels: permuted`) act on the corrupted images.

Add a kind by writing a function and naming it, with its five constants, in `TEST_CORRUPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data.readers import READERS
from benevolent.trainables.data.split import Dataset, Inputs, PixelScale, Split
from benevolent.trainables.errors import BadInput
from benevolent.trainables.lazy_torch import Tensor, torch
from benevolent.trainables.rng import RandomStream

Array = np.ndarray[Any, Any]

#: Images that are corrupted at once, so that copies of a large split do not fill the memory.
BLOCK = 1000
#: Largest value of a byte.
BYTES = 255


class ImageCorruption(NamedTuple):
    """A way to corrupt images, and the constant of each severity, from 1 to 5.

    Attributes:
        change: `(images (N, channels, height, width) in [0, 1], constant, rng) -> images`, not yet cut to [0, 1].
        constants: of the severities.
        meaning: of the constant.
    """

    change: Callable[[Array, float, RandomStream], Array]
    constants: tuple[float, ...]
    meaning: str


def with_noise(images: Array, deviation: float, rng: RandomStream) -> Array:
    """Return images plus independent normal noise of a standard deviation."""
    noise = rng.standard_normal(images.shape, single=True)
    return images + np.float32(deviation) * noise


def blurred(images: Array, deviation: float, rng: RandomStream) -> Array:
    """Return images convolved with a normal density of a standard deviation, in pixels; edges are continued.

    >>> image = np.zeros((1, 1, 3, 3), dtype=np.float32)
    >>> image[0, 0, 1, 1] = 1
    >>> blurred(image, 0.4, RandomStream(0, "demo"))[0, 0, 1].round(3)
    array([0.037, 0.845, 0.037], dtype=float32)
    """
    from scipy.ndimage import gaussian_filter  # a tenth of a second, in workers that do not need it

    filtered: Array = gaussian_filter(images, (0, 0, deviation, deviation), mode="nearest", truncate=4)
    return filtered


def with_contrast(images: Array, factor: float, rng: RandomStream) -> Array:
    """Return images whose distance from their own mean, in each channel, is multiplied by a factor.

    >>> with_contrast(np.array([[[[0.0, 1.0]]]]), 0.5, RandomStream(0, "demo")).tolist()
    [[[[0.25, 0.75]]]]
    """
    means = images.mean((2, 3), keepdims=True)
    return (images - means) * images.dtype.type(factor) + means


#: Kinds of corruption by name.
TEST_CORRUPTIONS: dict[str, ImageCorruption] = {
    "noise": ImageCorruption(with_noise, (0.04, 0.06, 0.08, 0.09, 0.10), "Gaussian noise of standard deviation"),
    "blur": ImageCorruption(blurred, (0.4, 0.6, 0.7, 0.8, 1.0), "Gaussian blur of standard deviation, in pixels,"),
    "contrast": ImageCorruption(with_contrast, (0.75, 0.5, 0.4, 0.3, 0.15), "contrast multiplied by"),
}


def _corrupted_splits() -> dict[str, tuple[str, int]]:
    splits = {}
    for kind, corruption in TEST_CORRUPTIONS.items():
        for severity in range(1, 1 + len(corruption.constants)):
            splits[f"test_{kind}_{severity}"] = (kind, severity)
    return splits


#: Names of the corrupted test splits, `test_noise_1` to `test_contrast_5`, with kind and severity.
CORRUPTED_SPLITS = _corrupted_splits()

#: Name of the set of all errors on corrupted test splits, in `record.measures`.
ALL_CORRUPTIONS = "test_corruptions"


def error_name(split: str) -> str:
    """Return the name of the error on a corrupted test split.

    >>> error_name("test_noise_3")
    'test_error_noise_3'
    """
    return split.replace("test_", "test_error_", 1)


def corruptions_among(measures: Iterable[str]) -> list[str]:
    """Return which names of measures ask for errors on corrupted test splits.

    >>> corruptions_among(["default", "test_error_blur_1"])
    ['test_error_blur_1']
    """
    errors = {error_name(split) for split in CORRUPTED_SPLITS}
    return [name for name in measures if name in errors or name == ALL_CORRUPTIONS]


def has_images(config: DataConfig) -> bool:
    """Tell if the inputs of a data set are images whose pixels have a known scale."""
    return config.name in READERS and len(READERS[config.name].shape) == 3


def corrupted_test(dataset: Dataset, config: DataConfig, name: str) -> Dataset:
    """Return a data set whose test split is a corrupted one.

    Args:
        dataset: as `load` gave it.
        config: configuration of the data set.
        name: of a corrupted split, in `CORRUPTED_SPLITS`.

    Raises:
        BadInput: the inputs are not images.
    """
    if dataset.scale is None:
        raise BadInput(f"{name}: only images can be corrupted, and the inputs of {config.name} are not images")
    kind, severity = CORRUPTED_SPLITS[name]
    corruption = TEST_CORRUPTIONS[kind]
    constant = corruption.constants[severity - 1]
    rng = RandomStream(config.split_seed, f"test corruption/{kind}", severity)
    sets = dataset.test.sets
    blocks = []
    for start in range(0, sets.examples, BLOCK):
        inputs = sets.rows(start, start + BLOCK)[0]
        pixels = dataset.scale.pixels(inputs).float().cpu().numpy()
        changed = corruption.change(pixels, constant, rng).clip(0, 1)
        blocks.append(np.rint(BYTES * changed).astype(np.uint8))
    images = torch.from_numpy(np.concatenate(blocks)).to(sets.stored.device)
    split = Split(_bytes_as_inputs(images, dataset.scale, sets), dataset.test.labels)
    return replace(dataset, test=split)


def _bytes_as_inputs(images: Tensor, scale: PixelScale, like: Inputs) -> Inputs:
    """Return pixels from 0 to 255 as inputs that are normalized when they are read."""
    mean = (BYTES * scale.mean).to(like.dtype).unsqueeze(0)
    deviation = (BYTES * scale.deviation).to(like.dtype).unsqueeze(0)
    return Inputs(images.unsqueeze(0), like.slot, like.dtype, mean, deviation)
