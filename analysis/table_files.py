"""Files with anybody's table of models."""

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from benevolent.trainables.errors import BadInput, one_line
from benevolent.trainables.store.file_formats import check_parquet_fits
from benevolent.trainables.store.single_files import is_on_store, read_file


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of models from CSV or parquet, by the ending of its name.

    The path may be a URI of an object store, such as `s3://bucket/models.parquet`. Values of a CSV file are separated
    by commas; by semicolons or tabs, if its header has no comma and has those.

    Raises:
        BadInput: no such file, or it cannot be read as a table.
    """
    source: Any = io.BytesIO(read_file(str(path))) if is_on_store(path) else path
    try:
        if str(path).partition("?")[0].endswith(".parquet"):
            if isinstance(source, io.BytesIO) or Path(path).is_file():  # not a folder, nor on the web
                check_parquet_fits(source)
            return pd.read_parquet(source)
        separator = _separator(source)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        return pd.read_csv(source, sep=separator, low_memory=False)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: cannot be read as a table ({one_line(error)})") from None


def _separator(source: Any) -> str:
    """Return the character that separates the names in the header of a CSV file."""
    header = pd.read_csv(source, nrows=0).columns
    if len(header) > 1:
        return ","
    (names,) = header
    return next((separator for separator in ";\t" if separator in names), ",")
