"""Association within configurations: whether the seed with the larger predictor has the larger outcome."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.statistics.design import shared_seed_effects
from analysis.statistics.resampling import permutation_p, within_permutations
from analysis.statistics.runs import Runs, complete, numeric_column
from trainables.streams import generator


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

    Predictor and target are ranked among the runs of each configuration, centred, and correlated over all
    configurations at once, so nothing that the axes determine can enter. Where seeds are named in a column
    the same seed means the same random streams in every configuration, so runs of one seed are not
    independent: the effect of each seed, and its main effects with each axis, are projected out of both as
    well. The null permutes the predictor inside each configuration.

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
    inside = WithinConfigurations(runs, y, shared_seed_effects(runs))
    shuffles = within_permutations(runs, permutations, generator(random_seed, "permute/within"))
    correlation, p = inside.test(x, shuffles)
    return Association(correlation, p, inside.degrees_of_freedom)


class WithinConfigurations:
    """The outcome's half of the association, kept so that many predictors cost little."""

    def __init__(self, runs: Runs, outcome: np.ndarray, shared: np.ndarray):
        self.runs, self._shared = runs, shared
        self._outcome = self._remaining(runs.within_ranks(outcome))
        free = int((runs.sizes - 1).sum()) - self._shared.shape[1]
        varies = self._outcome @ self._outcome > 1e-9
        self.degrees_of_freedom = free if varies else 0

    def _remaining(self, ranks: np.ndarray) -> np.ndarray:
        return ranks - self._shared @ (self._shared.T @ ranks)

    def products(self, predictor: np.ndarray) -> np.ndarray:
        """(G, 3) sums of xy, xx, yy per configuration; their totals give the correlation."""
        x, y = self._remaining(self.runs.within_ranks(predictor)), self._outcome
        return self.runs.sums(np.column_stack([x * y, x * x, y * y]))

    def test(self, predictor: np.ndarray, shuffles: np.ndarray) -> tuple[float, float]:
        """Correlation and two-sided p for (n,) predictor values and (k, n) shuffles within configurations."""
        xy, xx, yy = self.products(predictor).sum(axis=0)
        if self.degrees_of_freedom <= 0 or xx <= 1e-9:
            return np.nan, np.nan
        correlation = float(xy / np.sqrt(xx * yy))
        ranks = self.runs.within_ranks(predictor).astype(np.float32)
        weights = np.column_stack([self._outcome, self._shared]).astype(np.float32)
        chunk = max(1, 4_000_000 // len(ranks))
        null = [np.zeros(0)]
        for at in range(0, len(shuffles), chunk):
            loads = ranks[shuffles[at : at + chunk]] @ weights
            squares = ranks @ ranks - (loads[:, 1:] ** 2).sum(axis=1)
            null.append(loads[:, 0] / np.sqrt(np.maximum(squares, 1e-9) * yy))
        drawn = np.abs(np.concatenate(null).astype(float))
        # single precision is ample for a null; the slack keeps the observed arrangement a tie
        return correlation, permutation_p(abs(correlation) - 1e-6, drawn) if len(shuffles) else np.nan
