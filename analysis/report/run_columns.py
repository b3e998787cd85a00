"""Columns of a table of runs by their role in the view of one run."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from benevolent.analysis.configuration_table import outcome_columns
from benevolent.analysis.outcome_names import known_outcomes
from benevolent.analysis.report.configurations_table import BESIDE, SHOWN
from benevolent.analysis.report.content import Report
from benevolent.trainables.config.run import SECTIONS

#: Columns that say what a run is and how it ended.
ABOUT = (
    "status",
    "phase",
    "epoch",
    "step",
    "seconds",
    "role",
    "seed",
    "replicate",
    "configuration",
    "lineage",
    "parent",
    "teacher",
    "cohort_id",
    "reason",
)


@dataclass(frozen=True)
class RunColumns:
    """Columns of a table of runs, by what they say of a run.

    Attributes:
        axes: the fields that were varied.
        fixed: fields of the configuration that are equal in all runs, and their value.
        fields: all other fields of the configuration.
        about: what the run is and how it ended.
        outcomes: losses and errors of every split, those of the verdicts first.
        predictors: numbers that are known before the network is tested.
    """

    axes: list[str]
    fixed: dict[str, object]
    fields: list[str]
    about: list[str]
    outcomes: list[str]
    predictors: list[str]

    @property
    def listed(self) -> list[str]:
        """Columns of the table of all runs: what was varied, absolute errors, how it ended."""
        errors = [name for name in self.outcomes if name in (self.outcomes[0], *SHOWN, *BESIDE)]
        return [*self.axes, *errors, *(name for name in ("status", "role") if name in self.about)]


def run_columns(report: Report, table: pd.DataFrame) -> RunColumns:
    """Return the columns of a report's runs by their role.

    Args:
        report: whose axes, verdicts and names count.
        table: one row per run; it may have more runs than those that were judged.
    """
    axes = [name for name in report.axes if name in table]
    others = [name for name in table if name not in axes]
    outcomes = [name for name in _ordered_outcomes(report, table) if name in others]
    configured = [name for name in others if _is_field(name)]
    fixed = {name: table[name].iloc[0] for name in configured if table[name].map(str).nunique() == 1}
    fields = [name for name in configured if name not in fixed]
    about = [name for name in ABOUT if name in others and _says_something(table[name])]
    known = _known_predictors(report)
    predictors = [name for name in others if name in known and name not in outcomes]
    return RunColumns(axes, fixed, fields, about, outcomes, predictors)


def _known_predictors(report: Report) -> set[str]:
    """Return the predictors that were judged, and all others that the report can explain."""
    known = {*report.definitions, *report.dynamics_names}
    for verdicts in report.verdicts:
        known.update(verdicts.names)
    return known


def _ordered_outcomes(report: Report, table: pd.DataFrame) -> list[str]:
    """Return the names of outcomes: the first that was judged, those that the page lists, then all others."""
    targets = [verdicts.target for verdicts in report.verdicts]
    found = [*known_outcomes(table), *outcome_columns(table)]
    return list(dict.fromkeys([*targets[:1], *SHOWN, *BESIDE, *targets, *found]))


def _says_something(column: "pd.Series[Any]") -> bool:
    """Tell if a column has values; roles only where they differ."""
    if column.name == "role":
        return column.nunique() > 1
    return bool(column.notna().any())


def _is_field(name: object) -> bool:
    """Tell if a column is a field of a run's configuration."""
    return str(name).partition(".")[0] in SECTIONS
