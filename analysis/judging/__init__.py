"""Verdicts: the decision rule, the judge that applies it, early prediction."""

from typing import TYPE_CHECKING

from benevolent.trainables.lazy_names import lazy_names

if TYPE_CHECKING:
    from benevolent.analysis.judging.judge_table import judge
    from benevolent.analysis.judging.transport_predictors import transport
    from benevolent.analysis.judging.transport_result import Transport
    from benevolent.analysis.judging.verdict import Verdict
    from benevolent.analysis.judging.verdicts import Verdicts

__all__ = ["Transport", "Verdict", "Verdicts", "judge", "transport"]

_NAMES = {
    "judge_table": ["judge"],
    "transport_predictors": ["transport"],
    "transport_result": ["Transport"],
    "verdict": ["Verdict"],
    "verdicts": ["Verdicts"],
}

__getattr__ = lazy_names(__name__, _NAMES)
