"""Which columns of a table are predictors, by their names."""

import re
from collections.abc import Sequence

import pandas as pd

NOT_PREDICTORS = {"run_id", "configuration", "config", "cohort_id", "seed", "status", "test_derived"}
NOT_PREDICTORS |= {"step", "epoch", "seconds", "train_loss_variance", "validation_loss_variance", "train_error"}


def default_predictors(table: pd.DataFrame, target: str, axes: Sequence[str], seed_column: str = "seed") -> list[str]:
    """Numeric columns that are judged unasked: no axis, test outcome, identifier or configuration field."""
    barred = {target, seed_column, *axes, *NOT_PREDICTORS}
    return [
        name
        for name in numeric_columns(table)
        if name not in barred and "." not in name and not name.startswith("Unnamed:") and not is_test_derived(name)
    ]


def is_test_derived(name: str) -> bool:
    """Whether a column is named as one computed from test data: test_*, *_test_*, gap, *_gap, also testLoss.

    >>> [is_test_derived(name) for name in ("test_loss", "loss_gap", "normalized_test_loss", "path_length")]
    [True, True, True, False]
    >>> [is_test_derived(name) for name in ("testAccuracy", "TestLoss", "lossGap", "latestLoss")]
    [True, True, True, False]
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return "test" in re.split(r"[^a-z0-9]+", name) or bool(re.search(r"(^|_)gap$", name))


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """The names of columns of numbers; truth values are none."""
    return [
        str(name)
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])
    ]
