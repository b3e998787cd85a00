"""Memory of the inputs that `inputs_of` keeps for the runs of a cohort."""

import math

from benevolent.trainables.config.data import DataConfig
from benevolent.trainables.data.readers import READERS
from benevolent.trainables.data.split import FLOAT_BYTES
from benevolent.trainables.data.tasks import describe

#: Copies of a run's own inputs at the peak: the sets of the runs, and the one tensor that joins them.
COPIES = 2


def has_own_inputs(config: DataConfig) -> bool:
    """Return whether inputs are drawn from the run's seed, so that runs of different seeds share no memory."""
    return config.fresh or config.pixels != "none"


def own_input_bytes(config: DataConfig, bytes_per_value: int) -> int:
    """Return the peak memory of the inputs that one run does not share with runs of other seeds.

    `data.fresh` draws the training inputs of each run; `data.pixels` replaces them, and `permuted` also those of the
    other splits. Everything else is stored once for all runs of a cohort.

    Args:
        config: the data section of the run.
        bytes_per_value: of the run's precision, 4 or 8.

    >>> gaussian = DataConfig(name="cifar10", train_size=40_000, test_size=10_000, pixels="gaussian")
    >>> own_input_bytes(gaussian, 4) == 2 * 40_000 * (3 * 32 * 32) * 4
    True
    """
    if not has_own_inputs(config):
        return 0
    sizes = [config.train_size]
    if config.pixels == "permuted":
        sizes += [config.validation_size, config.test_size]
    values_per_input = math.prod(describe(config).input_shape)
    return COPIES * sum(_set_bytes(config, size * values_per_input, bytes_per_value) for size in sizes)


def _set_bytes(config: DataConfig, values: int, bytes_per_value: int) -> int:
    """Return the bytes of one set of inputs: large sets of images stay uint8, but noise is stored as floats."""
    as_floats = values * bytes_per_value
    stays_uint8 = config.name in READERS and as_floats > FLOAT_BYTES and config.pixels != "gaussian"
    return values if stays_uint8 else as_floats
