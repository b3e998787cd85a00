"""Content of a report: everything that its page shows, as plain tables and types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from benevolent.analysis.judging.verdicts import Verdicts


class Definition(NamedTuple):
    """Definition of a predictor: its meaning in a sentence, its source, its unit."""

    meaning: str
    source: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Report:
    """Everything a report says; all of it may come from a stranger's folder and is treated as text.

    Attributes:
        name: name of the sweep, or of the table.
        description: purpose of the sweep in one or two sentences.
        spec: the sweep as run, YAML; empty for a table of models that no sweep made.
        axes: dotted names of the axes, without the seed.
        table: one row per run: config, status, outcomes, predictors (``results.table()``), training ``seconds``.
        dynamics: long: run_id, phase, step, epoch, name, value.
        outcomes: long: run_id, phase, step, split, name, value; the curves are its rows named ``loss``.
        verdicts: one per target; the first is the page's answer.
        provenance: nested; ``hardware``, ``started`` and ``versions`` are shown if they are known.
        definitions: predictor -> its definition.
        dynamics_names: predictors that are statistics of the training path.
        early: both views of `analysis.judging.early_prediction`; empty if nothing was recorded early.
        notes: sentences on what was asked for and cannot be answered.
        parents: runs that others start from or learn from and no axis names, with training ``seconds``; they are not
            in ``table``.
        failed: runs whose training raised an error, each with the `reason`; they are not in ``table``.
    """

    name: str
    description: str
    spec: str
    axes: Sequence[str]
    table: pd.DataFrame
    dynamics: pd.DataFrame
    outcomes: pd.DataFrame
    verdicts: Sequence[Verdicts]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    dynamics_names: Sequence[str] = ()
    early: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: Sequence[str] = ()
    parents: pd.DataFrame = field(default_factory=pd.DataFrame)
    failed: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def from_sweep(self) -> bool:
        """True if the table holds a sweep's own runs."""
        return bool(self.spec)
