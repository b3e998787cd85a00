"""Partial rank correlation: association of two variables with other columns regressed out of both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import drop_missing, numeric_column

INDICATOR_LEVELS = 8  # a numeric column with missing values enters as its rank if it has more values
NOTHING_LEFT = 1e-12  # share of a variable's squares below which a regression explains it exactly


def partial_rank_correlation(table: pd.DataFrame, predictor: str, target: str, given: Sequence[str]) -> float:
    """Partial Spearman correlation: Pearson's correlation of ranks with the given columns regressed out of both.

    Numeric columns enter as midranks, others as one indicator per value. With one numeric column z it is the textbook
    ``(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))`` of Spearman correlations.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        given: columns to regress out, such as the axes.

    Returns:
        The correlation; NaN if nothing is left of predictor or target.

    Raises:
        BadInput: a column is absent, or predictor or target is not numeric.

    >>> table = pd.DataFrame({"c": [1, 2, 3, 4], "g": [1, 2, 4, 3], "axis": list("aabb")})
    >>> round(partial_rank_correlation(table, "c", "g", ["axis"]), 6)
    0.0
    """
    kept = drop_missing(table, predictor, target, given)
    if kept.empty:
        return np.nan
    x = rankdata(numeric_column(kept, predictor, "column"))
    y = rankdata(numeric_column(kept, target, "column"))
    design = rank_design(kept[list(given)])
    return partial_correlation(design, x, y)


def rank_design(given: pd.DataFrame) -> np.ndarray:
    """(n, 1 + ...) intercept, midranks of numeric columns, indicators of the others.

    A numeric column with missing values and more than 8 others has the mean rank there, and an indicator of them.
    """
    columns = [np.ones((len(given), 1))]
    for name in given.columns:
        column = given[name]
        missing = column.isna()
        is_numeric = pd.api.types.is_numeric_dtype(column)
        if is_numeric and missing.any() and column.nunique() > INDICATOR_LEVELS:
            ranks = column.astype(float).rank()
            columns.append(ranks.fillna(ranks.mean()).to_numpy()[:, None])
            columns.append(missing.to_numpy(dtype=float)[:, None])
        elif is_numeric and not missing.any():
            ranks = rankdata(column.to_numpy(dtype=float))
            columns.append(ranks[:, None])
        else:
            indicators = pd.get_dummies(column, dummy_na=True)
            columns.append(indicators.to_numpy(dtype=float))
    return np.hstack(columns)


def partial_correlation(design: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of (n,) x and y with the (n, k) columns of a design matrix regressed out of both."""
    means = np.mean([x, y], axis=1)
    both = np.column_stack([x, y]) - means
    coefficients = np.linalg.lstsq(design, both, rcond=None)[0]
    residuals = both - design @ coefficients
    squares = (residuals**2).sum(axis=0)
    squares_before = (both**2).sum(axis=0)
    total_squares = np.maximum(squares_before, 1e-300)
    nothing_left = squares <= NOTHING_LEFT * total_squares
    if nothing_left.any():
        return np.nan
    x_residual, y_residual = residuals.T
    product = x_residual @ y_residual
    return float(product / np.sqrt(squares.prod()))
