"""Analysis of a sweep's files: tables, measures, statistics, verdicts and the report."""

from typing import TYPE_CHECKING

from benevolent.trainables.lazy_names import lazy_names

if TYPE_CHECKING:
    from benevolent.analysis.judging import judge
    from benevolent.analysis.measures import measure_network
    from benevolent.analysis.results import Results, load_results

__all__ = ["Results", "judge", "load_results", "measure_network"]

#: A worker that only measures does not load the statistics.
__getattr__ = lazy_names(
    __name__, {"judging": ["judge"], "measures": ["measure_network"], "results": ["Results", "load_results"]}
)
