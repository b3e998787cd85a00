"""Files with anybody's table of models."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from benevolent.trainables.errors import BadInput, one_line


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of models from CSV or parquet, by the ending of its name.

    Values of a CSV file are separated by commas; by semicolons or tabs, if its header has no comma and has those.

    Raises:
        BadInput: no such file, or it cannot be read as a table.
    """
    try:
        if str(path).endswith(".parquet"):
            return pd.read_parquet(path)
        return pd.read_csv(path, sep=_separator(path), low_memory=False)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: cannot be read as a table ({one_line(error)})") from None


def _separator(path: str | Path) -> str:
    """Return the character that separates the names in the header of a CSV file."""
    header = pd.read_csv(path, nrows=0).columns
    if len(header) > 1:
        return ","
    (names,) = header
    return next((separator for separator in ";\t" if separator in names), ",")
