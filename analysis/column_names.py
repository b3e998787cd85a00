"""Meanings of a table's columns that follow from their names and types."""

import re

import pandas as pd


def is_test_derived(name: str) -> bool:
    """Tell if a column is named as one computed from test data: test_*, *_test_*, gap, *_gap, also testLoss.

    >>> [is_test_derived(name) for name in ("test_loss", "loss_gap", "normalized_test_loss", "path_length")]
    [True, True, True, False]
    >>> [is_test_derived(name) for name in ("testAccuracy", "TestLoss", "lossGap", "latestLoss")]
    [True, True, True, False]
    """
    snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    words = re.split(r"[^a-z0-9]+", snake_case)
    return "test" in words or bool(re.search(r"(^|_)gap$", snake_case))


def numeric_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of columns of numbers; truth values are not numbers."""
    names = []
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name]):
            names.append(str(name))
    return names
