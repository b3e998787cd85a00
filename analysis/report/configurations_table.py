"""Configurations of a sweep for its page: axes, replicates, and mean outcomes, the best configuration first."""

from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.configuration_table import AVERAGED, DEVIATION, configuration_table, outcome_columns
from benevolent.analysis.figures import format_value
from benevolent.analysis.formatting import in_words, mean_and_deviation, status_text
from benevolent.analysis.outcome_names import known_outcomes
from benevolent.analysis.report.content import Report
from benevolent.analysis.report.sortable_table import SortableTable
from benevolent.trainables.store.statuses import Status

MOST_LISTED = 200
#: Outcomes that stand in the table, in this order, if there are any; tables/configurations.csv has all.
SHOWN = ("test_loss", "test_error", "gap")
#: What is shown beside them: how well the runs fit, and what a user would choose by.
BESIDE = ("train_loss", "validation_loss")


def configurations_of(report: Report) -> pd.DataFrame:
    """Return one row per configuration of the report's runs, by the axes; empty if they cannot be grouped."""
    axes = [axis for axis in report.axes if axis in report.table]
    targets = [verdicts.target for verdicts in report.verdicts]
    known = set(outcome_columns(report.table)) | set(targets)
    ordered = dict.fromkeys([*targets[:1], *SHOWN, *known_outcomes(report.table), *targets, *BESIDE])
    outcomes = [name for name in ordered if name in known and name in report.table]
    if not axes or not outcomes or report.table.empty:
        return pd.DataFrame()
    return configuration_table(report.table, axes, outcomes)


def configurations_table(report: Report) -> SortableTable | None:
    """Return the configurations as a table of the page; None if there are none."""
    table = configurations_of(report)
    if table.empty:
        return None
    axes = [axis for axis in report.axes if axis in table]
    targets = [verdicts.target for verdicts in report.verdicts if not verdicts.descriptive]
    outcomes = [name for name in table if f"{name}{DEVIATION}" in table and name in (*targets, *SHOWN, *BESIDE)]
    rows = []
    for configuration in table.head(MOST_LISTED).to_dict("records"):
        row = [format_value(configuration[axis]) for axis in axes]
        for outcome in outcomes:
            mean = configuration[outcome]
            deviation = configuration[outcome + DEVIATION]
            row.append(mean_and_deviation(mean, deviation))
        row.append(_replicates(configuration))
        rows.append(row)
    hidden = len(table) - len(rows)
    more = f"The other {hidden:,} are in tables/configurations.csv." if hidden else ""
    caption = _caption(outcomes[0], report.from_sweep)
    headings = [*axes, *map(in_words, outcomes), "runs"]
    return SortableTable(caption, headings, rows, names=len(axes), sorted_by=len(axes), more=more)


def best_configuration(report: Report) -> str:
    """Return the configuration with the smallest mean outcome in words; empty if there is none."""
    table = configurations_of(report)
    if table.empty:
        return ""
    best = table.head(1).to_dict("records")[0]
    axes = [axis for axis in report.axes if axis in table]
    values = ", ".join(f"{axis} {format_value(best[axis])}" for axis in axes)
    shown = [name for name in table if f"{name}{DEVIATION}" in table][:2]
    outcomes = [f"{in_words(name)} {mean_and_deviation(best[name], best[name + DEVIATION])}" for name in shown]
    return (
        f"Of {len(table):,} configurations the one with the smallest mean {in_words(shown[0])} is {values}: "
        f"{', '.join(outcomes)} over {_replicates(best)} runs."
    )


def _caption(outcome: str, from_sweep: bool) -> str:
    errors = "; errors are fractions of the test split" if from_sweep else ""
    return (
        "Mean ± standard deviation over the runs of each configuration that did not diverge, "
        f"smallest {in_words(outcome)} first{errors}"
    )


def _replicates(configuration: Mapping[object, object]) -> str:
    """Return the number of averaged runs, and how many of them, or beside them, ended in another way.

    >>> _replicates({"replicates": 5, "converged": 3, "limit": 1, "diverged": 1})
    '4 (1 reached the training limit, 1 diverged)'
    """
    if Status.CONVERGED not in configuration:
        return str(configuration["replicates"])
    averaged = sum(int(str(configuration[status])) for status in AVERAGED)
    others = []
    for status in (Status.LIMIT, Status.DIVERGED):
        count = int(str(configuration.get(status, 0)))
        if count:
            others.append(f"{count} {status_text(status)}")
    return f"{averaged} ({', '.join(others)})" if others else str(averaged)
