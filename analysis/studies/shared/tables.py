"""Tables of networks, and the choice of their rows."""

from collections.abc import Mapping

import pandas as pd

#: Tables by the name of a sweep, or of what else they are about.
Tables = Mapping[str, pd.DataFrame]


def rows_with(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """Return the rows in which a column has a value.

    >>> rows_with(pd.DataFrame({"width": [8, 16], "loss": [0.5, 0.25]}), "width", 16)["loss"].tolist()
    [0.25]
    """
    return table[table[column] == value]
