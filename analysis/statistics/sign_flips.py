"""Tests of a gain by flipping the signs of whole lineages."""

import numpy as np

from benevolent.analysis.statistics.axes_baseline import RidgeOutcome
from benevolent.analysis.statistics.held_out_ridge import RidgeFit

TIE_TOLERANCE = 1e-6  # the null is computed in single precision


def sign_flips(lineages: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (count, L) signs, one for each lineage."""
    bits = rng.integers(0, 2, size=(count, lineages), dtype=np.int8)
    return (2 * bits - 1).astype(np.float32)


class SignFlipTest:
    """Test of p predictors: their products with the outcome after one ridge regression of the axes, and flips of these.

    Residuals of held-out lineages would be of no use: with many columns per configuration they are nearly one subspace,
    and those of unrelated numbers correlate. Simulated with 48 configurations and 25 columns, 10% of their p-values
    were at most 0.05. So the test takes the residuals of the fit to all runs. Given the outcome's residuals r, their
    product with those of the predictor is ``x' M r`` with M = I - H, so it scatters as the sum over lineages of the
    independent ``x_g (M r)_g``. Flips of these, with x_g estimated from the predictor's residuals
    (`HeldOutRidge.independent`), had 4% to 6%.

    Args:
        outcome: the regression, and what it leaves of the outcome.
        fit: the same regression of the predictors' ranks.
        something_left: (p,) False for predictors that are functions of the axes.
    """

    def __init__(self, outcome: RidgeOutcome, fit: RidgeFit, something_left: np.ndarray):
        ridge = outcome.ridge
        projected = ridge.residuals(outcome.residual, fit.shrinkage)
        products = ridge.independent(fit.residuals, fit.shrinkage) * projected * something_left
        independent = ridge.lineages.sums_over_runs(ridge.runs, products)
        observed = (fit.residuals * outcome.residual[:, None]).sum(axis=0) * something_left
        scale = np.sqrt((independent**2).sum(axis=0))
        unit = np.where(scale > 0, scale, 1)
        self._independent = (independent / unit).astype(np.float32)
        self._observed = np.abs(observed) / unit

    def exceeds(self, signs: np.ndarray, columns: np.ndarray | slice) -> np.ndarray:
        """Tell which flips make the sum of products at least as large in absolute value as it is.

        Args:
            signs: (k, L) from `sign_flips`.
            columns: the c predictors to test.

        Returns:
            (k, c) booleans.
        """
        flipped = np.abs(signs @ self._independent[:, columns])
        return np.asarray(flipped >= self._observed[columns] - TIE_TOLERANCE)
