"""Association within configurations: rank correlation of predictor and outcome among runs that differ in seed only."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.aligned_ranks import aligned_ranks
from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.lineages import ExchangeableReplicates, Lineages
from benevolent.analysis.statistics.rotated_seeds import MOST_ROTATED, RotatedSeeds
from benevolent.trainables.rng import generator

MINIMUM_SQUARES = 1e-9  # less variation than this is rounding noise
NULL_TOLERANCE = 1e-6  # the null is computed in single precision; the observed arrangement must stay a tie
CHUNK_ELEMENTS = 1_000_000  # rearranged scores at a time: they stay in the processor's cache


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

    Predictor and target are aligned: the mean of its configuration is taken off every run, and what is left is ranked
    over all runs (aligned ranks, Hodges and Lehmann 1962). So nothing that the axes determine can enter, and a
    difference between two runs counts by its size, not only by its sign.

    Runs of one seed share their random numbers. Configurations that are linked by common seeds are a lineage, and the
    null permutes the replicates of every lineage, those of its configurations jointly; it is exact. If all
    configurations have the same few seeds, see `RotatedSeeds`.

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
    within = WithinConfigurations(runs, y, Lineages.from_runs(runs, kept))
    scores = within.scores(x)[:, None]
    correlation = float(within.correlations(scores)[0])
    if np.isnan(correlation) or not permutations:
        return Association(correlation, np.nan, within.degrees_of_freedom)
    rng = generator(random_seed, "permute/within")
    exceedances = within.count_exceedances(scores, within.rearrangements(permutations, rng))
    p = (1 + int(exceedances[0])) / (1 + permutations)
    return Association(correlation, p, within.degrees_of_freedom)


class Exchange(Protocol):
    """Scores within configurations, and the rearrangements of them that are as likely as the observed one."""

    degrees_of_freedom: int

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (n,) scores that sum to 0 in every configuration; 0 for runs that are left out."""

    def rearrangements(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw rearrangements."""

    def rearranged_products(self, x: np.ndarray, y: np.ndarray, rearrangements: np.ndarray) -> np.ndarray:
        """(k, p) products of (n, p) scores x with (n,) scores y that were rearranged k times."""


class ExchangedReplicates:
    """Aligned ranks, and permutations of the replicates of every lineage.

    Args:
        runs: the n runs.
        lineages: their lineages.

    Attributes:
        replicates: the replicates that can be exchanged.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages):
        self.replicates = ExchangeableReplicates(runs, lineages)
        self.degrees_of_freedom = self.replicates.degrees_of_freedom

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of runs -> (n,) aligned ranks; 0 for runs that cannot be exchanged."""
        scores = np.zeros(len(values))
        scores[self.replicates.kept] = aligned_ranks(values[self.replicates.kept], self.replicates.cell_sizes)
        return scores

    def rearrangements(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw (count, m) permutations of the runs that can be exchanged."""
        return self.replicates.permutations(count, rng)

    def rearranged_products(self, x: np.ndarray, y: np.ndarray, rearrangements: np.ndarray) -> np.ndarray:
        """(k, p) products of (n, p) scores x with (n,) scores y that were permuted k times."""
        kept = self.replicates.kept
        of_predictors = x[kept].astype(np.float32)
        of_outcome = y[kept].astype(np.float32)
        return of_outcome[rearrangements] @ of_predictors


class WithinConfigurations:
    """The outcome's half of the association within configurations, kept so that many predictors cost little.

    Args:
        runs: the configurations of n runs.
        outcome: (n,) values in the order of `runs`.
        lineages: the lineages of the configurations; found from the seeds by default.

    Attributes:
        exchange: how scores are made and rearranged.
        degrees_of_freedom: of the association; 0 if the outcome does not vary.
    """

    def __init__(self, runs: GroupedRuns, outcome: np.ndarray, lineages: Lineages | None = None):
        self.runs = runs
        lineages = lineages or Lineages.from_runs(runs)
        self.exchange: Exchange = ExchangedReplicates(runs, lineages)
        self.rotated = _rotates(runs, lineages)
        if self.rotated:
            self.exchange = RotatedSeeds(runs)
        self._outcome = self.exchange.scores(outcome)
        self._squares = float(self._outcome @ self._outcome)
        varies = self._squares > MINIMUM_SQUARES
        self.degrees_of_freedom = self.exchange.degrees_of_freedom if varies else 0

    @property
    def left_out(self) -> int:
        """Runs that no rearrangement moves though their configuration has several."""
        return self.exchange.replicates.left_out if isinstance(self.exchange, ExchangedReplicates) else 0

    @property
    def seeds(self) -> float:
        """Number of seeds that all configurations share; NaN if they do not."""
        return self.exchange.seeds if isinstance(self.exchange, RotatedSeeds) else np.nan

    @property
    def arrangements(self) -> float:
        """Natural logarithm of the number of distinct rearrangements; infinite for rotations."""
        if isinstance(self.exchange, ExchangedReplicates):
            return self.exchange.replicates.arrangements
        return np.inf

    @property
    def outcome_scores(self) -> np.ndarray:
        """(n,) scores of the outcome within configurations."""
        return self._outcome

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(n,) values of a predictor -> (n,) scores within configurations."""
        return self.exchange.scores(values)

    def correlations(self, scores: np.ndarray) -> np.ndarray:
        """(n, p) scores of predictors -> (p,) correlations with the outcome; NaN where either does not vary."""
        squares = (scores**2).sum(axis=0)
        undefined = squares <= MINIMUM_SQUARES
        if self.degrees_of_freedom <= 0:
            undefined[:] = True
        size = np.sqrt(np.where(undefined, 1, squares) * max(self._squares, MINIMUM_SQUARES))
        return np.where(undefined, np.nan, self._outcome @ scores / size)

    def products(self, scores: np.ndarray) -> np.ndarray:
        """(n,) scores of a predictor -> (G, 3) sums of xy, xx, yy per configuration."""
        y = self._outcome
        products = np.column_stack([scores * y, scores * scores, y * y])
        return self.runs.configuration_sums(products)

    def rearrangements(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw random rearrangements of the outcome, for `count_exceedances`."""
        return self.exchange.rearrangements(count, rng)

    def count_exceedances(self, scores: np.ndarray, rearrangements: np.ndarray) -> np.ndarray:
        """(n, p) scores -> (p,) numbers of rearrangements whose correlation is at least as large in absolute value."""
        observed = np.abs(self._outcome @ scores)
        size = np.sqrt((scores**2).sum(axis=0) * self._squares)
        threshold = observed - NULL_TOLERANCE * size
        chunk = max(1, CHUNK_ELEMENTS // len(scores))
        counts = np.zeros(scores.shape[1], dtype=int)
        for start in range(0, len(rearrangements), chunk):
            some = rearrangements[start : start + chunk]
            products = self.exchange.rearranged_products(scores, self._outcome, some)
            counts += (np.abs(products) >= threshold).sum(axis=0)
        return counts


def _rotates(runs: GroupedRuns, lineages: Lineages) -> bool:
    """Return whether all configurations have the same few seeds, too few to permute."""
    if not runs.named_seeds or lineages.luck.max(initial=0) > 0:
        return False
    return len(runs.sizes) > 1 and len(np.unique(runs.seeds)) <= MOST_ROTATED
