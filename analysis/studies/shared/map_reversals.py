"""Claims of the map of measures about signs: measures that fail in some sweep, or reverse."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.statistics.permuted_configurations import tarone_tests
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.map_predictors import (
    NORM_BASED,
    PER_CONFIGURATION,
    PROPOSED,
    has_direction,
    random_names,
)

#: Names that are printed as evidence.
NAMED = 3

#: Claims of the findings.
EVERY_MEASURE_FAILS = StudyClaim(
    "Every measure fails in some environment",
    "no measure is right more often than a coin flip in every environment (Dziugaite et al. 2020)",
    explanation="only sweeps with many configurations can show a reversal",
)
NORMS_CHANGE_SIGN = StudyClaim(
    "No norm-based measure keeps its sign everywhere",
    "norms correlate negatively where optimization is varied (Jiang et al. 2020)",
    explanation="only sweeps with many configurations can show a reversal",
)


def reversal_findings(effects: pd.DataFrame, across: pd.DataFrame, level: float) -> list[Finding]:
    """Decide the claims about signs.

    Args:
        effects: one row per predictor and sweep, of one outcome.
        across: pooled effects across configurations.
        level: of the tests of all sweeps of a predictor together.
    """
    signs = significant_signs(effects, level)
    return [_every_measure_fails(effects, across, signs), _norms_change_sign(effects, across, signs)]


def _every_measure_fails(effects: pd.DataFrame, across: pd.DataFrame, signs: np.ndarray) -> Finding:
    failing = set(effects.loc[signs < 0, "predictor"])
    judged = _judged(across, PROPOSED)
    safe = [name for name in judged if name not in failing]
    random = _at_random(effects)
    by_chance = sum(name in failing for name in random)
    measures = f"{len(judged) - len(safe)} of {len(judged)} do{_exceptions(safe)}"
    evidence = f"{measures}; drawn at random for each configuration, {by_chance} of {len(random)} do"
    return EVERY_MEASURE_FAILS.decide(not safe if judged else None, evidence)


def significant_signs(effects: pd.DataFrame, level: float) -> np.ndarray:
    """Return the sign of each effect in a sweep if a permutation of its configurations shows it, else 0.

    The worst of the sweeps of a predictor is looked for, so each sign's tests hold jointly for all of them: by
    Bonferroni, over those sweeps that have enough configurations to show it (Tarone 1990).

    Args:
        effects: one row per predictor and sweep, with the columns of `configuration_p_values`.
        level: probability that one of the sweeps of a predictor without meaning has the sign.
    """
    known = effects["tau"].notna() & effects["p_least"].notna()
    least = effects["p_least"].where(known, np.inf)
    tests = least.groupby(effects["predictor"]).transform(lambda own: tarone_tests(own, level))
    above = known & (effects["p_above"] <= level / tests)
    below = known & (effects["p_below"] <= level / tests)
    return above.to_numpy(dtype=int) - below.to_numpy(dtype=int)


def changes_sign(effects: pd.DataFrame, names: Sequence[str], signs: np.ndarray) -> list[str]:
    """Return the predictors whose effect is above 0 in some sweeps and below 0 in others, by `significant_signs`."""
    positive = set(effects.loc[signs > 0, "predictor"])
    negative = set(effects.loc[signs < 0, "predictor"])
    return [name for name in names if name in positive and name in negative]


def _norms_change_sign(effects: pd.DataFrame, across: pd.DataFrame, signs: np.ndarray) -> Finding:
    judged = _judged(across, NORM_BASED)
    changing = changes_sign(effects, judged, signs)
    keeping = [name for name in judged if name not in changing]
    random = _at_random(effects)
    by_chance = len(changes_sign(effects, random, signs))
    norms = f"{len(changing)} of {len(judged)} have sweeps on both sides of 0{_exceptions(keeping)}"
    evidence = f"{norms}; drawn at random for each configuration, {by_chance} of {len(random)}"
    return NORMS_CHANGE_SIGN.decide(not keeping if judged else None, evidence)


def _at_random(effects: pd.DataFrame) -> list[str]:
    """Return the predictors that were drawn for each configuration and have an effect in some sweep."""
    present = set(effects.loc[effects["tau"].notna(), "predictor"])
    return [name for name in random_names(PER_CONFIGURATION) if name in present]


def _judged(across: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the predictors that have a direction, and effects for enough papers."""
    means = across.loc[[name for name in names if has_direction(name)], "mean"]
    return list(means[means.notna()].index)


def _exceptions(names: Sequence[str]) -> str:
    if not names:
        return ""
    named = f"; not {', '.join(names[:NAMED])}"
    more = len(names) - NAMED
    return f"{named} and {more} more" if more > 0 else named
