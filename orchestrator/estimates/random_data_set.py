"""Data sets of random numbers, so that a run can be rehearsed where its data are not present."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benevolent.trainables import data
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.data import READERS, SYNTHETIC
from benevolent.trainables.data.readers import RawDataset, RawSplit, Reader
from benevolent.trainables.rng import generator


@contextlib.contextmanager
def random_data_set(config: RunConfig, examples: int) -> Iterator[str]:
    """Make a data set of random inputs, shaped like that of a run, for the time of the context.

    Args:
        config: of the run; a synthetic task needs no data set.
        examples: at least so many.

    Yields:
        the name of the data set.
    """
    if config.data.name in SYNTHETIC:
        yield config.data.name
        return
    shape = READERS[config.data.name].shape
    classes = data.describe(config.data).classes
    per_class = -(-examples // classes)
    labels = np.arange(classes * per_class) % classes

    def read(root: Path) -> RawDataset:
        rng = generator(0, "rehearsal")
        inputs = rng.integers(0, 256, (len(labels), *shape), dtype=np.uint8)
        return RawDataset(RawSplit(inputs, labels))

    name = f"rehearsal of {config.data.name}, {classes} x {per_class}"
    reader = Reader(read, shape, (per_class,) * classes, (), "random numbers")
    with data.temporary_data_set(name, reader):
        yield name
