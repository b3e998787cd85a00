"""benevolent: find out by experiment what the training of a neural network reveals about the function it learned.

>>> from benevolent import judge, load_results, measure_network, watch
>>> from benevolent import LightningWatch, TrainerWatch
"""

from typing import TYPE_CHECKING

from benevolent.trainables.lazy_names import lazy_names

if TYPE_CHECKING:
    from benevolent.analysis.judging import judge, transport
    from benevolent.analysis.measures import measure_network
    from benevolent.analysis.results import Results, load_results
    from benevolent.trainables.training.loop_callbacks import LightningWatch, TrainerWatch
    from benevolent.trainables.training.watch import watch

__all__ = [
    "LightningWatch",
    "Results",
    "TrainerWatch",
    "judge",
    "load_results",
    "measure_network",
    "transport",
    "watch",
]

#: Imported when they are first used, so that `import benevolent` is quick.
__getattr__ = lazy_names(
    __name__,
    {
        "analysis.judging": ["judge", "transport"],
        "analysis.measures": ["measure_network"],
        "analysis.results": ["Results", "load_results"],
        "trainables.training.loop_callbacks": ["LightningWatch", "TrainerWatch"],
        "trainables.training.watch": ["watch"],
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
