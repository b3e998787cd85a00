"""Association of predictors with the outcome beyond what is known for free: losses, and the steps taken."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.clustered_correlation import PartsOfUnits
from benevolent.analysis.statistics.compared_runs import ComparedRuns
from benevolent.analysis.statistics.configurations import numeric_column, require_columns

#: Columns of a table of runs that cost nothing: what training and validation end with, and how long training took.
FREE_COLUMNS = ("train_loss", "validation_loss", "step")
NOTHING_LEFT = 1e-9  # share of the squares below which the free columns determine a score
COLUMNS = ("beyond_free", "beyond_free_low", "beyond_free_high", "beyond_free_p", "beyond_free_runs")


def beyond_free(
    table: pd.DataFrame,
    predictors: Sequence[str],
    target: str,
    axes: Sequence[str],
    *,
    free: Sequence[str] = FREE_COLUMNS,
    seed_column: str | None = "seed",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate partial rank correlations within configurations, given the columns that are free.

    Runs stop anywhere below their target loss, some earlier than others, and that alone may tie a statistic of the
    training path to the outcome. All columns are ranked within configurations; the ranks of the free ones are
    regressed out of those of predictor and target (the partial correlation of Yule 1907), and the residuals are
    correlated. A predictor that is itself free is judged given the others. Intervals are of `PartsOfUnits`,
    with one degree of freedom less for each free column. They describe: nothing is decided by them.

    Args:
        table: one row per run; runs without target, predictor or a free column are left out.
        predictors: numeric columns.
        target: the outcome.
        axes: columns that make a configuration.
        free: columns that are free; those that the table lacks, or without any value, are skipped.
        seed_column: column of the seed; runs that share one are no independent units.
        confidence: coverage of the intervals.

    Returns:
        One row per predictor (the index): `beyond_free`, `beyond_free_low`, `beyond_free_high`, `beyond_free_p`
        (two-sided, not adjusted) and `beyond_free_runs`. NaN where nothing of predictor or target is left.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"width": [1] * 6, "train_loss": [1, 2, 3, 4, 5, 6], "path": [2, 1, 4, 3, 6, 5]})
    >>> table["loss"] = table["train_loss"]
    >>> bool(np.isnan(beyond_free(table, ["path"], "loss", ["width"])["beyond_free"].iloc[0]))
    True
    >>> table["loss"] = table["path"]
    >>> round(float(beyond_free(table, ["path"], "loss", ["width"])["beyond_free"].iloc[0]), 6)
    1.0
    """
    require_columns(table, axes, "axis")
    numeric_column(table, target, "target")
    known = [name for name in free if name in table and name != target and table[name].notna().any()]
    grouped: dict[bytes, ComparedRuns] = {}
    rows = []
    for predictor in predictors:
        numeric_column(table, predictor, "predictor")
        others = [name for name in known if name != predictor]
        present = table[[predictor, target, *others]].notna().all(axis=1).to_numpy()
        if not present.any():
            rows.append((np.nan, np.nan, np.nan, np.nan, 0))
            continue
        runs = table[present]
        key = present.tobytes()
        if key not in grouped:
            grouped[key] = ComparedRuns(runs, axes, seed_column)
        x = numeric_column(runs, predictor, "predictor")
        y = numeric_column(runs, target, "target")
        given = [numeric_column(runs, name, "column") for name in others]
        estimates = partial_within(x, y, given, grouped[key], confidence)
        rows.append((*estimates, len(runs)))
    return pd.DataFrame(rows, columns=list(COLUMNS), index=pd.Index(predictors, name="predictor"))


def partial_within(
    x: np.ndarray, y: np.ndarray, free: Sequence[np.ndarray], compared: ComparedRuns, confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Correlate the ranks of two columns within configurations, with those of other columns regressed out of both.

    Args:
        x: (n,) predictor in the order of the table.
        y: (n,) outcome.
        free: (n,) columns to regress out.
        compared: the runs, grouped into configurations.
        confidence: coverage of the interval.

    Returns:
        Correlation, low, high, and two-sided p-value.
    """
    both = np.column_stack([compared.scores(x), compared.scores(y)])
    design = np.column_stack([compared.scores(values) for values in free] or [np.zeros(len(x))])
    coefficients = np.linalg.lstsq(design, both, rcond=None)[0]
    residuals = both - design @ coefficients
    left = (residuals**2).sum(axis=0)
    if (left <= NOTHING_LEFT * np.maximum((both**2).sum(axis=0), 1)).any():
        return np.nan, np.nan, np.nan, np.nan
    freedom = compared.shares.sum()
    removed = np.linalg.matrix_rank(design)
    shares = compared.shares * max(freedom - removed, 1) / freedom
    one_part = np.zeros(len(x), dtype=np.int64)
    found = PartsOfUnits(one_part, compared.units, shares).correlations(residuals[:, 0], residuals[:, 1], confidence)
    return float(found.association[0]), float(found.low[0]), float(found.high[0]), float(found.p[0])
