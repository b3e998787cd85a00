"""Values of tickets and controls by seed, and means over seeds of what compares two kinds of networks."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.lottery_tickets import ticket_values
from benevolent.analysis.multi_run.ticket_sizes import tickets_table
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.nearest import nearest_in_ratio
from benevolent.analysis.studies.shared.seed_means import SeedMean, exponential_of, mean_over_seeds
from benevolent.analysis.studies.shared.tables import rows_with

#: Column of `early_stop_values` with the test accuracy after so many iterations.
AFTER = "accuracy_after_{}"


class Kind(NamedTuple):
    """Networks of one kind: a control, and the fraction of weights left."""

    control: str
    left: float


DENSE = Kind("ticket", 1.0)


def early_stop_values(results: Results) -> pd.DataFrame:
    """Return early-stop iterations and accuracies of the networks of a sweep.

    Returns:
        One row per `model` (LeNet, Conv-2, ...), fraction of weights left (`left`), `control` and `seed`: `iteration`
        of the lowest validation loss, `accuracy` on the test split there, and `accuracy_after_<t>` for each recorded
        iteration t.
    """
    table = tickets_table(results)
    steps = _error_by_iteration(results)
    table = table.merge(steps, left_on="run_id", right_index=True, how="left")
    steps_per_epoch = results.config(str(table["run_id"].iloc[0])).steps_per_epoch
    columns = ["early_stop_epoch", "test_early_stop_error", *steps.columns]
    table["model"] = _model_names(table)
    values = ticket_values(table, columns, ["model"], left="weights_left")
    shown = values.rename(columns={"weights_left": "left", "prune.control": "control"})
    shown["iteration"] = shown["early_stop_epoch"] * steps_per_epoch
    shown["accuracy"] = 1 - shown["test_early_stop_error"]
    for name in steps.columns:
        shown[AFTER.format(name)] = 1 - shown[name]
    return shown.drop(columns=columns)


def _model_names(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the names of the source for its networks."""
    if "model.depth" not in table:
        return table["model.family"].map({"lenet_300_100": "LeNet"})
    return "Conv-" + table["model.depth"].astype(int).astype(str)


def _error_by_iteration(results: Results) -> pd.DataFrame:
    """Return test errors, one row per run, one column per recorded iteration of its last phase."""
    outcomes = results.outcomes
    errors = outcomes[(outcomes["split"] == "test") & (outcomes["name"] == "error") & (outcomes["step"] > 0)]
    return errors.pivot_table(index="run_id", columns="step", values="value", observed=True)


def nearest_fraction(values: pd.DataFrame, control: str, fraction: float) -> float:
    """Return the fraction of weights left, among networks of a control, that is nearest to one in ratio.

    >>> nearest_fraction(pd.DataFrame({"control": ["ticket"] * 2, "left": [1.0, 0.3]}), "ticket", 0.2)
    0.3
    """
    return nearest_in_ratio(values.loc[values["control"] == control, "left"].unique(), fraction)


def difference(values: pd.DataFrame, column: str, first: Kind, second: Kind) -> SeedMean:
    """Return the mean over seeds of a column's value of one kind of networks minus that of another."""

    def of_seed(rows: pd.DataFrame) -> float:
        return _value(rows, column, first) - _value(rows, column, second)

    return mean_over_seeds(values, of_seed)


def ratio(values: pd.DataFrame, column: str, first: Kind, second: Kind) -> SeedMean:
    """Return the geometric mean over seeds of the ratio of a column's values of two kinds of networks."""

    def of_seed(rows: pd.DataFrame) -> float:
        return float(np.log(_value(rows, column, first) / _value(rows, column, second)))

    return exponential_of(mean_over_seeds(values, of_seed))


def _value(rows: pd.DataFrame, column: str, kind: Kind) -> float:
    """Return the value of one seed's network of a kind; NaN if it has none."""
    of_control = rows_with(rows, "control", kind.control)
    chosen = of_control.loc[np.isclose(of_control["left"], kind.left), column]
    return float(chosen.iloc[0]) if len(chosen) else np.nan


def recorded_iterations(values: pd.DataFrame) -> list[int]:
    """Return the iterations t that have a column `accuracy_after_<t>`, in order."""
    prefix = AFTER.format("")
    return sorted(int(name.removeprefix(prefix)) for name in values if str(name).startswith(prefix))


def first_recorded(values: pd.DataFrame) -> int:
    """Return the first of the recorded iterations."""
    return recorded_iterations(values)[0]
