"""Fragility: the association of a predictor with the outcome for each value of each axis, and a test of its sign."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom, chi2, norm

from benevolent.analysis.statistics.clustered_correlation import PartsOfUnits
from benevolent.analysis.statistics.compared_runs import ACROSS, WITHIN, ComparedRuns, has_replicates
from benevolent.analysis.statistics.configurations import numeric_column, require_columns
from benevolent.analysis.statistics.lineages import lineage_codes
from benevolent.analysis.statistics.resampling import false_discovery

MOST_VALUES = 8  # a numeric axis with more values is cut into quarters of its runs
QUARTERS = 4
COLUMNS = ("predictor", "axis", "value", "association", "low", "high", "runs", "units", "kind")


def fragility(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    *,
    seed_column: str | None = "seed",
    level: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate the association of predictors with the target among the runs with each value of each axis.

    Where configurations have replicates it is the rank correlation within configurations, else Spearman's correlation
    over the runs with that value of the axis. Intervals are of `PartsOfUnits`: the independent units are the
    runs of one seed, or lineages where there are no replicates. A numeric axis with more than 8 values is cut into
    quarters of the runs.

    The sign is tested for each predictor and axis by the test of Gail and Simon (1985, "Testing for qualitative
    interactions"): with standardized associations t_v, ``Q = min(sum t_v^2 [t_v > 0], sum t_v^2 [t_v < 0])`` is large
    only if some values have an association above 0 and others one below. The p-values of all pairs of predictor and
    axis are one Benjamini-Hochberg family. The test takes the values of an axis as independent. If some of their runs
    share a seed (a dense network and what is pruned from it), they deviate alike, and it finds reversals less often.

    Args:
        table: one row per run; runs without the target are left out.
        predictors: numeric columns.
        target: the outcome.
        axes: columns that make a configuration.
        seed_column: column of the seed; without it each run is a unit of its own.
        level: false discovery rate of `reverses`.
        confidence: coverage of the intervals, each by itself.

    Returns:
        One row per predictor, axis and value: `association`, `low`, `high`, `runs`, `units`, `kind` (within or across
        configurations), and, equal for all values of the axis, `reversal_p`, `reversal_q` and `reverses`. The p-value
        is NaN if fewer than two values have an interval.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> seeds = range(16)
    >>> runs = [(width, seed, (-1) ** seed) for width in (4, 8) for seed in seeds]
    >>> table = pd.DataFrame(runs, columns=["width", "seed", "norm"])
    >>> table["loss"] = table["norm"].where(table["width"] == 4, -table["norm"])
    >>> fragility(table, ["norm"], "loss", ["width"], seed_column=None)[["value", "association", "reverses"]]
      value  association  reverses
    0     4          1.0      True
    1     8         -1.0      True
    """
    require_columns(table, axes, "axis")
    table = table[~np.isnan(numeric_column(table, target, "target"))]
    parts = [axis_parts(table[axis]) for axis in axes]
    comparisons: dict[bytes, _Comparisons] = {}
    rows = []
    for predictor in predictors:
        values = numeric_column(table, predictor, "predictor")
        present = ~np.isnan(values)
        key = present.tobytes()
        if key not in comparisons:
            comparisons[key] = _Comparisons(table, present, target, axes, parts, seed_column)
        rows.append(comparisons[key].estimates(predictor, values[present], confidence))
    if not rows:
        return pd.DataFrame(columns=[*COLUMNS, "reversal_p", "reversal_q", "reverses"])
    return _with_tests(pd.concat(rows, ignore_index=True), level)


class AxisParts(NamedTuple):
    """The values of an axis, or quarters of them.

    Attributes:
        codes: (n,) number of each run's value.
        labels: each value as text, by its number.
    """

    codes: np.ndarray
    labels: list[str]


def axis_parts(column: "pd.Series") -> AxisParts:
    """Divide the runs by the value of an axis; a numeric one with more than 8 values is cut into quarters.

    >>> axis_parts(pd.Series([0.5, 2.0, 0.5])).labels
    ['0.5', '2']
    >>> axis_parts(pd.Series(range(1, 13))).labels
    ['1 to 3', '4 to 6', '7 to 9', '10 to 12']
    """
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if numeric and column.nunique() > MOST_VALUES and not column.isna().any():
        quarters = pd.qcut(column, QUARTERS, labels=False, duplicates="drop")
        codes = pd.factorize(quarters, sort=True)[0]
        ends = column.groupby(codes).agg(["min", "max"])
        return AxisParts(codes, [f"{low:g} to {high:g}" for low, high in ends.itertuples(index=False)])
    try:
        codes, values = pd.factorize(column, sort=True, use_na_sentinel=False)
    except TypeError:  # values of several types have no order
        codes, values = pd.factorize(column.map(str), sort=True)
    return AxisParts(codes, [f"{value:g}" if isinstance(value, float) else str(value) for value in values])


class _Comparisons:
    """The runs that have some predictors, compared for all axes at once, with the scores of the target.

    The runs stand once for each axis, so that each value of each axis is a part of one long table.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        present: np.ndarray,
        target: str,
        axes: Sequence[str],
        parts: Sequence[AxisParts],
        seed_column: str | None,
    ):
        runs = table[present]
        codes = [part.codes[present] for part in parts]
        self._within = has_replicates(runs, axes)
        if self._within:
            self._compared = [ComparedRuns(runs, axes, seed_column, aligned=True)] * len(axes)
        else:
            runs = runs.assign(_lineage=lineage_codes(runs, axes))
            self._compared = [ComparedRuns(runs.assign(_part=code), ["_part"], "_lineage") for code in codes]
        self._outcome = self._scores(numeric_column(runs, target, "target"))
        first = np.cumsum([0, *(len(part.labels) for part in parts)])
        pairs = zip(self._compared, codes, first, strict=False)
        long_codes = np.concatenate([compared.codes(code) + start for compared, code, start in pairs])
        units = np.concatenate([compared.units for compared in self._compared])
        shares = np.concatenate([compared.shares for compared in self._compared])
        self._parts = PartsOfUnits(long_codes, units, shares)
        self._axis = np.repeat(list(axes), np.diff(first))
        self._value = np.concatenate([part.labels for part in parts])

    def _scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of the runs -> their scores, once for each axis."""
        scores: dict[int, np.ndarray] = {}
        for compared in self._compared:
            if id(compared) not in scores:
                scores[id(compared)] = compared.scores(values)
        return np.concatenate([scores[id(compared)] for compared in self._compared])

    def estimates(self, predictor: str, values: np.ndarray, confidence: float) -> pd.DataFrame:
        """Return the associations of a predictor for each value of each axis."""
        found = self._parts.correlations(self._scores(values), self._outcome, confidence)
        number = len(found.association)
        rows = pd.DataFrame(found._asdict())
        names = {"predictor": predictor, "axis": self._axis[:number], "value": self._value[:number]}
        return rows.assign(**names, kind=WITHIN if self._within else ACROSS)


def _with_tests(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """Add the test of each pair of predictor and axis."""
    pairs = rows.groupby(["predictor", "axis"], sort=False)
    standardized = np.sign(rows["association"]) * norm.isf(rows["p"] / 2)
    number = pairs.ngroup()
    p_values = standardized.groupby(number).agg(reversal_p)
    q_values = pd.Series(false_discovery(p_values.to_numpy(dtype=float)), index=p_values.index)
    rows = rows[list(COLUMNS)].assign(reversal_p=number.map(p_values), reversal_q=number.map(q_values))
    return rows.assign(reverses=rows["reversal_q"] <= level)


def reversal_p(standardized: "pd.Series[float] | np.ndarray") -> float:
    """Test whether effects have both signs (Gail and Simon 1985).

    Under the null all K effects are at most 0, or all are at least 0; then
    ``P(Q >= q) <= sum_{h=1}^{K-1} Binomial(h; K - 1, 1/2) P(chi2_h >= q)``.

    Args:
        standardized: independent effects divided by their standard errors; NaN entries are left out.

    Returns:
        The p-value; NaN with fewer than two effects.

    >>> round(reversal_p(np.array([3.0, -3.0])), 4), reversal_p(np.array([3.0, 2.0]))
    (0.0013, 1.0)
    """
    effects = np.asarray(standardized, dtype=float)
    effects = effects[~np.isnan(effects)]
    if len(effects) < 2:
        return np.nan
    above = (np.maximum(effects, 0) ** 2).sum()
    below = (np.minimum(effects, 0) ** 2).sum()
    statistic = min(above, below)
    if statistic == 0:
        return 1.0
    degrees = np.arange(1, len(effects))
    weights = binom.pmf(degrees, len(effects) - 1, 0.5)
    return float(weights @ chi2.sf(statistic, degrees))
