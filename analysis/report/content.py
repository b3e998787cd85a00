"""What a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from benevolent.analysis.judging.verdicts import Verdicts


class Definition(NamedTuple):
    """What a predictor is: its meaning in a sentence, the source it is from, its unit."""

    meaning: str
    source: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Report:
    """Everything a report says; all of it may come from a stranger's folder and is treated as text.

    Attributes:
        name: the sweep's name.
        description: what the sweep is for, one or two sentences.
        spec: the sweep as run, YAML; empty for anybody's table of models, of which there are no runs to be looked at.
        axes: dotted names of the axes, without the seed.
        table: one row per run: config, status, outcomes, predictors (``results.table()``), training ``seconds``.
        dynamics: long: run_id, phase, step, epoch, name, value.
        outcomes: long: run_id, phase, step, split, name, value; the curves are its rows named ``loss``.
        verdicts: what ``judge`` returned, one per target and scope; the first one is the page's answer.
        provenance: nested; ``hardware``, ``started`` and ``versions`` are shown where there are.
        definitions: predictor -> its definition.
        dynamics_names: which predictors are statistics of the training path.
        early: both views of `analysis.judging.early_prediction`; empty where nothing was recorded early.
        notes: what was asked for and cannot be answered, in sentences.
        normalized_losses: columns of the normalized train and the normalized test loss.
        parents: the runs that others start from and no axis names, with training ``seconds``; not in ``table``.
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
    normalized_losses: tuple[str, str] = ("normalized_train_loss", "normalized_test_loss")
    parents: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def of_a_sweep(self) -> bool:
        """Whether the table is of a sweep's own runs."""
        return bool(self.spec)
