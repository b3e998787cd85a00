"""Columns of linear models: effects of the axes, and of the seeds that configurations share."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns

INDICATOR_LEVELS = 8  # a numeric axis with more values enters as a cubic in its rank
LARGEST_DESIGN = 2 / 3  # columns per configuration; with more, too little is left to see anything beside them
SINGULAR_TOLERANCE = 1e-8  # directions with a smaller singular value are rounding


def main_effects(levels: pd.DataFrame) -> list[np.ndarray]:
    """Return for each axis the (G, k) columns of its main effect.

    Indicators of all values but one; a numeric axis with more than 8 values enters as its rank scaled to [-1, 1], with
    its square and cube, and an indicator of missing values if it has any. An axis with one value has no column.

    Args:
        levels: G rows, the axis values of each configuration.
    """
    return [_main_effect(levels[name]) for name in levels.columns]


def _main_effect(column: "pd.Series") -> np.ndarray:
    """(G, k) columns of the main effect of one axis."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > INDICATOR_LEVELS:
        return _cubic(column.to_numpy(dtype=float, na_value=np.nan))
    codes, values = pd.factorize(column, use_na_sentinel=False)
    all_but_first = np.arange(1, len(values))
    indicators = codes[:, None] == all_but_first
    return indicators.astype(float)


def _cubic(values: np.ndarray) -> np.ndarray:
    """(G, 3) rank of numbers scaled to [-1, 1], its square and cube; (G, 4) with an indicator of missing values."""
    missing = np.isnan(values)
    rank = np.zeros(len(values))
    rank[~missing] = rankdata(values[~missing], method="dense")
    largest = rank.max() - 1
    scaled = np.where(missing, 0.0, 2 * (rank - 1) / largest - 1)
    columns = np.column_stack([scaled, scaled**2, scaled**3])
    if not missing.any():
        return columns
    return np.column_stack([columns, missing])


def axes_design(levels: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """Return the design matrix of the axes: main effects and pairwise interactions.

    Interactions of a numeric axis with many values use its linear column. Interactions are left out if they would make
    more columns than two thirds of the configurations.

    Args:
        levels: G rows, the axis values of each configuration.

    Returns:
        (G, k) columns, without an intercept; and True if the interactions are among them.
    """
    mains = main_effects(levels)
    columns = np.zeros((len(levels), 0))
    if mains:
        columns = np.hstack(mains)
    factors = []
    for main in mains:
        is_indicator = np.isin(main, (0, 1)).all()
        factors.append(main if is_indicator else main[:, :1])
    interactions = []
    for first, second in combinations(factors, 2):
        interactions.append(columnwise_products(first, second))
    with_interactions = np.hstack([columns, *interactions])
    with_intercept = with_interactions.shape[1] + 1
    if with_intercept <= LARGEST_DESIGN * len(levels):
        return with_interactions, True
    return columns, False


def shared_seed_effects(runs: GroupedRuns, kept: np.ndarray | None = None) -> np.ndarray:
    """(n, k) orthonormal columns of the effects of each seed, and of seed by axis, inside configurations.

    Equal seeds mean equal random streams in every configuration, so predictor and outcome may share effects of the
    seed, which a handful of seeds cannot tell from an association. The largest of these models that takes at most half
    of the degrees of freedom within configurations is used: seed by axis, seed alone, none. Without a seed column there
    is none.

    Args:
        runs: the runs.
        kept: (G,) mask of the configurations that count, by default all; rows of the others are zero.
    """
    if kept is None:
        kept = np.ones(len(runs.sizes), dtype=bool)
    free = int((runs.sizes - 1)[kept].sum())
    none = np.zeros((len(runs.seeds), 0))
    if not runs.named_seeds or free == 0:
        return none
    distinct_seeds = np.unique(runs.seeds)
    seed_indicators = (runs.seeds[:, None] == distinct_seeds).astype(float)
    intercept = np.ones((len(runs.sizes), 1))
    intercept_and_axes = np.hstack([intercept, *main_effects(runs.levels)])
    for crossed in (intercept_and_axes, intercept):
        parameters = (len(distinct_seeds) - 1) * crossed.shape[1]
        if parameters > free / 2:
            continue
        product = columnwise_products(seed_indicators, runs.per_run(crossed))
        sums = runs.configuration_sums(product)
        means = sums / runs.sizes[:, None]
        centered = product - runs.per_run(means)
        kept_runs = runs.per_run(kept)
        inside = centered * kept_runs[:, None]
        u, s, _ = np.linalg.svd(inside, full_matrices=False)
        return u[:, s > SINGULAR_TOLERANCE]
    return none


def columnwise_products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n, a) and (n, b) columns -> (n, a b) products of every column of the first with every one of the second."""
    products = first[:, :, None] * second[:, None, :]
    return products.reshape(len(first), -1)
