"""Gain over gradient-boosted trees on the axes: a stronger baseline than a linear model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from benevolent.analysis.statistics.axes_baseline import MINIMUM_CONFIGURATIONS, UNDEFINED_GAIN, Gain
from benevolent.analysis.statistics.configurations import GroupedRuns, drop_missing, numeric_column
from benevolent.trainables.rng import generator


@threadpool_limits.wrap(limits=1)  # small trees: more threads only wait for each other
def tree_gain(
    table: pd.DataFrame, predictor: str, target: str, axes: Sequence[str], *, folds: int = 5, random_seed: int = 0
) -> Gain:
    """Estimate the gain over a strong baseline: gradient-boosted trees on the axes, with and without the predictor.

    Trees model any interaction of the axes, so less is left for a predictor than over a linear model; they need more
    configurations for it. R2 is of the target's ranks, cross-validated over folds of whole configurations. p is NaN,
    since no null is drawn: `cross_validated_gain` decides, this describes.

    Args:
        table: one row per run; runs with a NaN in predictor or target are left out.
        predictor: a numeric column.
        target: a numeric column.
        axes: columns that make a configuration; axes of text enter as an indicator of each value.
        folds: number of folds; fewer if there are fewer configurations.
        random_seed: of the folds.

    Returns:
        (gain, baseline_r2, NaN). NaN everywhere with fewer than three configurations or a constant target.

    Raises:
        BadInput: a column is absent or not numeric.
    """
    kept = drop_missing(table, predictor, target, axes)
    runs = GroupedRuns.from_table(kept, axes, None)
    configurations = len(runs.sizes)
    if configurations < MINIMUM_CONFIGURATIONS:
        return UNDEFINED_GAIN
    y = rankdata(numeric_column(kept, target, "target"))[runs.order]
    x = rankdata(numeric_column(kept, predictor, "predictor"))[runs.order]
    if np.ptp(y) == 0:
        return UNDEFINED_GAIN
    inputs_of_axes = [_tree_inputs(runs.levels[axis]) for axis in runs.axes]
    design = runs.per_run(np.column_stack(inputs_of_axes))
    centered = y - y.mean()
    total = (centered**2).sum()
    rng = generator(random_seed, "folds/configurations")
    order = rng.permutation(configurations)
    fold = runs.per_run(order % min(folds, configurations))

    def cross_validated_r2(inputs: np.ndarray) -> float:
        held_out = np.empty_like(y)
        for number in np.unique(fold):
            test = fold == number
            train = ~test
            trees = HistGradientBoostingRegressor(max_iter=100, min_samples_leaf=5, random_state=random_seed)
            trees.fit(inputs[train], y[train])
            held_out[test] = trees.predict(inputs[test])
        residual = y - held_out
        squares = (residual**2).sum()
        return 1 - float(squares / total)

    baseline_r2 = cross_validated_r2(design)
    extended = np.column_stack([design, x])
    with_predictor = cross_validated_r2(extended)
    return Gain(with_predictor - baseline_r2, baseline_r2, np.nan)


def _tree_inputs(column: "pd.Series") -> np.ndarray:
    """Return an axis as numbers, or as indicators of its values if it is not numeric.

    Not as categories: scikit-learn would not split values of fewer than ten runs.
    """
    if pd.api.types.is_numeric_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=float)
    indicators = pd.get_dummies(column.map(str))
    return indicators.to_numpy(dtype=float)
