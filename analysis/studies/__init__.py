"""Studies: questions of the literature, each answered from the runs of its sweeps by a rule fixed beforehand.

A study is a YAML file of `orchestrator/studies` (the sweeps, what it asks, the source) and a module here of the same
name, with `-` written `_`. The module has `RULE`, the text of the rule, and `answer`, an `Analysis`. Rules are written
before the runs of the verdict are looked at: their seeds and subsets of the data are others than those that a study was
developed on.
"""

from benevolent.analysis.studies.shared.answer import Analysis, Answer, Decision, Finding, decided

__all__ = ["Analysis", "Answer", "Decision", "Finding", "decided"]
