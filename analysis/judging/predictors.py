"""Columns of a table that are predictors: by the registries for a sweep, by their names for any other table."""

from collections.abc import Sequence

import pandas as pd

from benevolent.analysis.column_names import further_draws, is_test_derived, numeric_columns
from benevolent.analysis.measures.measure import name_from_path
from benevolent.analysis.measures.registry import MEASURES
from benevolent.trainables.training.dynamics import DYNAMICS

#: Columns of a table of runs that say which run it is, how it was trained, or how certain an outcome is.
NOT_PREDICTORS = {
    "run_id",
    "configuration",
    "config",
    "replicate",
    "cohort_id",
    "seed",
    "status",
    "test_derived",
    "step",
    "epoch",
    "seconds",
    "train_loss_variance",
    "validation_loss_variance",
    "train_error",
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
    """Return the numeric columns that are judged by default: no axis, test outcome, identifier or dotted field.

    Further draws of a predictor (`name#2`) are left out too.
    """
    excluded = {target, seed_column, *axes, *NOT_PREDICTORS}
    names = numeric_columns(table)
    for name in names:
        excluded.update(further_draws(name, names))
    predictors = []
    for name in names:
        is_field = "." in name
        is_saved_index = name.startswith("Unnamed:")
        if name not in excluded and not is_field and not is_saved_index and not is_test_derived(name):
            predictors.append(name)
    return predictors
