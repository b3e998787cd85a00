"""Gain over the axes: does a predictor help a model of the axes to predict held-out configurations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.analysis.statistics.design_matrix import axes_design, shared_seed_effects
from benevolent.analysis.statistics.resampling import configuration_permutations, count_exceedances
from benevolent.trainables.rng import generator

PENALTIES = np.logspace(-6, 1, 15)  # ridge penalties tried, in units of the mean squared singular value
MINIMUM_CONFIGURATIONS = 3  # with fewer, no configuration can be held out
RANK_TOLERANCE = 1e-10  # singular values below this fraction of the largest one are rounding
NOTHING_LEFT = 1e-12  # share of a predictor's squares below which it is a function of the axes
MINIMUM_FREEDOM = 1e-9  # of a configuration beside the predictor; avoids a division by zero
CHUNK_ELEMENTS = 2_000_000  # donors held in memory at a time


class Gain(NamedTuple):
    """Gain in cross-validated R2 over the axes.

    Attributes:
        gain: R2 with the predictor minus R2 of the axes alone.
        baseline_r2: R2 of the axes alone.
        p: one-sided permutation p-value; NaN if no null was drawn.
    """

    gain: float
    baseline_r2: float
    p: float


UNDEFINED_GAIN = Gain(np.nan, np.nan, np.nan)


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
    """Estimate the gain in R2 of the target's ranks when the predictor joins a linear model of the axes.

    R2 is cross-validated over whole configurations.

    The baseline has main effects and pairwise interactions of the axes (see `axes_design`), with the ridge penalty
    that predicts held-out configurations best. The predictor enters as its rank, with the axes and the effects of
    shared seeds (see `shared_seed_effects`) projected out, and is not penalized. Each configuration is held out once
    with all its runs (leave-one-group-out): ``R2 = 1 - held-out squares / total squares``.

    Under the null every configuration receives the whole vector of predictor values of another configuration with
    equally many runs, so effects per configuration, in predictor and outcome alike, stay in the null; permuting single
    runs would reject a true null far too often.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column. A function of the axes within the baseline's span gains 0.
        target: a numeric column.
        axes: columns that make a configuration.
        seed_column: column of the seed; it orders the runs within configurations.
        permutations: size of the null; 0 leaves p at NaN.
        random_seed: of the permutations.

    Returns:
        (gain, baseline_r2, p). NaN everywhere with fewer than three configurations or a constant target.

    Raises:
        BadInput: a column is absent or not numeric.

    >>> table = pd.DataFrame({"lr": [1, 1, 2, 2, 3, 3], "norm": [1, 2, 1, 2, 1, 2], "loss": [1, 2, 3, 4, 5, 6]})
    >>> cross_validated_gain(table, "norm", "loss", ["lr"], permutations=0).gain > 0
    True
    """
    kept = drop_missing(table, predictor, target, axes)
    runs = GroupedRuns.from_table(kept, axes, seed_column)
    if len(runs.sizes) < MINIMUM_CONFIGURATIONS:
        return UNDEFINED_GAIN
    x = rankdata(numeric_column(kept, predictor, "column"))[runs.order]
    y = rankdata(numeric_column(kept, target, "column"))[runs.order]
    if np.ptp(y) == 0:
        return UNDEFINED_GAIN
    baseline = AxesBaseline(runs, y, shared_seed_effects(runs))
    donors = configuration_permutations(runs, permutations, generator(random_seed, "permute/configurations"))
    gain, p = baseline.test(x, donors)
    return Gain(gain, baseline.r2, p)


class AxesBaseline:
    """Ridge model of the outcome on the axes, in closed form for held-out configurations.

    With hat matrix H the residuals of a held-out configuration g are ``(I - H_gg)^-1 e_g``; runs of one configuration
    share their row of the design, so H_gg is one number h times a matrix of ones. A predictor c, orthogonal to the
    design, adds ``c c' / c'c`` to H, hence a rank-one update (Sherman-Morrison). So nothing is ever refitted, and every
    sum runs over configurations, not runs.

    Args:
        runs: the configurations of n runs.
        outcome: (n,) ranks of the outcome in the order of `runs`.
        shared: (n, k) orthonormal effects of shared seeds, projected out of predictors.

    Attributes:
        total: sum of squares of the outcome around its mean.
        r2: cross-validated R2 of the axes alone.
        predicted: (n,) held-out predictions of the axes alone.
        interactions: True if pairwise interactions are in the model.
    """

    def __init__(self, runs: GroupedRuns, outcome: np.ndarray, shared: np.ndarray):
        self.runs = runs
        self.outcome = outcome
        self._shared = shared
        design, self.interactions = axes_design(runs.levels)
        root_sizes = np.sqrt(runs.sizes)
        mean = runs.sizes @ design / runs.sizes.sum()
        weighted = (design - mean) * root_sizes[:, None]
        u, s, _ = np.linalg.svd(weighted, full_matrices=False)
        smallest = RANK_TOLERANCE * s.max(initial=0) * max(design.shape)
        rank = int((s > smallest).sum())
        self._directions = u[:, :rank]
        intercept = root_sizes / np.sqrt(runs.sizes.sum())
        self._span = np.column_stack([intercept, self._directions])
        centered = outcome - outcome.mean()
        self.total = float(centered @ centered)
        centered_sums = runs.configuration_sums(centered)
        loads = self._directions.T @ (centered_sums / root_sizes)
        squares = self._fit(s[:rank], loads)
        self.r2 = np.nan
        if self.total:
            self.r2 = 1 - squares / self.total

    def _fit(self, singular: np.ndarray, loads: np.ndarray) -> float:
        """Choose the penalty with the smallest held-out squares, keep its fit, and return those squares.

        Args:
            singular: (rank,) singular values of the design.
            loads: (rank,) outcome along the directions of the design.
        """
        runs = self.runs
        n = len(self.outcome)
        mean_outcome = self.outcome.mean()
        root_sizes = np.sqrt(runs.sizes)
        squared_directions = self._directions**2
        squared_singular = singular**2
        mean_square = squared_singular.mean() if len(singular) else 1.0
        smallest = np.inf
        for penalty in PENALTIES * mean_square:
            shrinkage = squared_singular / (squared_singular + penalty)
            variance = squared_directions @ shrinkage
            leverage = 1 / n + variance / runs.sizes  # h of each configuration
            effects = self._directions @ (shrinkage * loads)
            fitted = mean_outcome + effects / root_sizes
            residual = self.outcome - runs.per_run(fitted)
            lift = leverage / (1 - runs.sizes * leverage)
            residual_sums = runs.configuration_sums(residual)
            held_out = residual + runs.per_run(lift * residual_sums)
            squares = float(held_out @ held_out)
            if squares < smallest:
                smallest = squares
                self._fitted = fitted
                self._lift = lift
                self._residual = residual
                self._held_out = held_out
                self.predicted = self.outcome - held_out
        return smallest

    def test(self, predictor: np.ndarray, donors: np.ndarray) -> tuple[float, float]:
        """Return the gain of a predictor and its p-value.

        Args:
            predictor: (n,) ranks. One that is a function of the axes gains exactly 0 and has p = 1.
            donors: (k, G) from `configuration_permutations`; if k is 0, p is NaN.
        """
        unpermuted = np.arange(len(self.runs.sizes))[None]
        gain = float(self.gains(predictor, unpermuted)[0])
        if not len(donors):
            return gain, np.nan
        exceedances = self.count_exceedances(predictor, gain, donors)
        p = (1 + exceedances) / (1 + len(donors))
        return gain, p

    def count_exceedances(self, predictor: np.ndarray, gain: float, donors: np.ndarray) -> int:
        """Count the permutations that gain at least as much; all of them if the gain is exactly 0."""
        if gain == 0:
            return len(donors)
        return count_exceedances(gain, self.gains(predictor, donors))

    def gains(self, predictor: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """(k,) gains when configuration g receives the vector of its donor, configuration ``donors[k, g]``."""
        chunk = max(1, CHUNK_ELEMENTS // donors.shape[1])
        parts = [np.zeros(0)]
        for start in range(0, len(donors), chunk):
            some_donors = donors[start : start + chunk]
            contributions = self.contributions(predictor, some_donors)
            parts.append(contributions.sum(axis=1))
        saved = np.concatenate(parts)
        return saved / self.total

    def contributions(self, predictor: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """(k, G) held-out squares of the axes alone minus those with the predictor.

        Notation, per configuration: m runs, h leverage, k = h / (1 - m h) lift, e residuals of the axes, c predictor
        with the axes projected out, u = c / |c| direction of its leverage. An array named after a product, such as
        ``ec``, holds the sum of that product over the runs of each configuration.
        """
        runs = self.runs
        m = runs.sizes
        k = self._lift
        c = predictor - predictor.mean()
        seed_effects = self._shared.T @ c
        c = c - self._shared @ seed_effects
        c_sum = runs.configuration_sums(c)[donors]
        cc = runs.configuration_sums(c**2)[donors]
        yc = self._donor_products(c, donors)

        # project the axes out of c: they take the same amount off every run of a configuration
        root_m = np.sqrt(m)
        coordinates = (c_sum / root_m) @ self._span
        along = coordinates @ self._span.T / root_m
        mixed = 2 * along * c_sum
        taken_off = m * along**2
        cc = cc - mixed + taken_off
        e = self._residual
        residual_sums = runs.configuration_sums(e)
        residual_c = yc - self._fitted * c_sum
        ec = residual_c - along * residual_sums
        c_sum = c_sum - m * along
        norm = cc.sum(axis=1, keepdims=True)
        squares_before = max(c @ c, 1e-300)
        nothing_left = norm <= NOTHING_LEFT * squares_before
        norm = np.where(nothing_left, 1, norm)
        root_norm = np.sqrt(norm)
        slope = ec.sum(axis=1, keepdims=True) / norm

        # residuals e' = e - slope c of the model with the predictor
        e_sum = residual_sums - slope * c_sum
        residual_squares = runs.configuration_sums(e**2)
        explained = 2 * slope * ec
        fitted_squares = slope**2 * cc
        ee = residual_squares - explained + fitted_squares
        u_sum = c_sum / root_norm
        uu = cc / norm
        eu = (ec - slope * cc) / root_norm

        # with a = e' + k sum(e') and b = u + k sum(u), the held-out residuals are a + factor b
        twice_k = 2 * k
        mk2 = m * k**2
        e_sum_squared = e_sum**2
        u_sum_squared = u_sum**2
        aa = ee + twice_k * e_sum_squared + mk2 * e_sum_squared
        ab = eu + twice_k * e_sum * u_sum + mk2 * e_sum * u_sum
        bb = uu + twice_k * u_sum_squared + mk2 * u_sum_squared
        # 0 if the predictor varies in this configuration only
        freedom = 1 - uu - k * u_sum_squared
        freedom = np.maximum(freedom, MINIMUM_FREEDOM)
        factor = (eu + k * e_sum * u_sum) / freedom
        shared = 2 * factor * ab
        added = factor**2 * bb
        with_predictor = aa + shared + added
        axes_alone = runs.configuration_sums(self._held_out**2)
        return np.where(nothing_left, 0.0, axes_alone - with_predictor)

    def _donor_products(self, c: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """(k, G) sums over runs of the outcome times the donor's predictor."""
        predictor = self.runs.padded(c)
        outcome = self.runs.padded(self.outcome)
        products = np.zeros(donors.shape)
        for place in range(predictor.shape[1]):
            received = predictor[:, place][donors]
            products += received * outcome[:, place]
        return products
