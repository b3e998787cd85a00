"""Verdicts: the decision rule, the judge that applies it, early prediction."""

from benevolent.analysis.judging.judge import judge

__all__ = ["judge"]
