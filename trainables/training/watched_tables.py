"""Tables of a watched run, with the columns of those of a cohort."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from benevolent.trainables.errors import BadInput
from benevolent.trainables.store.paths import TableName
from benevolent.trainables.store.table_schemas import PARTS
from benevolent.trainables.training.dynamics_names import DYNAMICS


def dynamics_columns(rows: Sequence[Mapping[str, Any]], place: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of the table `dynamics`; a statistic that is not defined has no row.

    Args:
        rows: `step`, `epoch` and every statistic of each record.
        place: `run_id`, `phase` and `step` of the end.
    """
    cells = []
    for row in rows:
        position = {**place, "step": row["step"], "epoch": float(row["epoch"])}
        for name in DYNAMICS:
            value = row.get(name, math.nan)
            if not math.isnan(value):
                cells.append({**position, "name": name, "value": value})
    return _columns("dynamics", cells)


def outcome_columns(values: Mapping[str, float], place: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of the table `outcomes`.

    Args:
        values: `<split>_<name>` -> value.
        place: `run_id`, `phase` and `step` of the end.
    """
    cells = []
    for full_name, value in values.items():
        split, _, name = full_name.partition("_")
        cells.append({**place, "split": split, "name": name, "value": value})
    return _columns("outcomes", cells)


def _columns(table: TableName, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in PARTS[table].names}


def measures_table(measures: pd.DataFrame, config: Collection[str], place: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of the table `measures`.

    Args:
        measures: as `measure_network` returns them: a measure with several values has several rows.
        config: names of the values of the configuration.
        place: `run_id`, `phase` and `step` of the end.

    Raises:
        BadInput: it is another table, or a measure has the name of a value of the configuration.
    """
    missing = {"value", "status", "seconds"} - {*measures.columns}
    if missing or measures.index.name != "measure":
        raise BadInput("measures: expected a table as `measure_network` returns it")
    clash = sorted({*measures.index} & {*config})
    if clash:
        raise BadInput(f"measures: {clash[0]!r} is also the name of a value of the config")
    rows = measures.reset_index().rename(columns={"measure": "name"})
    rows["index"] = rows.groupby("name").cumcount()
    return rows.assign(**place, version=None, traceback=None)
