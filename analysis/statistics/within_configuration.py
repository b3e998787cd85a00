"""Association within configurations: rank correlation of predictor and outcome among runs that differ in seed only."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.design_matrix import shared_seed_effects
from benevolent.analysis.statistics.resampling import count_exceedances, seed_rotations, within_permutations
from benevolent.trainables.rng import generator

MINIMUM_SQUARES = 1e-9  # less variation than this is rounding noise
NULL_TOLERANCE = 1e-6  # the null is computed in single precision; the observed arrangement must stay a tie
CHUNK_ELEMENTS = 4_000_000  # ranks held in memory at a time


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
    """Estimate the rank correlation within configurations.

    Predictor and target are ranked among the runs of each configuration, centered, and correlated over all
    configurations at once, so nothing that the axes determine can enter. With a seed column, equal seeds mean equal
    random streams in every configuration, so runs with the same seed are not independent: the main effect of each
    seed, and its interactions with each axis, are projected out of both (see `shared_seed_effects`). Whatever else the
    runs of a seed share, in any configurations, is part of the null: it applies one random rotation to the predictor's
    seeds, the same in all configurations (Langsrud 2005, "Rotation tests"), so seeds, not runs, are the units.
    Configurations that lack a seed are left out if the others hold half of the degrees of freedom. Without a seed
    column the null permutes the predictor inside each configuration.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: column of the seed; if it is absent, the runs of a configuration count as independent.
        permutations: size of the null; 0 leaves p at NaN.
        random_seed: of the permutations.

    Returns:
        (correlation, p, degrees_of_freedom). The correlation is NaN if predictor or target does not vary within any
        configuration: the predictor cannot then be separated from the axes.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": [1, 1, 1, 2, 2, 2], "norm": [1, 2, 3, 7, 8, 9], "loss": [4, 5, 6, 2, 1, 3]})
    >>> round(within_configuration(table, "norm", "loss", ["lr"], permutations=0).correlation, 6)
    0.75
    """
    kept = drop_missing(table, predictor, target, axes)
    if kept.empty:
        return Association(np.nan, np.nan, 0)
    runs = GroupedRuns.from_table(kept, axes, seed_column)
    x = numeric_column(kept, predictor, "column")[runs.order]
    y = numeric_column(kept, target, "column")[runs.order]
    within = WithinConfigurations(runs, y)
    correlation = within.correlation(x)
    if np.isnan(correlation) or not permutations:
        return Association(correlation, np.nan, within.degrees_of_freedom)
    rng = generator(random_seed, "permute/within")
    rearrangements = within.rearrangements(permutations, rng)
    exceedances = within.count_exceedances(x, correlation, rearrangements)
    p = (1 + exceedances) / (1 + permutations)
    return Association(correlation, p, within.degrees_of_freedom)


class WithinConfigurations:
    """The outcome's half of the association within configurations, kept so that many predictors cost little.

    Args:
        runs: the configurations of n runs.
        outcome: (n,) values in the order of `runs`.

    Attributes:
        seeds: number S of distinct seeds.
        degrees_of_freedom: of the association; 0 if the outcome does not vary.
    """

    def __init__(self, runs: GroupedRuns, outcome: np.ndarray):
        self.runs = runs
        distinct_seeds, self._seed = np.unique(runs.seeds, return_inverse=True)
        self.seeds = len(distinct_seeds)
        self._kept = np.ones(len(runs.sizes), dtype=bool)
        if runs.named_seeds:
            self._kept = _with_every_seed(runs, self.seeds)
        self._shared = shared_seed_effects(runs, self._kept)
        self._outcome = self._residual_ranks(outcome)
        self._squares = self._outcome @ self._outcome
        within = int((runs.sizes - 1)[self._kept].sum())
        free = within - self._shared.shape[1]
        self.degrees_of_freedom = free if self._squares > MINIMUM_SQUARES else 0

    def _residual_ranks(self, values: np.ndarray) -> np.ndarray:
        """(n,) ranks within the configurations that count, with the shared seed effects projected out."""
        counted = self.runs.per_run(self._kept)
        ranks = self.runs.within_ranks(values) * counted
        seed_effects = self._shared.T @ ranks
        return ranks - self._shared @ seed_effects

    def products(self, predictor: np.ndarray) -> np.ndarray:
        """(G, 3) sums of xy, xx, yy per configuration; their totals give the correlation."""
        x = self._residual_ranks(predictor)
        y = self._outcome
        products = np.column_stack([x * y, x * x, y * y])
        return self.runs.configuration_sums(products)

    def correlation(self, predictor: np.ndarray) -> float:
        """Return the correlation of (n,) predictor values with the outcome; NaN if either does not vary."""
        xy, xx, yy = self.products(predictor).sum(axis=0)
        if self.degrees_of_freedom <= 0 or xx <= MINIMUM_SQUARES:
            return np.nan
        return float(xy / np.sqrt(xx * yy))

    def rearrangements(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw random rearrangements of a predictor.

        Returns:
            With a seed column (count, S, S) rotations of its seeds, else (count, n) permutations of its runs.
        """
        if self.runs.named_seeds:
            return seed_rotations(self.seeds, count, rng)
        return within_permutations(self.runs, count, rng)

    def count_exceedances(self, predictor: np.ndarray, correlation: float, rearrangements: np.ndarray) -> int:
        """Count the rearrangements whose correlation is at least as large in absolute value."""
        if self.runs.named_seeds:
            null = self._rotated_correlations(predictor, rearrangements)
        else:
            null = self._permuted_correlations(predictor, rearrangements)
        return count_exceedances(abs(correlation) - NULL_TOLERANCE, np.abs(null))

    def _rotated_correlations(self, predictor: np.ndarray, rotations: np.ndarray) -> np.ndarray:
        """(k,) correlations with the predictor's seeds rotated alike in all configurations.

        With every seed in every configuration, the sum of x y over runs is the trace of the S x S matrix of products
        between seeds, and rotating x rotates that matrix. A configuration that lacks seeds has fewer directions: its m
        runs scatter by 1 / (m - 1), a rotation spreads them to 1 / (S - 1). Counting it (S - 1) / (m - 1) times makes
        the null right for effects that all configurations share and wider than needed for noise, so missing runs cost
        power, not validity.
        """
        x = self._residual_ranks(predictor)
        directions = np.maximum(self.runs.sizes - 1, 1)
        weights = (self.seeds - 1) / directions
        weighted = self._by_seed(x) * weights[:, None]
        between_seeds = weighted.T @ self._by_seed(self._outcome)
        size = np.sqrt((x @ x) * self._squares)
        flattened = rotations.reshape(len(rotations), -1)
        return flattened @ between_seeds.ravel() / size

    def _by_seed(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (G, S), zeros where a configuration lacks a seed."""
        shape = (len(self.runs.sizes), self.seeds)
        grid = np.zeros(shape)
        grid[self.runs.configuration, self._seed] = values
        return grid

    def _permuted_correlations(self, predictor: np.ndarray, permutations: np.ndarray) -> np.ndarray:
        """(k,) correlations with the predictor permuted inside each configuration."""
        ranks = self.runs.within_ranks(predictor).astype(np.float32)
        columns = np.column_stack([self._outcome, self._shared])
        weights = columns.astype(np.float32)
        chunk = max(1, CHUNK_ELEMENTS // len(ranks))
        null = [np.zeros(0)]
        for start in range(0, len(permutations), chunk):
            some_permutations = permutations[start : start + chunk]
            loads = ranks[some_permutations] @ weights
            outcome_loads = loads[:, 0]
            seed_loads = loads[:, 1:]
            shared = (seed_loads**2).sum(axis=1)
            squares = np.maximum(ranks @ ranks - shared, MINIMUM_SQUARES)
            size = np.sqrt(squares * self._squares)
            null.append(outcome_loads / size)
        return np.concatenate(null).astype(float)


def _with_every_seed(runs: GroupedRuns, seeds: int) -> np.ndarray:
    """(G,) mask of the configurations with every seed; all if those hold less than half of the degrees of freedom."""
    complete = runs.sizes == seeds
    free = (runs.sizes - 1).sum()
    if 2 * (seeds - 1) * complete.sum() >= free:
        return complete
    return np.ones_like(complete)
