"""Studies: questions of the literature, each answered from the runs of its sweeps by a rule that is fixed beforehand.

A study is a YAML file in `orchestrator/studies` (its sweeps, its question, its source) and a module here of the same
name, with `_` for `-`. The module has `RULE`, the text of the rule, and `answer`, an `Analysis`, or in a study that
reads the runs of others a `ReadingAnalysis`. Each claim is a `StudyClaim`, with the words of the paper; what the rule
says of the runs decides it, and makes it a `Finding`. Rules are written before the runs of the verdict are seen: those
are other replicates, on other halves of the data, than the runs on which a study was developed. `shared` holds what
belongs to the studies of one paper or to several: claims, findings, tables of networks and figures, each named after
its study or its subject.
"""

from benevolent.analysis.studies.shared.findings import (
    Analysis,
    Decision,
    Finding,
    ReadingAnalysis,
    StudyAnswer,
    StudyClaim,
    StudyTable,
    decide,
)

__all__ = [
    "FIRST_VERDICT_REPLICATE",
    "Analysis",
    "Decision",
    "Finding",
    "ReadingAnalysis",
    "StudyAnswer",
    "StudyClaim",
    "StudyTable",
    "decide",
]

#: Number of the first replicate of every verdict, and the seed of its data split. Studies are developed on replicates
#: from 0 on.
FIRST_VERDICT_REPLICATE = 200
