"""Association of many predictors with one outcome: within configurations where there are replicates, else across."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.clustered_correlation import Correlations, PartsOfUnits
from benevolent.analysis.statistics.compared_runs import ACROSS, WITHIN, ComparedRuns, has_replicates
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.lineages import lineage_codes


def associations(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    *,
    seed_column: str | None = "seed",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate rank correlations with the target, with intervals and two-sided p-values of `PartsOfUnits`.

    Args:
        table: one row per run; runs without target or predictor are left out.
        predictors: numeric columns.
        target: the outcome.
        axes: columns that make a configuration. Where configurations have replicates, the correlation is among the
            runs of one configuration, and the runs of one seed are a unit; else it is over all runs, and lineages are.
        seed_column: column of the seed.
        confidence: coverage of the intervals.

    Returns:
        One row per predictor (the index): `association`, `low`, `high`, `p` (not adjusted), `runs`, `units`, `kind`.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"width": [4, 4, 4, 8, 8, 8], "norm": [1, 2, 3, 7, 9, 8], "loss": [3, 4, 5, 1, 2, 3]})
    >>> float(associations(table, ["norm"], "loss", ["width"])["association"].iloc[0])
    0.75
    """
    require_columns(table, axes, "axis")
    outcome = numeric_column(table, target, "target")
    within = has_replicates(table, axes)
    grouped: dict[bytes, _WholeTable] = {}
    rows = []
    for predictor in predictors:
        values = numeric_column(table, predictor, "predictor")
        present = ~(np.isnan(values) | np.isnan(outcome))
        key = present.tobytes()
        if key not in grouped:
            compared = _compared(table[present], axes, seed_column, within)
            grouped[key] = _WholeTable(compared, outcome[present])
        rows.append(grouped[key].estimate(values[present], confidence))
    index = pd.Index(predictors, name="predictor")
    frame = pd.DataFrame(rows, columns=list(Correlations._fields), index=index, dtype=float)
    return frame.assign(kind=WITHIN if within else ACROSS)


class _WholeTable:
    """All runs as one part, and the scores of their outcome."""

    def __init__(self, compared: ComparedRuns, outcome: np.ndarray):
        self._compared = compared
        self._outcome = compared.scores(outcome)
        one_part = np.zeros(len(outcome), dtype=np.int64)
        self._parts = PartsOfUnits(one_part, compared.units, compared.shares)

    def estimate(self, predictor: np.ndarray, confidence: float) -> list[float]:
        """Return the numbers of `Correlations` of one predictor."""
        if not len(predictor):
            return [np.nan] * 4 + [0.0, 0.0]
        found = self._parts.correlations(self._compared.scores(predictor), self._outcome, confidence)
        return [float(values[0]) for values in found]


def _compared(table: pd.DataFrame, axes: Sequence[str], seed_column: str | None, within: bool) -> ComparedRuns:
    if within:
        return ComparedRuns(table, axes, seed_column, aligned=True)
    return ComparedRuns(table.assign(_lineage=lineage_codes(table, axes)), [], "_lineage")
