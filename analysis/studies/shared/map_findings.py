"""Claims of the map of measures about effects that are pooled over studies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binom

from benevolent.analysis.multi_run.pooled_effects import FEWEST_STUDIES, effects_matrix, pooled_effects
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.map_compared import DEPENDS_ON_PAPER, compared
from benevolent.analysis.studies.shared.map_predictors import (
    NORM_BASED,
    OPTIMIZATION_BASED,
    PER_CONFIGURATION,
    PER_RUN,
    RANDOM_PREDICTORS,
    SHARPNESS,
    SPECTRAL_PRODUCT,
    has_direction,
    random_names,
)
from benevolent.analysis.studies.shared.map_reversals import reversal_findings
from benevolent.analysis.studies.shared.seed_means import minus_signs

#: Random predictors that may be found: more are found once in a thousand times.
MOST_BY_CHANCE = int(binom.ppf(0.999, 2 * RANDOM_PREDICTORS, 0.05))
#: Names that are printed as evidence.
NAMED = 3

#: Claims of the findings.
NORMS_FAIL = StudyClaim(
    "Many norm-based measures fail to predict generalization",
    "many perform poorly, or correlate negatively",
    explanation="most sweeps here vary the start or the labels, which move norms and gap together",
)
SPECTRAL_PRODUCT_REVERSED = StudyClaim(
    "The product of spectral norms is larger where the gap is smaller",
    "very strong negative correlation",
    explanation="the source varies depth, width and the optimizer; most sweeps here do not",
)
SHARPNESS_PREDICTS = StudyClaim(
    "Sharpness predicts generalization",
    "sharpness-based measures perform best overall",
    explanation="sharpness at the end of training falls with the train loss, at which these runs differ",
)
OPTIMIZATION = StudyClaim(
    "Measures of the optimization predict generalization",
    "gradient noise and the speed of the optimization can predict",
    explanation="speed and noise follow the train loss at which a run stops",
)
SAME_SIGN = StudyClaim(
    "One measure orders both networks that share every hyperparameter and configurations, in the same direction",
    explanation="across configurations a measure shows what was varied, within one it shows luck",
    kind="ours",
)
RANDOM = StudyClaim("Random numbers predict as rarely as chance allows", kind="check")
PREDICTING = StudyClaim(
    "Some measures predict generalization in the studies of most papers",
    "promising measures exist",
    "what a measure reflects depends on what is varied",
)
PREDICTING_WITHIN = StudyClaim(
    "Some measures order networks that share every hyperparameter, in the studies of most papers",
    explanation=PREDICTING.explanation,
    kind="ours",
)
SHARPNESS_BEATS_NORMS = StudyClaim(
    "Sharpness predicts better than norms",
    "sharpness-based measures perform best overall",
    DEPENDS_ON_PAPER,
)


def pooled_findings(effects: pd.DataFrame, across: pd.DataFrame, within: pd.DataFrame, level: float) -> list[Finding]:
    """Decide the claims about pooled effects.

    Args:
        effects: one row per predictor and sweep, of one outcome.
        across: pooled effects across configurations.
        within: pooled effects within configurations.
        level: of p-values and of the false discovery rate.
    """
    return [
        _predicting(PREDICTING, across, level),
        _norms_fail(across),
        _spectral_product_reversed(across),
        _sharpness_predicts(across),
        _sharpness_beats_norms(effects),
        _optimization(across, level),
        *reversal_findings(effects, across, level),
        _predicting(PREDICTING_WITHIN, within, level),
        _same_sign(across, within, level),
        _random(effects, level),
    ]


def found(pooled: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return the predictors that predict for most papers, by q and by the sign test, the strongest first.

    Measures with a direction predict only in this direction: a mean below 0 is a failure.
    """
    free = np.array([not has_direction(str(name)) for name in pooled.index], dtype=bool)
    as_proposed = free | (pooled["mean"] > 0)
    is_significant = (pooled["q"] <= level) & (pooled["sign_p"] <= level)
    return _strongest_first(pooled[as_proposed & is_significant])


def _strongest_first(pooled: pd.DataFrame) -> pd.DataFrame:
    return pooled.loc[pooled["mean"].abs().sort_values(ascending=False).index]


def show_pooled(row: pd.Series, name: str = "") -> str:
    """Return a pooled effect in words."""
    text = f"{name} {row['mean']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}; {row['studies']:.0f} papers]"
    return minus_signs(text.strip())


def _known(pooled: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the predictors that have effects for enough papers."""
    rows = pooled.loc[list(names)]
    return rows[rows["mean"].notna()]


def _named(rows: pd.DataFrame) -> str:
    parts = [show_pooled(row, name) for name, row in rows.head(NAMED).iterrows()]
    return "; ".join(parts)


def _predicting(claim: StudyClaim, pooled: pd.DataFrame, level: float) -> Finding:
    judged = pooled[pooled["mean"].notna()]
    chosen = found(judged, level)
    evidence = f"{len(chosen)} of {len(judged)} do"
    if len(chosen):
        evidence += f"; {_named(chosen)}"
    elif len(judged):
        evidence += f"; the largest mean: {_named(_strongest_first(judged))}"
    return claim.decide(len(chosen) > 0 if len(judged) else None, evidence)


def _norms_fail(across: pd.DataFrame) -> Finding:
    judged = _known(across, NORM_BASED)
    above = judged[judged["low"] > 0].sort_values("mean", ascending=False)
    below = judged[judged["high"] < 0]
    evidence = f"of {len(judged)}, {len(above)} have a pooled interval above 0 and {len(below)} below"
    if len(above):
        evidence += f"; above: {_named(above)}"
    few_predict = len(above) <= len(judged) / 2
    return NORMS_FAIL.decide(few_predict if len(judged) else None, evidence)


def _spectral_product_reversed(across: pd.DataFrame) -> Finding:
    pooled = across.loc[SPECTRAL_PRODUCT]
    is_known = np.isfinite(pooled["mean"])
    return SPECTRAL_PRODUCT_REVERSED.decide(bool(pooled["high"] < 0) if is_known else None, show_pooled(pooled))


def _sharpness_predicts(across: pd.DataFrame) -> Finding:
    pooled = across.loc[SHARPNESS]
    is_known = np.isfinite(pooled["mean"])
    return SHARPNESS_PREDICTS.decide(bool(pooled["low"] > 0) if is_known else None, show_pooled(pooled, SHARPNESS))


def _sharpness_beats_norms(effects: pd.DataFrame) -> Finding:
    matrix = effects_matrix(effects, "tau", [SHARPNESS, *NORM_BASED], "paper")
    difference = matrix.loc[SHARPNESS] - matrix.loc[list(NORM_BASED)].mean()
    return compared(SHARPNESS_BEATS_NORMS, difference.to_numpy(dtype=float), "mean difference to the mean norm")


def _optimization(across: pd.DataFrame, level: float) -> Finding:
    rows = _known(across, OPTIMIZATION_BASED)
    any_predicts = bool((rows["p"] <= level / len(OPTIMIZATION_BASED)).any())
    evidence = _named(rows) or "recorded for too few papers"
    return OPTIMIZATION.decide(any_predicts if len(rows) else None, evidence)


def _same_sign(across: pd.DataFrame, within: pd.DataFrame, level: float) -> Finding:
    found_within = found(within, level)
    names = [name for name in found(across, level).index if name in found_within.index]
    same = [name for name in names if across.loc[name, "mean"] * within.loc[name, "mean"] > 0]
    evidence = f"{len(same)} of the {len(names)} that do both"
    if same:
        evidence += f"; {show_pooled(within.loc[same[0]], f'{same[0]} within')}"
    return SAME_SIGN.decide(bool(same) if names else None, evidence)


def _random(effects: pd.DataFrame, level: float) -> Finding:
    names = [*random_names(PER_RUN), *random_names(PER_CONFIGURATION)]
    pooled = pooled_effects(effects, "tau", names, "paper")
    known = pooled[pooled["p"].notna() & (pooled["studies"] >= FEWEST_STUDIES)]
    hits = int((known["p"] <= level).sum())
    expected = f"{level * len(known):.0f} are expected"
    evidence = f"{hits} of {len(known)} have p at most {level:g}; {expected}"
    return RANDOM.decide(hits <= MOST_BY_CHANCE if len(known) else None, evidence)
