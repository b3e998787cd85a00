"""Columns of a table that are predictors: by the registries for a sweep, by their names for any other table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.column_names import first_draw, is_test_derived
from benevolent.analysis.column_values import numbers_of
from benevolent.analysis.configuration_fields import is_configuration_field, is_in_configuration
from benevolent.analysis.measures.measure import name_from_path
from benevolent.analysis.measures.registry import MEASURES
from benevolent.trainables.training.dynamics_names import DYNAMICS

#: Columns of a table of runs that say which run it is, how it was trained, or how certain an outcome is.
NOT_PREDICTORS = {
    "run_id",
    "configuration",
    "config",
    "replicate",
    "cohort_id",
    "lineage",
    "parent",
    "teacher",
    "role",
    "phase",
    "seed",
    "status",
    "test_derived",
    "step",
    "epoch",
    "seconds",
    "train_loss_variance",
    "validation_loss_variance",
    "train_error",
    "experiment_id",  # columns of trackers
    "start_time",
    "end_time",
    "_runtime",
    "_step",
    "_timestamp",
}

#: Outcomes of the train and validation splits, judged beside the other predictors: what is known without any theory.
BASELINES = {
    "train_loss": "Mean of the minimized loss on the training split at the end.",
    "validation_loss": "Mean of the minimized loss on the validation split at the end.",
    "validation_error": "Misclassified fraction of the validation split at the end (regression: mean absolute error).",
}


def recorded_predictors(table: pd.DataFrame, own_measures: Sequence[str] = ()) -> list[str]:
    """Return the predictors in a sweep's table: dynamics, measures that read no test data, and the baselines.

    Args:
        table: one row per run; a column without any value is no predictor.
        own_measures: import paths of the measures of the sweep's author.
    """
    known = {*DYNAMICS, *BASELINES}
    known |= {name for name, measure in MEASURES.items() if measure.split != "test"}
    known |= {name for name in map(name_from_path, own_measures) if not is_test_derived(name)}
    columns = [str(column) for column in table]
    return [column for column in columns if column.partition("[")[0] in known and table[column].notna().any()]


def default_predictors(table: pd.DataFrame, target: str, axes: Sequence[str], seed_column: str = "seed") -> list[str]:
    """Return the columns that are judged by default: all those for which `reason_left_out` finds no reason."""
    others = [name for name in table.columns if name not in {target, seed_column, *axes}]
    return [name for name in others if not reason_left_out(table, name)]


def reason_left_out(table: pd.DataFrame, name: str) -> str:
    """Return why a column is no predictor unless it is asked for; empty if it is one.

    Args:
        table: one row per run, its columns named by text.
        name: of a column that is neither target nor axis.

    >>> table = pd.DataFrame({"optimizer": ["sgd", "adam"], "test_error": [0.1, 0.2], "path_norm": [1.0, 2.0]})
    >>> [reason_left_out(table, name) for name in table]
    ["text: 'sgd' in row 0", 'computed from test data', '']
    """
    if name in NOT_PREDICTORS or name.startswith("Unnamed:"):
        return "identifies or describes runs"
    if is_configuration_field(name) or ("run_id" in table and is_in_configuration(name)):
        return "configuration, not named as an axis"
    if first_draw(name) != name and first_draw(name) in table:
        return "further draws of a measure"
    column = table[name]
    numbers = numbers_of(column)
    if numbers.problem:
        return numbers.problem_text(column)
    if is_test_derived(name):
        return "computed from test data"
    present = numbers.values[~np.isnan(numbers.values)]
    if not present.size:
        return "no values"
    if (present == present[0]).all():
        return f"one value: {present[0]:g}"
    return ""
