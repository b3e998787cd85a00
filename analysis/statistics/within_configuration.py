"""Association within configurations: whether the seed with the larger predictor has the larger outcome."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import Runs, complete, numeric_column
from benevolent.analysis.statistics.design import shared_seed_effects
from benevolent.analysis.statistics.resampling import exceedances, seed_rotations, within_permutations
from benevolent.trainables.rng import generator


class Association(NamedTuple):
    """A rank correlation within configurations, its two-sided p-value and its degrees of freedom."""

    correlation: float
    p: float
    degrees_of_freedom: int


def within_configuration(
    table: pd.DataFrame,
    predictor: str,
    target: str,
    axes: Sequence[str],
    *,
    seed_column: str | None = "seed",
    permutations: int = 1000,
    random_seed: int = 0,
) -> Association:
    """Rank correlation within configurations, means removed.

    Predictor and target are ranked among the runs of each configuration, centered, and correlated over all
    configurations at once, so nothing that the axes determine can enter. Where seeds are named in a column the same
    seed means the same random streams in every configuration, so runs of one seed are not independent: the effect
    of each seed, and its main effects with each axis, are projected out of both. What the runs of a seed share
    beyond that, in whatever configurations, is in the null: it turns the predictor's seeds by one random rotation in
    all configurations alike (Langsrud 2005, Rotation tests), so seeds, not runs, are the units; configurations that
    lack a seed are left out if the others hold half of the degrees of freedom. Without named seeds the null permutes
    the predictor inside each configuration.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: the seed; without that column duplicates count as independent.
        permutations: size of the null; 0 leaves p at NaN.
        random_seed: of the permutations.

    Returns:
        (correlation, p, degrees_of_freedom); NaN and 0 where predictor or target does not vary inside any
        configuration: then the predictor cannot be separated from the axes.
    """
    kept = complete(table, predictor, target, axes)
    if kept.empty:
        return Association(np.nan, np.nan, 0)
    runs = Runs.of(kept, axes, seed_column)
    x, y = (numeric_column(kept, name, "column")[runs.order] for name in (predictor, target))
    inside = WithinConfigurations(runs, y)
    correlation = inside.correlation(x)
    if np.isnan(correlation) or not permutations:
        return Association(correlation, np.nan, inside.degrees_of_freedom)
    hits = inside.exceed(x, correlation, inside.draws(permutations, generator(random_seed, "permute/within")))
    return Association(correlation, (1 + hits) / (1 + permutations), inside.degrees_of_freedom)


class WithinConfigurations:
    """The outcome's half of the association, kept so that many predictors cost little."""

    def __init__(self, runs: Runs, outcome: np.ndarray):
        self.runs = runs
        known, self._seed = np.unique(runs.seeds, return_inverse=True)
        self.seeds = len(known)
        self._kept = _complete(runs, self.seeds) if runs.named_seeds else np.ones(len(runs.sizes), dtype=bool)
        self._shared = shared_seed_effects(runs, self._kept)
        self._outcome = self._remaining(outcome)
        free = int((runs.sizes - 1)[self._kept].sum()) - self._shared.shape[1]
        varies = self._outcome @ self._outcome > 1e-9
        self.degrees_of_freedom = free if varies else 0

    def _remaining(self, values: np.ndarray) -> np.ndarray:
        """(n,) ranks within the configurations that count, without what seeds are known to share."""
        ranks = self.runs.within_ranks(values) * self.runs.spread(self._kept)
        return ranks - self._shared @ (self._shared.T @ ranks)

    def products(self, predictor: np.ndarray) -> np.ndarray:
        """(G, 3) sums of xy, xx, yy per configuration; their totals give the correlation."""
        x, y = self._remaining(predictor), self._outcome
        return self.runs.sums(np.column_stack([x * y, x * x, y * y]))

    def correlation(self, predictor: np.ndarray) -> float:
        """The correlation of (n,) predictor values with the outcome; NaN where nothing varies."""
        xy, xx, yy = self.products(predictor).sum(axis=0)
        return float(xy / np.sqrt(xx * yy)) if self.degrees_of_freedom > 0 and xx > 1e-9 else np.nan

    def draws(self, count: int, random: np.random.Generator) -> np.ndarray:
        """Random rearrangements of a predictor: (count, S, S) of its S named seeds, else (count, n) of its runs."""
        if self.runs.named_seeds:
            return seed_rotations(self.seeds, count, random)
        return within_permutations(self.runs, count, random)

    def exceed(self, predictor: np.ndarray, correlation: float, draws: np.ndarray) -> int:
        """How many rearrangements correlate at least as much, in size."""
        null = self._rotated(predictor, draws) if self.runs.named_seeds else self._shuffled(predictor, draws)
        # single precision is ample for a null; the slack keeps the observed arrangement a tie
        return exceedances(abs(correlation) - 1e-6, np.abs(null))

    def _rotated(self, predictor: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        """(k,) correlations with the predictor's seeds rotated alike in all configurations.

        With every seed in every configuration the sum of x y over runs is the trace of the S x S matrix of
        products between seeds, and turning x turns that matrix. A configuration that lacks seeds has fewer
        directions: its m runs scatter by 1 / (m - 1), a rotation spreads them to 1 / (S - 1). Counting it
        (S - 1) / (m - 1) times makes the null right for luck that all share and wider than needed for noise, so
        missing runs cost power, not validity.
        """
        x = self._remaining(predictor)
        grids = np.zeros((2, len(self.runs.sizes), self.seeds))
        grids[:, self.runs.configuration, self._seed] = x, self._outcome
        weights = (self.seeds - 1) / np.maximum(self.runs.sizes - 1, 1)
        between = (grids[0] * weights[:, None]).T @ grids[1]
        size = np.sqrt((x @ x) * (self._outcome @ self._outcome))
        return rotations.reshape(len(rotations), -1) @ between.ravel() / size

    def _shuffled(self, predictor: np.ndarray, shuffles: np.ndarray) -> np.ndarray:
        """(k,) correlations with the predictor shuffled inside each configuration."""
        ranks = self.runs.within_ranks(predictor).astype(np.float32)
        weights = np.column_stack([self._outcome, self._shared]).astype(np.float32)
        chunk = max(1, 4_000_000 // len(ranks))
        null = [np.zeros(0)]
        for at in range(0, len(shuffles), chunk):
            loads = ranks[shuffles[at : at + chunk]] @ weights
            squares = ranks @ ranks - (loads[:, 1:] ** 2).sum(axis=1)
            null.append(loads[:, 0] / np.sqrt(np.maximum(squares, 1e-9) * (self._outcome @ self._outcome)))
        return np.concatenate(null).astype(float)


def _complete(runs: Runs, seeds: int) -> np.ndarray:
    """(G,) marks the configurations with every seed; all of them where those hold less than half of the freedom."""
    complete = runs.sizes == seeds
    return complete if 2 * (seeds - 1) * complete.sum() >= (runs.sizes - 1).sum() else np.ones_like(complete)
