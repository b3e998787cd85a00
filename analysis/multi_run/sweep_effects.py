"""Effects of predictors in one sweep: how they order its configurations, and the runs of each configuration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.associations import associations
from benevolent.analysis.statistics.replicate_taus import (
    column_means,
    replicate_taus,
    variance_of_tau,
)

#: With fewer degrees of freedom within configurations, no correlation is estimated there.
FEWEST_WITHIN = 4
CONFIGURATION = "configuration"
COLUMNS = (
    "predictor",
    "tau",
    "tau_low",
    "tau_high",
    "tau_error",
    "tau_variance",
    "replicates",
    "configurations",
    "within",
    "within_low",
    "within_high",
    "within_variance",
    "runs",
)


def sweep_effects(table: pd.DataFrame, predictors: Sequence[str], target: str) -> pd.DataFrame:
    """Estimate how predictors go with a target in a sweep, across its configurations and within each of them.

    Across: Kendall's tau over the configurations of a replicate, its mean over replicates, and Student's interval over
    these. Within: the correlation of aligned ranks among runs of one configuration, see `statistics.associations`.
    Variances say how much a sweep of this size can show: those of a predictor without any association.

    Args:
        table: one row per run, with columns `configuration`, `replicate` and `seed`. Runs without a finite target are
            left out.
        predictors: numeric columns.
        target: the outcome.

    Returns:
        One row per predictor; `tau` and `within` are NaN where the sweep does not show them.

    >>> table = pd.DataFrame({"configuration": list("aabbcc"), "replicate": [0, 1] * 3, "seed": range(6)})
    >>> table = table.assign(norm=[1, 1, 2, 2, 3, 3], loss=[1, 2, 4, 3, 5, 6])
    >>> sweep_effects(table, ["norm"], "loss")[["tau", "within"]].round(2).values.tolist()
    [[1.0, nan]]
    """
    table = table[np.isfinite(table[target].astype(float))]
    if table.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    taus = replicate_taus(table, predictors, target)
    means = column_means(taus.to_numpy())
    sizes = table.groupby(CONFIGURATION)[CONFIGURATION].count()
    configurations = len(sizes)
    freedom = int((sizes - 1).sum())
    within = _within(table, predictors, target, freedom)
    return pd.DataFrame(
        {
            "predictor": list(predictors),
            "tau": means.mean,
            "tau_low": means.low,
            "tau_high": means.high,
            "tau_error": means.error,
            "tau_variance": variance_of_tau(configurations) if configurations > 1 else np.nan,
            "replicates": means.number,
            "configurations": configurations,
            "within": within["association"].to_numpy(),
            "within_low": within["low"].to_numpy(),
            "within_high": within["high"].to_numpy(),
            "within_variance": 1 / max(freedom, 1),
            "runs": len(table),
        }
    )


def _within(table: pd.DataFrame, predictors: Sequence[str], target: str, freedom: int) -> pd.DataFrame:
    """Return the associations within configurations; missing ones with too few degrees of freedom."""
    if freedom < FEWEST_WITHIN:
        return pd.DataFrame(np.nan, index=list(predictors), columns=["association", "low", "high"])
    return associations(table, predictors, target, [CONFIGURATION])
