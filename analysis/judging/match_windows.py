"""Windows of a comparison among matched runs: only runs whose values lie inside are compared.

Comparing networks of one training loss separates what a predictor says about generalization from what it says about
how far training has come (Liao et al. 2018, figure 13).
"""

from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.statistics.configurations import numeric_column
from benevolent.trainables.errors import BadInput

Windows = Mapping[str, tuple[float, float]]


def in_windows(table: pd.DataFrame, windows: Windows) -> "pd.Series[bool]":
    """Mark the runs whose values lie in every window, ends included; a missing value lies in none.

    Args:
        table: one row per run.
        windows: column -> (low, high).

    Raises:
        BadInput: a column is absent or not numeric, or the ends of a window are swapped.

    >>> table = pd.DataFrame({"train_loss": [0.005, 0.02]})
    >>> in_windows(table, {"train_loss": (0, 0.01)}).tolist()
    [True, False]
    """
    inside = pd.Series(True, index=table.index)
    for column, (low, high) in windows.items():
        values = numeric_column(table, column, "match")
        if low > high:
            raise BadInput(f"match {column} = {low:g} to {high:g}: the lower end comes first")
        inside &= (values >= low) & (values <= high)
    return inside


def windows_text(windows: Windows) -> str:
    """Return windows as text; empty without any.

    >>> windows_text({"train_loss": (0.005, 0.01), "epoch": (3, 9)})
    'train_loss in [0.005, 0.01], epoch in [3, 9]'
    """
    return ", ".join(f"{column} in [{low:g}, {high:g}]" for column, (low, high) in windows.items())
