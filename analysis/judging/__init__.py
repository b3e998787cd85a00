"""Verdicts: the decision rule, the judge that applies it, early prediction."""

from benevolent.analysis.judging.judge_table import judge
from benevolent.analysis.judging.transport_predictors import transport
from benevolent.analysis.judging.transport_result import Transport
from benevolent.analysis.judging.verdict import Verdict
from benevolent.analysis.judging.verdicts import Verdicts

__all__ = ["Transport", "Verdict", "Verdicts", "judge", "transport"]
