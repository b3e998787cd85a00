"""Test error on corrupted test images, further outcomes.

They are measured on trained networks, as all measures are, so that asking for them later trains nothing. They are no
measures of complexity, so they are not in `registry.MEASURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benevolent.analysis.measures.measure import Measure
from benevolent.analysis.measures.requirements import CLASSES
from benevolent.analysis.measures.sources import HENDRYCKS
from benevolent.trainables.data.corrupted_images import CORRUPTED_SPLITS, TEST_CORRUPTIONS, error_name

if TYPE_CHECKING:
    from torch import Tensor

    from benevolent.analysis.measures.measured_network import MeasuredNetwork


def error_on(split: str) -> Callable[[MeasuredNetwork], Tensor]:
    """Return the measure of the error on a corrupted test split, a name in `CORRUPTED_SPLITS`.

    >>> error_on("test_noise_3").__name__, error_on("test_noise_3").__doc__
    ('test_error_noise_3', 'The test error under Gaussian noise of standard deviation 0.08 on pixels in [0, 1].')
    """
    kind, severity = CORRUPTED_SPLITS[split]
    corruption = TEST_CORRUPTIONS[kind]

    def error(network: MeasuredNetwork) -> Tensor:
        from benevolent.analysis.measures.measured_network import logits
        from benevolent.trainables.stack.scores import mistakes

        return mistakes(logits(network, split), network.splits[split].labels).mean()

    constant = corruption.constants[severity - 1]
    error.__name__ = error_name(split)
    error.__doc__ = f"The test error under {corruption.meaning} {constant:g} on pixels in [0, 1]."
    return error


def _measure_on(split: str) -> Measure:
    error = error_on(split)
    return Measure(error, 1, "test", HENDRYCKS, (CLASSES,), corrupted_split=split)


#: The errors on all corrupted test splits by name.
CORRUPTED_TESTS: dict[str, Measure] = {error_name(split): _measure_on(split) for split in CORRUPTED_SPLITS}
