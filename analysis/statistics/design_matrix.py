"""The columns of linear models: effects of the axes, and of the seeds that configurations share."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns

INDICATOR_LEVELS = 8  # a numeric axis with more values enters as a cubic in its rank


def main_effects(levels: pd.DataFrame) -> list[np.ndarray]:
    """For each axis the (G, k) columns of its main effect.

    Indicators of all values but one; a numeric axis with more than 8 values enters as its rank scaled to
    [-1, 1], the square and the cube. An axis with one value has no column.
    """
    effects = []
    for name in levels.columns:
        column = levels[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not column.isna().any()
        if numeric and column.nunique() > INDICATOR_LEVELS:
            rank = rankdata(column.to_numpy(dtype=float), method="dense").astype(float)
            scaled = 2 * (rank - 1) / (rank.max() - 1) - 1
            effects.append(np.column_stack([scaled, scaled**2, scaled**3]))
        else:
            codes, values = pd.factorize(column, use_na_sentinel=False)
            effects.append((codes[:, None] == np.arange(1, len(values))).astype(float))
    return effects


def axes_design(levels: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """(G, k) main effects and pairwise interactions, and whether the interactions are in.

    Interactions of a numeric axis with many values use its linear column. They are left out where they would
    make more columns than two thirds of the configurations, which leaves too little to see anything beside
    them.
    """
    mains = main_effects(levels)
    columns = np.hstack(mains) if mains else np.zeros((len(levels), 0))
    factors = [main if np.isin(main, (0, 1)).all() else main[:, :1] for main in mains]
    pairs = [(a[:, :, None] * b[:, None, :]).reshape(len(levels), -1) for a, b in combinations(factors, 2)]
    both = np.hstack([columns, *pairs])
    fits = both.shape[1] + 1 <= 2 / 3 * len(levels)
    return (both, True) if fits else (columns, False)


def shared_seed_effects(runs: GroupedRuns, kept: np.ndarray | None = None) -> np.ndarray:
    """(n, k) orthonormal columns of the effects of each seed, and of seed by axis, inside configurations.

    The same seed means the same random streams in every configuration, so predictor and outcome may share
    luck that a handful of seeds cannot tell from a relation. As much is taken as costs at most half of the
    degrees of freedom within configurations: seed by axis, else seed, else nothing. Without a seed column,
    nothing.

    Args:
        runs: the runs.
        kept: (G,) marks the configurations that count, by default all; rows of the others are zero.
    """
    kept = np.ones(len(runs.sizes), dtype=bool) if kept is None else kept
    free = int((runs.sizes - 1)[kept].sum())
    if not runs.named_seeds or free == 0:
        return np.zeros((len(runs.seeds), 0))
    seeds = np.unique(runs.seeds)
    effects = np.hstack([np.ones((len(runs.sizes), 1)), *main_effects(runs.levels)])
    for columns in (effects, effects[:, :1]):
        if (len(seeds) - 1) * columns.shape[1] > free / 2:
            continue
        seed = (runs.seeds[:, None] == seeds).astype(float)
        product = (seed[:, :, None] * runs.per_run(columns)[:, None, :]).reshape(len(seed), -1)
        inside = (product - runs.per_run(runs.configuration_sums(product) / runs.sizes[:, None])) * runs.per_run(kept)[
            :, None
        ]
        u, s, _ = np.linalg.svd(inside, full_matrices=False)
        return u[:, s > 1e-8]
    return np.zeros((len(runs.seeds), 0))
