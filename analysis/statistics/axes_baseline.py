"""Predictions, by the axes alone, of the outcome of configurations that were not seen."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.configurations import GroupedRuns
from benevolent.analysis.statistics.design_matrix import axes_design
from benevolent.analysis.statistics.held_out_ridge import HeldOutRidge
from benevolent.analysis.statistics.interactions import interaction_design
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.trainables.rng import generator

PAIRS = "ridge regression with pairwise interactions"
MAIN_EFFECTS = "ridge regression"
INTERACTIONS = "ridge regression with interactions"
TREES = "boosted trees"

TREE_FOLDS = 5
TREES_GROWN = 40
LEARNING_RATE = 0.2
SMALLEST_LEAF = 2  # configurations


class RidgeOutcome(NamedTuple):
    """A ridge regression on the axes, and what it leaves of the outcome.

    Attributes:
        ridge: the regression.
        residual: (n,) residuals of the fit to all runs; of held-out lineages if trees predict these better.
    """

    ridge: HeldOutRidge
    residual: np.ndarray


class AxesBaseline:
    """The best of three models of the axes, by their predictions of held-out lineages.

    A ridge regression with pairwise interactions (see `axes_design`) and one with interactions of every order (see
    `interaction_design`), which leave out one lineage at a time, and gradient-boosted trees (scikit-learn), which leave
    out a fifth of the lineages at a time. The choice is made without any predictor.

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
        ridge: the ridge regression with pairwise interactions.
        tested: the ridge regressions that a gain is tested against.
        totals: (L,) squares of the outcome around its mean, of each lineage.
    """

    def __init__(self, runs: GroupedRuns, lineages: Lineages, outcome: np.ndarray, random_seed: int = 0):
        self.runs = runs
        self.lineages = lineages
        self.totals = lineages.sums_over_runs(runs, (outcome - outcome.mean()) ** 2)
        ridges = _ridges(runs, lineages)
        self.ridge = next(iter(ridges.values()))
        fits = {name: ridge.fit(outcome[:, None]) for name, ridge in ridges.items()}
        held_out = {name: fit.held_out[:, 0] for name, fit in fits.items()}
        held_out[TREES] = outcome - self._tree_predictions(outcome, random_seed)
        self.name = min(held_out, key=lambda name: held_out[name] @ held_out[name])
        self.residual = held_out[self.name]
        self.tested = []
        for name, ridge in ridges.items():
            residual = self.residual if self.name == TREES else fits[name].residuals[:, 0]
            self.tested.append(RidgeOutcome(ridge, residual))
        self.predicted = outcome - self.residual
        total = float(self.totals.sum())
        self.r2 = 1 - float(self.residual @ self.residual) / total if total else np.nan

    def _tree_predictions(self, outcome: np.ndarray, random_seed: int) -> np.ndarray:
        """(n,) predictions of boosted trees; configurations are one row each, weighted by their runs."""
        from sklearn import config_context  # processes that measure or train do without
        from sklearn.ensemble import GradientBoostingRegressor

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
            with config_context(
                assume_finite=True, skip_parameter_validation=True
            ):  # half of the time goes into checks
                trees.fit(inputs[~test], means[~test], sample_weight=self.runs.sizes[~test])
            predicted[test] = trees.predict(inputs[test])
        return self.runs.per_run(predicted)


def _ridges(runs: GroupedRuns, lineages: Lineages) -> dict[str, HeldOutRidge]:
    """Return the ridge regressions by name, the one with pairwise interactions (or fewer) first."""
    design, has_pairs = axes_design(runs.levels)
    name = PAIRS if has_pairs else MAIN_EFFECTS
    ridges = {name: HeldOutRidge(runs, lineages, design)}
    with_interactions = interaction_design(runs.levels)
    if with_interactions is not None:
        ridges[INTERACTIONS] = HeldOutRidge(runs, lineages, with_interactions)
    return ridges


def _tree_inputs(column: "pd.Series") -> np.ndarray:
    """Return an axis as numbers; one of text as the codes of its values."""
    if pd.api.types.is_numeric_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=float)
    codes, _ = pd.factorize(column.map(str), sort=True)
    return codes.astype(float)
