"""What the axes alone say about the outcome of configurations that were not seen."""

import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.held_out_ridge import HeldOutRidge
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.trainables.rng import generator

TREES = "boosted trees"

TREE_FOLDS = 5
TREES_GROWN = 40
LEARNING_RATE = 0.2
SMALLEST_LEAF = 2  # configurations


class AxesBaseline:
    """The better of two models of the axes, by their predictions of held-out lineages.

    A ridge regression with pairwise interactions (see `axes_design`) that leaves out one lineage at a time, and
    gradient-boosted trees (scikit-learn) that leave out a fifth of the lineages at a time. The choice is made without
    any predictor.

    Args:
        runs: the configurations of n runs.
        lineages: their lineages.
        outcome: (n,) ranks of the outcome in the order of `runs`.
        random_seed: of the folds and of the trees.

    Attributes:
        name: which model was chosen.
        r2: its cross-validated R2.
        predicted: (n,) held-out predictions.
        residual: (n,) outcome minus held-out predictions.
        fitted_residual: (n,) residuals of the fit to all runs (ridge), or the same as `residual` (trees).
        totals: (L,) squares of the outcome around its mean, of each lineage.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages, outcome: np.ndarray, random_seed: int = 0):
        self.runs = runs
        self.lineages = lineages
        self.ridge = HeldOutRidge(runs, lineages)
        self.totals = lineages.sums_over_runs(runs, (outcome - outcome.mean()) ** 2)
        self.name = self.ridge.name
        fit = self.ridge.fit(outcome[:, None])
        self.residual = fit.held_out[:, 0]
        self.fitted_residual = fit.residuals[:, 0]
        trees = outcome - self._tree_predictions(outcome, random_seed)
        if trees @ trees < self.residual @ self.residual:
            self.name = TREES
            self.residual = trees
            self.fitted_residual = trees
        self.predicted = outcome - self.residual
        total = float(self.totals.sum())
        self.r2 = 1 - float(self.residual @ self.residual) / total if total else np.nan

    def _tree_predictions(self, outcome: np.ndarray, random_seed: int) -> np.ndarray:
        """(n,) predictions of boosted trees; configurations are one row each, weighted by their runs."""
        levels = self.runs.levels
        inputs = np.column_stack([_tree_inputs(levels[axis]) for axis in levels.columns])
        means = self.runs.configuration_sums(outcome) / self.runs.sizes
        order = generator(random_seed, "folds/lineages").permutation(len(self.lineages))
        fold = (order % min(TREE_FOLDS, len(self.lineages)))[self.lineages.lineage]
        predicted = np.full(len(means), means.mean())
        for number in np.unique(fold):
            test = fold == number
            if test.all():
                continue
            trees = GradientBoostingRegressor(
                n_estimators=TREES_GROWN,
                learning_rate=LEARNING_RATE,
                min_samples_leaf=SMALLEST_LEAF,
                random_state=random_seed,
            )
            trees.fit(inputs[~test], means[~test], sample_weight=self.runs.sizes[~test])
            predicted[test] = trees.predict(inputs[test])
        return self.runs.per_run(predicted)


def _tree_inputs(column: "pd.Series") -> np.ndarray:
    """Return an axis as numbers; one of text as the codes of its values."""
    if pd.api.types.is_numeric_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=float)
    codes, _ = pd.factorize(column.map(str), sort=True)
    return codes.astype(float)
