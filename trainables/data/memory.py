"""Memory of the inputs that `inputs_of` keeps for the runs of a cohort."""

import math

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data.input_interventions import interventions_on
from benevolent.trainables.data.readers import READERS
from benevolent.trainables.data.split import FLOAT_BYTES
from benevolent.trainables.data.tasks import describe

#: Copies of a run's own inputs at the peak: the sets of the runs, and the one tensor that joins them.
COPIES = 2


def own_input_bytes(config: DataConfig, bytes_per_value: int) -> int:
    """Return the peak memory of the inputs that one run does not share with runs of other seeds.

    `data.fresh` draws the training inputs of each run, and interventions change the splits that they act on, in one way
    for all seeds with `data.intervention_seed`. Everything else is stored once for all runs of a cohort.

    Args:
        config: the data section of the run.
        bytes_per_value: of the run's precision, 4 or 8.

    >>> gaussian = DataConfig(name="cifar10", train_size=40_000, test_size=10_000, pixels="gaussian")
    >>> own_input_bytes(gaussian, 4) == 2 * 40_000 * (3 * 32 * 32) * 4
    True
    """
    sizes = {"train": config.train_size, "validation": config.validation_size, "test": config.test_size}
    values_per_input = math.prod(describe(config).input_shape)
    total = 0
    for split, size in sizes.items():
        drawn = config.fresh and split == "train"
        intervened = config.intervention_seed is None and bool(interventions_on(config, split))
        if drawn or intervened:
            total += _set_bytes(config, split, size * values_per_input, bytes_per_value)
    return COPIES * total


def _set_bytes(config: DataConfig, split: str, values: int, bytes_per_value: int) -> int:
    """Return the bytes of one set of inputs: large sets of images stay uint8, unless an intervention gives floats."""
    as_floats = values * bytes_per_value
    gives_floats = any(intervention.gives_floats(config) for intervention in interventions_on(config, split))
    stays_uint8 = config.name in READERS and as_floats > FLOAT_BYTES and not gives_floats
    return values if stays_uint8 else as_floats
