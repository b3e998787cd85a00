"""Transfer: does a predictor help a model of the axes to predict lineages that were not seen."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.axes_baseline import AxesBaseline
from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.held_out_ridge import HeldOutRidge, RidgeFit
from benevolent.analysis.statistics.lineages import Lineages
from benevolent.analysis.statistics.sign_flips import SignFlipTest, sign_flips
from benevolent.trainables.rng import generator

MINIMUM_LINEAGES = 3  # with fewer, none can be held out
NOTHING_LEFT = 1e-12  # share of a predictor's squares below which it is a function of the axes


class Gain(NamedTuple):
    """Gain in cross-validated R2 over the axes.

    Attributes:
        gain: R2 with the predictor minus R2 of the axes alone.
        baseline_r2: R2 of the axes alone.
        p: permutation p-value, two-sided in the sign of the association; NaN if no null was drawn.
        baseline: name of the model of the axes.
    """

    gain: float
    baseline_r2: float
    p: float
    baseline: str


UNDEFINED_GAIN = Gain(np.nan, np.nan, np.nan, "")


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
    """Estimate the gain in R2 of the target's ranks when the predictor joins a model of the axes.

    Both the target and the predictor are predicted from the axes for every lineage from the other lineages (see
    `AxesBaseline`), and what is left of the target is regressed on what is left of the predictor: partialling out with
    cross-fitting (Chernozhukov et al. 2018, "Double/debiased machine learning"). The slope for a lineage comes from
    the others, too. ``gain = (squares left by the axes - squares left with the predictor) / total squares``.

    The null flips, for whole lineages, the sign of the product of the two residuals. So it is enough that one of them
    has mean 0 given the axes, and lineages may scatter differently.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column. One that is equal in all runs of each configuration gains 0.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: column of the seed; configurations linked by common seeds are one lineage, unless all are.
        permutations: size of the null; 0 leaves p at NaN.
        random_seed: of the folds and of the null.

    Returns:
        (gain, baseline_r2, p, baseline). NaN with fewer than three lineages or a constant target.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": [1, 1, 2, 2, 3, 3], "norm": [1, 2, 1, 2, 1, 2], "loss": [1, 2, 3, 4, 5, 6]})
    >>> cross_validated_gain(table, "norm", "loss", ["lr"], permutations=0).gain > 0
    True
    """
    kept = drop_missing(table, predictor, target, axes)
    runs = GroupedRuns.from_table(kept, axes, seed_column)
    lineages = Lineages.from_runs(runs, kept)
    if len(lineages) < MINIMUM_LINEAGES:
        return UNDEFINED_GAIN
    x = numeric_column(kept, predictor, "column")[runs.order]
    y = rankdata(numeric_column(kept, target, "column")[runs.order])
    if np.ptp(y) == 0:
        return UNDEFINED_GAIN
    baseline = AxesBaseline(runs, lineages, y, random_seed)
    if runs.sizes.max() > 1 and not runs.within_ranks(x).any():
        return Gain(0.0, baseline.r2, 1.0, baseline.name)
    products = TransferProducts(baseline, x[:, None])
    gain = float(products.gains[0])
    if not permutations:
        return Gain(gain, baseline.r2, np.nan, baseline.name)
    signs = sign_flips(len(lineages), permutations, generator(random_seed, "permute/lineages"))
    exceedances = int(products.count_exceedances(signs)[0])
    return Gain(gain, baseline.r2, (1 + exceedances) / (1 + permutations), baseline.name)


class FittedRanks(NamedTuple):
    """Ranks of p predictors, and what the axes leave of them.

    Attributes:
        fit: the models of the ranks.
        own_share: (p,) share of the scatter that the axes leave.
        something_left: (p,) False for functions of the axes that the model expresses.
        held_out: (n, p) residuals with lineages held out; 0 for such functions.
    """

    fit: RidgeFit
    own_share: np.ndarray
    something_left: np.ndarray
    held_out: np.ndarray


def fitted_ranks(ridge: HeldOutRidge, predictors: np.ndarray) -> FittedRanks:
    """Fit the axes to the ranks of (n, p) predictors in the order of the runs."""
    ranks = rankdata(predictors, axis=0)
    ranks -= ranks.mean(axis=0)
    squares = (ranks**2).sum(axis=0)
    fit = ridge.fit(ranks)
    left = (fit.residuals**2).sum(axis=0)
    own_share = left / np.where(squares > 0, squares, 1)
    something_left = own_share > NOTHING_LEFT
    return FittedRanks(fit, own_share, something_left, fit.held_out * something_left)


class TransferProducts:
    """Sums per lineage of products of what the axes leave of outcome and predictors, and the test of their gains.

    The gain comes from residuals of held-out lineages, its test from the fits to all runs (see `SignFlipTest`). No
    model of the axes is right, and what it lacks can look like a gain. With pairwise interactions, effects of three
    axes on outcome and predictor pass for one (simulated: in 42% of tables). With interactions of every order the
    residuals hold much of the noise within configurations, and associations there pass for one (42%). Either model is
    safe where the other is not, so a flip counts as exceeding if it exceeds against any of them: the p-value is at
    least the largest of theirs (an intersection-union test, Berger 1982).

    Args:
        baseline: the model of the axes, with the residuals of the outcome.
        predictors: (n, p) values in the order of the runs.

    Attributes:
        xy: (L, p) sums of products of held-out residuals.
        xx: (L, p) sums of squares of the predictors' held-out residuals.
        gains: (p,) gain in R2; exactly 0 for a function of the axes.
        own_share: (p,) share of a predictor's scatter that the axes leave.
    """

    def __init__(self, baseline: AxesBaseline, predictors: np.ndarray):
        self.baseline = baseline
        self._predictors = predictors
        self._ranks = fitted_ranks(baseline.ridge, predictors)
        self.own_share = self._ranks.own_share
        held_out = self._ranks.held_out
        self.xy = self._lineage_sums(held_out * baseline.residual[:, None])
        self.xx = self._lineage_sums(held_out**2)
        once = np.ones((1, len(baseline.lineages)))
        self.gains = np.array([self.resampled_gains(once, column)[0] for column in range(predictors.shape[1])])

    @cached_property
    def _tests(self) -> list[SignFlipTest]:
        """The tests against each ridge regression of the axes."""
        tests = []
        for outcome in self.baseline.tested:
            is_fitted = outcome.ridge is self.baseline.ridge
            ranks = self._ranks if is_fitted else fitted_ranks(outcome.ridge, self._predictors)
            tests.append(SignFlipTest(outcome, ranks.fit, self._ranks.something_left))
        return tests

    def _lineage_sums(self, values: np.ndarray) -> np.ndarray:
        """(n, p) values of runs -> (L, p) sums of each lineage."""
        return self.baseline.lineages.sums_over_runs(self.baseline.runs, values)

    def resampled_shares(self, counts: np.ndarray, column: int) -> np.ndarray:
        """(B,) signed shares: squared they are the R2 that one predictor could add, its slope known.

        The gain of a small effect is nearly 0 or negative, since its slope is estimated. Upper bounds of it are too
        low, those of the share are not (`benchmarks/calibration.py --negligible`).

        Args:
            counts: (B, L) draws of each lineage.
            column: number of the predictor.
        """
        products = counts @ self.xy[:, column]
        squares = (counts @ self.xx[:, column]) * (counts @ self.baseline.totals)
        return np.asarray(products / np.sqrt(np.where(squares > 0, squares, np.inf)))

    def resampled_gains(self, counts: np.ndarray, column: int) -> np.ndarray:
        """(B,) gains of one predictor when lineages are drawn as often as the (B, L) counts say.

        The slope for a lineage comes from the others that are drawn.
        """
        xy = self.xy[:, column]
        xx = self.xx[:, column]
        of_others_xy = (counts @ xy)[:, None] - counts * xy
        of_others_xx = (counts @ xx)[:, None] - counts * xx
        slope = of_others_xy / np.where(of_others_xx > 0, of_others_xx, np.inf)
        saved = counts * (2 * slope * xy - slope**2 * xx)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(saved.sum(axis=1) / (counts @ self.baseline.totals))

    def count_exceedances(self, signs: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Count the sign flips whose sum of products is at least as large in absolute value, against any model.

        Args:
            signs: (k, L) from `sign_flips`.
            columns: the predictors to count for; all by default.

        Returns:
            (columns,) counts.
        """
        chosen = slice(None) if columns is None else columns
        exceeds = [test.exceeds(signs, chosen) for test in self._tests]
        return np.any(exceeds, axis=0).sum(axis=0)
