"""Descriptions beside the verdicts: selection, fragility and redundancy of the judged predictors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import numeric_columns
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.judged_runs import judged_runs
from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.analysis.statistics.fragility import fragility
from benevolent.analysis.statistics.joint_prediction import JointPrediction, joint_prediction
from benevolent.analysis.statistics.redundancy import Cluster, redundancy
from benevolent.analysis.statistics.selection_loss import selection_loss

DATA_COLUMN = "data.name"
FEWEST_RUNS = 3


@dataclass(frozen=True)
class Descriptions:
    """Descriptions of predictors of one target; they decide nothing.

    Attributes:
        verdicts: the verdicts on the described predictors.
        selection: from `selection_loss`.
        fragility: from `fragility`, without predictors that the axes determine.
        clusters: from `redundancy`.
        joint: prediction by the representatives of the clusters together.
    """

    verdicts: Verdicts
    selection: pd.DataFrame
    fragility: pd.DataFrame
    clusters: Sequence[Cluster]
    joint: JointPrediction

    @property
    def target(self) -> str:
        """The outcome."""
        return self.verdicts.target

    def members(self) -> pd.DataFrame:
        """Return one row per predictor: its cluster's representative, and its correlation with it."""
        rows = []
        for cluster in self.clusters:
            for member, correlation in zip(cluster.members, cluster.correlations, strict=True):
                rows.append((cluster.representative, member, correlation))
        return pd.DataFrame(rows, columns=["representative", "predictor", "correlation"])


def describe(report: Report) -> Descriptions | None:
    """Describe the predictors of the report's first verdicts, on the runs that were judged; None without any."""
    if not report.verdicts or report.verdicts[0].nothing_judged:
        return None
    verdicts = report.verdicts[0]
    runs = _runs_with(report.table, verdicts)
    axes = [axis for axis in verdicts.axes if axis in runs and runs[axis].nunique(dropna=False) > 1]
    numeric = set(numeric_columns(runs))
    predictors = [verdict.predictor for verdict in verdicts if verdict.predictor in numeric]
    predictors = [name for name in predictors if runs[name].nunique() > 1]
    if len(runs) < FEWEST_RUNS or not axes or not predictors:
        return None
    target = verdicts.target
    confidence = verdicts.confidence
    several_data = DATA_COLUMN in runs and runs[DATA_COLUMN].nunique() > 1
    clusters = redundancy(runs, predictors, axes)
    representatives = [cluster.representative for cluster in clusters]
    signs = fragility(runs, predictors, target, axes, level=verdicts.level, confidence=confidence)
    known_signs = signs[signs["association"].notna()]
    data_column = DATA_COLUMN if several_data else None
    selection = selection_loss(runs, predictors, target, axes, data_column=data_column, confidence=confidence)
    joint = joint_prediction(runs, representatives, target, axes, confidence=confidence)
    return Descriptions(verdicts=verdicts, selection=selection, fragility=known_signs, clusters=clusters, joint=joint)


def _runs_with(table: pd.DataFrame, verdicts: Verdicts) -> pd.DataFrame:
    """Return the judged runs that have a finite target; none if the table lacks it."""
    if verdicts.target not in numeric_columns(table):
        return table[:0]
    runs = judged_runs(table, verdicts)
    return runs[np.isfinite(numeric_column(runs, verdicts.target, "target"))].reset_index(drop=True)
