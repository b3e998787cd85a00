"""Data of single runs for the script of the page, as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from benevolent.analysis.figures import format_value
from benevolent.analysis.formatting import status_text
from benevolent.analysis.judging.verdicts import Verdicts
from benevolent.analysis.report.run_columns import RunColumns
from benevolent.analysis.report.run_curves import page_curves, rounded

#: Runs from which the bytes of all are estimated, about.
SAMPLED = 200
#: Columns of whole numbers, which are floats where a run lacks them.
WHOLE = ("seed", "replicate", "step")


class Detail(NamedTuple):
    """How much of each run a page holds.

    Attributes:
        points: most records of a phase that a curve keeps; 0: no curves.
        predictors: False if the values of predictors are left out.
    """

    points: int
    predictors: bool


@dataclass(frozen=True)
class RunData:
    """What a page can show of runs.

    Attributes:
        columns: those of the table of runs, by their role.
        curves: from `run_curves`.
        verdicts: of the report; the decisions of the first are shown.
    """

    columns: RunColumns
    curves: pd.DataFrame
    verdicts: Sequence[Verdicts]

    def encoded(self, table: pd.DataFrame, detail: Detail) -> str:
        """Return the data of the runs of a table as JSON without anything that could end its element in the page."""
        run_ids = [str(run_id) for run_id in table["run_id"]]
        names = self._names(detail)
        data: dict[str, Any] = {"ids": run_ids, "listed": self.columns.listed, **names}
        data["fixed"] = {name: format_value(value) for name, value in self.columns.fixed.items()}
        data["decisions"] = self._decisions()
        data["values"] = _values(table, [*names["axes"], *names["fields"]])
        for name in (*self.columns.about, *names["outcomes"], *names["predictors"]):
            data["values"].setdefault(name, _cells(name, table[name]))
        data["curves"] = page_curves(self.curves, run_ids, detail.points)
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def estimated_bytes(self, table: pd.DataFrame, detail: Detail) -> float:
        """Return about how many bytes the data of all runs take, from some of them, spread evenly."""
        some = table.iloc[:: max(1, len(table) // SAMPLED)]
        of_none = len(self.encoded(table.head(0), detail))
        of_some = len(self.encoded(some, detail))
        return of_none + (of_some - of_none) * len(table) / len(some)

    def _names(self, detail: Detail) -> dict[str, list[str]]:
        """Return the columns that the view of a run shows, by their role."""
        return {
            "axes": self.columns.axes,
            "fields": self.columns.fields,
            "outcomes": self.columns.outcomes,
            "predictors": self.columns.predictors if detail.predictors else [],
        }

    def _decisions(self) -> dict[str, str]:
        """Return the decision on each predictor."""
        if not self.verdicts:
            return {}
        return {verdict.predictor: f"{verdict.mark} {verdict.label}".strip() for verdict in self.verdicts[0]}


def _values(table: pd.DataFrame, fields: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of fields as text."""
    values = {}
    for name in fields:
        values[name] = [format_value(value) for value in table[name].tolist()]
    return values


def _cells(name: str, column: "pd.Series[Any]") -> list[Any]:
    """Return the values of a column that is no field."""
    if name == "status":
        return [status_text(str(value)) for value in column.tolist()]
    if name in WHOLE and pd.api.types.is_float_dtype(column):
        column = column.astype("Int64")
    return rounded(column)
