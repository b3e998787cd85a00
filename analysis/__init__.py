"""Analysis of a sweep's files: tables, measures, statistics, verdicts and the report."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benevolent.analysis.judging import judge
    from benevolent.analysis.measures import measure_network
    from benevolent.analysis.results import Results, load_results

__all__ = ["Results", "judge", "load_results", "measure_network"]

_MODULES = {"judge": "judging", "measure_network": "measures", "Results": "results", "load_results": "results"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that a worker that only measures does not load the statistics."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"benevolent.analysis.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
