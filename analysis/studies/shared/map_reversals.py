"""Claims of the map of measures about signs: measures that fail in some sweep, or reverse."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.map_predictors import NORM_BASED, PROPOSED

#: Names that are printed as evidence.
NAMED = 3


def reversal_findings(effects: pd.DataFrame, across: pd.DataFrame, level: float) -> list[Finding]:
    """Decide the claims about signs.

    Args:
        effects: one row per predictor and sweep, of one outcome.
        across: pooled effects across configurations.
        level: of the intervals of all sweeps of a predictor together.
    """
    return [_every_measure_fails(effects, across, level), _norms_change_sign(effects, across, level)]


def _every_measure_fails(effects: pd.DataFrame, across: pd.DataFrame, level: float) -> Finding:
    judged = _judged(across, PROPOSED)
    failing = set(effects.loc[certain_signs(effects, level) < 0, "predictor"])
    safe = [name for name in judged if name not in failing]
    return Finding(
        "Every measure fails in some environment",
        decide(not safe if judged else None),
        f"{len(judged) - len(safe)} of {len(judged)} do{_exceptions(safe)}",
        "no measure is right more often than a coin flip in every environment (Dziugaite et al. 2020)",
        explanation="with few seeds, a reversal is seen only where it is strong",
    )


def certain_signs(effects: pd.DataFrame, level: float) -> np.ndarray:
    """Return the sign of each effect in a sweep if its interval excludes 0, else 0.

    The intervals hold jointly for all sweeps of a predictor (Bonferroni), since the worst of them is looked for.
    """
    sweeps = effects.groupby("predictor")["tau"].transform("count").clip(lower=1)
    freedom = (effects["replicates"] - 1).where(effects["replicates"] > 1)
    margin = student.ppf(1 - level / 2 / sweeps, freedom) * effects["tau_error"]
    return np.where(effects["tau"].abs() > margin, np.sign(effects["tau"]), 0)


def changes_sign(effects: pd.DataFrame, names: Sequence[str], level: float) -> list[str]:
    """Return the predictors whose effect is certainly above 0 in some sweeps and below 0 in others."""
    signs = certain_signs(effects, level)
    positive = set(effects.loc[signs > 0, "predictor"])
    negative = set(effects.loc[signs < 0, "predictor"])
    return [name for name in names if name in positive and name in negative]


def _norms_change_sign(effects: pd.DataFrame, across: pd.DataFrame, level: float) -> Finding:
    judged = _judged(across, NORM_BASED)
    changing = changes_sign(effects, judged, level)
    keeping = [name for name in judged if name not in changing]
    return Finding(
        "No norm-based measure keeps its sign everywhere",
        decide(not keeping if judged else None),
        f"{len(changing)} of {len(judged)} have sweeps on both sides of 0{_exceptions(keeping)}",
        "norms correlate negatively where optimization is varied (Jiang et al. 2020)",
        explanation="with few seeds, a reversal is seen only where it is strong",
    )


def _judged(across: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the predictors that are in enough studies."""
    means = across.loc[list(names), "mean"]
    return list(means[means.notna()].index)


def _exceptions(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"; not {', '.join(names[:NAMED])}" + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
