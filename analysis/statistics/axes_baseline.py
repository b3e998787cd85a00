"""What the axes alone say about the outcome, and whether a predictor adds to it out of sample."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.design_matrix import axes_design, shared_seed_effects
from benevolent.analysis.statistics.resampling import configuration_permutations, count_exceedances
from benevolent.trainables.rng import generator

PENALTIES = np.logspace(-6, 1, 15)  # ridge penalties tried, in units of the mean squared singular value


class Gain(NamedTuple):
    """What a predictor adds to the axes on configurations that were not fitted."""

    gain: float
    baseline_r2: float
    p: float


def cross_validated_gain(
    table: pd.DataFrame,
    predictor: str,
    target: str,
    axes: Sequence[str],
    *,
    seed_column: str | None = "seed",
    permutations: int = 1000,
    random_seed: int = 0,
) -> Gain:
    """Gain in cross-validated R2 when the predictor joins the axes in a linear model of the target's ranks.

    The baseline holds main effects and pairwise interactions of the axes (see `axes_design`) with the ridge
    penalty that predicts held-out configurations best. The predictor enters as its rank, with the axes
    projected out, unpenalized, and without the luck that configurations share through
    their seeds (see `shared_seed_effects`). Each configuration is held out once with all its runs;
    ``R2 = 1 - held-out squares / total squares``. The null gives every configuration the whole vector of
    predictor values of another configuration with equally many runs, so effects per configuration, in
    predictor and outcome alike, stay in the null; permuting single runs would reject a true null far too
    often.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column. One that is a function of the axes within the baseline's span gains 0.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: the seed; it orders the runs within configurations.
        permutations: size of the null; 0 leaves p at NaN.
        random_seed: of the permutations.

    Returns:
        (gain, baseline_r2, p); p is one-sided. NaN everywhere with fewer than three configurations or one target.
    """
    kept = drop_missing(table, predictor, target, axes)
    runs = GroupedRuns.from_table(kept, axes, seed_column)
    if len(runs.sizes) < 3:
        return Gain(np.nan, np.nan, np.nan)
    x, y = (rankdata(numeric_column(kept, name, "column"))[runs.order] for name in (predictor, target))
    if np.ptp(y) == 0:
        return Gain(np.nan, np.nan, np.nan)
    baseline = AxesBaseline(runs, y, shared_seed_effects(runs))
    donors = configuration_permutations(runs, permutations, generator(random_seed, "permute/configurations"))
    gain, p = baseline.test(x, donors)
    return Gain(gain, baseline.r2, p)


@threadpool_limits.wrap(limits=1)  # small trees: more threads only wait for each other
def tree_gain(
    table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str], *, folds: int = 5, random_seed: int = 0
) -> Gain:
    """The gain over a strong baseline: gradient-boosted trees on the axes, with and without the predictor.

    Trees find any interaction of the axes, so what is left for a predictor is less than over a linear model; they need
    more configurations for it. R2 is of the target's ranks, over `folds` of whole configurations; p is NaN, since no
    null is drawn: `cross_validated_gain` decides, this describes.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration; axes of text enter as an indicator of each value.
        folds: of configurations; fewer where there are not as many.
        random_seed: of the folds.
    """
    kept = drop_missing(table, predictor, target, axes)
    runs = GroupedRuns.from_table(kept, axes, None)
    if len(runs.sizes) < 3:
        return Gain(np.nan, np.nan, np.nan)
    y = rankdata(numeric_column(kept, target, "target"))[runs.order]
    c = rankdata(numeric_column(kept, predictor, "predictor"))[runs.order]
    columns = [runs.levels[axis] for axis in runs.axes]
    coded = [  # as categories scikit-learn would not split values of fewer than ten runs
        column.to_numpy(dtype=float)
        if pd.api.types.is_numeric_dtype(column) and not column.isna().any()
        else pd.get_dummies(column.map(str)).to_numpy(dtype=float)
        for column in columns
    ]
    design = runs.per_run(np.column_stack(coded))
    order = generator(random_seed, "folds/configurations").permutation(len(runs.sizes))
    fold = runs.per_run(order % min(folds, len(runs.sizes)))

    def r2(inputs: np.ndarray) -> float:
        held_out = np.empty_like(y)
        for number in np.unique(fold):
            train, test = fold != number, fold == number
            trees = HistGradientBoostingRegressor(max_iter=100, min_samples_leaf=5, random_state=random_seed)
            held_out[test] = trees.fit(inputs[train], y[train]).predict(inputs[test])
        return 1 - float(((y - held_out) ** 2).sum() / ((y - y.mean()) ** 2).sum())

    if np.ptp(y) == 0:
        return Gain(np.nan, np.nan, np.nan)
    alone = r2(design)
    return Gain(r2(np.column_stack([design, c])) - alone, alone, np.nan)


class AxesBaseline:
    """The ridge model of the outcome on the axes, in closed form for held-out configurations.

    With hat matrix H the residuals of a held-out configuration g are ``(I - H_gg)^-1 e_g``; runs of one
    configuration share their row of the design, so H_gg is one number h times a matrix of ones. A predictor
    c, orthogonal to the design, adds ``c c' / c'c`` to H, hence a rank-one update (Sherman-Morrison). So
    nothing is ever refitted, and every sum runs over configurations, not runs.

    Attributes:
        total: squares of the outcome around its mean.
        r2: cross-validated R2 of the axes alone.
        predicted: (n,) held-out predictions of the axes alone.
        interactions: whether pairwise interactions are in the model.
    """

    def __init__(self, runs: GroupedRuns, outcome: np.ndarray, shared: np.ndarray):
        self.runs, self.outcome, self._shared = runs, outcome, shared
        design, self.interactions = axes_design(runs.levels)
        root = np.sqrt(runs.sizes)
        mean = runs.sizes @ design / runs.sizes.sum()
        u, s, _ = np.linalg.svd((design - mean) * root[:, None], full_matrices=False)
        rank = int((s > 1e-10 * s.max(initial=0) * max(design.shape)).sum())
        self._axes, singular = u[:, :rank], s[:rank]
        self._span = np.column_stack([root / np.sqrt(runs.sizes.sum()), self._axes])  # with the intercept
        centered = outcome - outcome.mean()
        self.total = float(centered @ centered)
        loads = self._axes.T @ (runs.configuration_sums(centered) / root)
        mean_square = (singular**2).mean() if rank else 1.0
        best = np.inf
        for penalty in PENALTIES * mean_square:
            shrink = singular**2 / (singular**2 + penalty)
            self_influence = 1 / len(outcome) + (self._axes**2 @ shrink) / runs.sizes  # h of each configuration
            fitted = outcome.mean() + self._axes @ (shrink * loads) / root
            residual = outcome - runs.per_run(fitted)
            lift = self_influence / (1 - runs.sizes * self_influence)
            held_out = residual + runs.per_run(lift * runs.configuration_sums(residual))
            squares = float(held_out @ held_out)
            if squares < best:
                best = squares
                self._fitted, self._lift, self.predicted = fitted, lift, outcome - held_out
                self._residual, self._held_out = residual, held_out
        self.r2 = 1 - best / self.total if self.total else np.nan

    def test(self, predictor: np.ndarray, donors: np.ndarray) -> tuple[float, float]:
        """The gain of (n,) predictor ranks and its p-value from (k, G) permutations of whole configurations.

        A predictor of which the axes leave nothing gains exactly 0 and has p = 1.
        """
        gain = float(self.gains(predictor, np.arange(len(self.runs.sizes))[None])[0])
        exceedances = self.count_exceedances(predictor, gain, donors)
        return gain, (1 + exceedances) / (1 + len(donors)) if len(donors) else np.nan

    def count_exceedances(self, predictor: np.ndarray, gain: float, donors: np.ndarray) -> int:
        """How many of the permutations gain at least as much."""
        return count_exceedances(gain, self.gains(predictor, donors)) if gain != 0 else len(donors)

    def gains(self, predictor: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """(k,) gains when configuration g receives the vector of configuration ``donors[k, g]``."""
        chunk = max(1, 2_000_000 // donors.shape[1])
        parts = [np.zeros(0)] + [
            self.contributions(predictor, donors[at : at + chunk]).sum(axis=1) for at in range(0, len(donors), chunk)
        ]
        return np.concatenate(parts) / self.total

    def contributions(self, predictor: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """(k, G) held-out squares of the axes alone minus those with the predictor."""
        runs, m, k = self.runs, self.runs.sizes, self._lift
        c = predictor - predictor.mean()
        c = c - self._shared @ (self._shared.T @ c)
        sums, squares = runs.configuration_sums(c)[donors], runs.configuration_sums(c**2)[donors]
        theirs, mine = runs.padded(c), runs.padded(self.outcome)
        products = sum(theirs[:, i][donors] * mine[:, i] for i in range(theirs.shape[1]))  # sum of c y

        # project the axes out of c: everything below is a sum over the runs of one configuration
        along = (sums / np.sqrt(m)) @ self._span @ self._span.T / np.sqrt(m)
        squares = squares - 2 * along * sums + m * along**2
        products = products - self._fitted * sums - along * runs.configuration_sums(self._residual)
        sums = sums - m * along
        norm = squares.sum(axis=1, keepdims=True)
        nothing_left = norm <= 1e-12 * max(c @ c, 1e-300)
        norm = np.where(nothing_left, 1, norm)
        slope = products.sum(axis=1, keepdims=True) / norm

        # residuals e' = e - slope c and leverage direction u = c / |c|, then the held-out residuals
        e = self._residual
        es = runs.configuration_sums(e) - slope * sums
        ees = runs.configuration_sums(e**2) - 2 * slope * products + slope**2 * squares
        t, q = sums / np.sqrt(norm), squares / norm
        v = (products - slope * squares) / np.sqrt(norm)
        aa = ees + 2 * k * es**2 + m * k**2 * es**2
        ab = v + 2 * k * es * t + m * k**2 * es * t
        bb = q + 2 * k * t**2 + m * k**2 * t**2
        room = np.maximum(1 - q - k * t**2, 1e-9)  # 0 if the predictor varies in this configuration only
        factor = (v + k * es * t) / room
        with_predictor = aa + 2 * factor * ab + factor**2 * bb
        return np.where(nothing_left, 0.0, runs.configuration_sums(self._held_out**2) - with_predictor)
