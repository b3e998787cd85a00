"""The null for configurations that all have the same few seeds: rotations of the seeds."""

import numpy as np

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.design_matrix import shared_seed_effects
from benevolent.analysis.statistics.resampling import seed_rotations

MOST_ROTATED = 12  # more seeds than this have enough permutations of their own


class RotatedSeeds:
    """Ranks within configurations without the effects of shared seeds, and rotations of the seeds.

    Equal seeds mean equal random streams in every configuration, so runs with the same seed are not independent: the
    main effect of each seed, and its interactions with each axis, are projected out of predictor and outcome (see
    `shared_seed_effects`). Whatever else the runs of a seed share, in any configurations, is part of the null: it
    applies one random rotation to the seeds, the same in all configurations (Langsrud 2005, "Rotation tests"), so
    seeds, not runs, are the units. Configurations that lack a seed are left out if the others hold half of the degrees
    of freedom.

    Args:
        runs: the configurations of n runs.

    Attributes:
        seeds: number S of distinct seeds.
        degrees_of_freedom: within configurations, without the effects of shared seeds.
    """

    def __init__(self, runs: GroupedRuns):
        self.runs = runs
        distinct_seeds, self._seed = np.unique(runs.seeds, return_inverse=True)
        self.seeds = len(distinct_seeds)
        self._kept = _with_every_seed(runs, self.seeds)
        self._shared = shared_seed_effects(runs, self._kept)
        within = int((runs.sizes - 1)[self._kept].sum())
        self.degrees_of_freedom = within - self._shared.shape[1]

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) values -> (n,) ranks within the configurations that count, shared seed effects projected out."""
        counted = self.runs.per_run(self._kept)
        ranks = self.runs.within_ranks(values) * counted
        seed_effects = self._shared.T @ ranks
        return ranks - self._shared @ seed_effects

    def rearrangements(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw (count, S, S) rotations of the seeds."""
        return seed_rotations(self.seeds, count, rng)

    def rearranged_products(self, x: np.ndarray, y: np.ndarray, rearrangements: np.ndarray) -> np.ndarray:
        """(k, p) products of (n, p) scores x, their seeds rotated alike in all configurations, with (n,) scores y.

        With every seed in every configuration, the sum of x y over runs is the trace of the S x S matrix of products
        between seeds, and rotating x rotates that matrix. A configuration that lacks seeds has fewer directions: its m
        runs scatter by 1 / (m - 1), a rotation spreads them to 1 / (S - 1). Counting it (S - 1) / (m - 1) times makes
        the null right for effects that all configurations share and wider than needed for noise, so missing runs cost
        power, not validity.
        """
        directions = np.maximum(self.runs.sizes - 1, 1)
        weights = (self.seeds - 1) / directions
        outcome = self._by_seed(y)
        between_seeds = np.empty((self.seeds**2, x.shape[1]))
        for column in range(x.shape[1]):
            weighted = self._by_seed(x[:, column]) * weights[:, None]
            between_seeds[:, column] = (weighted.T @ outcome).ravel()
        return rearrangements.reshape(len(rearrangements), -1) @ between_seeds

    def _by_seed(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (G, S), zeros where a configuration lacks a seed."""
        grid = np.zeros((len(self.runs.sizes), self.seeds))
        grid[self.runs.configuration, self._seed] = values
        return grid


def _with_every_seed(runs: GroupedRuns, seeds: int) -> np.ndarray:
    """(G,) mask of the configurations with every seed; all if those hold less than half of the degrees of freedom."""
    complete = runs.sizes == seeds
    free = (runs.sizes - 1).sum()
    if 2 * (seeds - 1) * complete.sum() >= free:
        return complete
    return np.ones_like(complete)
