"""Claims of the map of measures about effects that are pooled over studies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binom
from scipy.stats import t as student

from benevolent.analysis.multi_run.pooled_effects import FEWEST_STUDIES, effects_matrix, pooled_effects
from benevolent.analysis.statistics.replicate_taus import column_means
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.map_predictors import (
    NORM_BASED,
    OPTIMIZATION_BASED,
    PER_CONFIGURATION,
    PER_RUN,
    PROPOSED,
    RANDOM_PREDICTORS,
    SHARPNESS,
    SPECTRAL_PRODUCT,
    random_names,
)
from benevolent.analysis.studies.shared.seed_means import minus_signs

#: Random predictors that may be found: more are found once in a thousand times.
MOST_BY_CHANCE = int(binom.ppf(0.999, 2 * RANDOM_PREDICTORS, 0.05))
#: Names that are printed as evidence.
NAMED = 3


def pooled_findings(effects: pd.DataFrame, across: pd.DataFrame, within: pd.DataFrame, level: float) -> list[Finding]:
    """Decide the claims about pooled effects.

    Args:
        effects: one row per predictor and sweep, of one outcome.
        across: pooled effects across configurations.
        within: pooled effects within configurations.
        level: of p-values and of the false discovery rate.
    """
    return [
        _predicting("Some measures predict generalization in most studies", across, level),
        _norms_fail(across),
        _spectral_product_reversed(across),
        _predicts_alone("Sharpness predicts generalization", across, SHARPNESS),
        _sharpness_beats_norms(effects),
        _optimization(across, level),
        _every_measure_fails(effects, across, level),
        _norms_change_sign(effects, across, level),
        _predicting(
            "Some measures order networks that share every hyperparameter, in most studies", within, level, kind="ours"
        ),
        _same_sign(across, within, level),
        _random(effects, level),
    ]


def found(pooled: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return the predictors that predict in most studies, by q and by the sign test, the strongest first."""
    chosen = pooled[(pooled["q"] <= level) & (pooled["sign_p"] <= level)]
    return chosen.loc[chosen["mean"].abs().sort_values(ascending=False).index]


def show_pooled(row: pd.Series, name: str = "") -> str:
    """Return a pooled effect in words."""
    text = f"{name} {row['mean']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}; {row['studies']:.0f} studies]"
    return minus_signs(text.strip())


def _is_known(pooled: pd.DataFrame, name: str) -> bool:
    return bool(np.isfinite(pooled.loc[name, "mean"]))


def _named(rows: pd.DataFrame) -> str:
    parts = [show_pooled(row, name) for name, row in rows.head(NAMED).iterrows()]
    return "; ".join(parts)


def _predicting(claim: str, pooled: pd.DataFrame, level: float, kind: str = "paper") -> Finding:
    judged = pooled[pooled["mean"].notna()]
    chosen = found(judged, level)
    evidence = f"{len(chosen)} of {len(judged)} do"
    strongest = judged.loc[judged["mean"].abs().sort_values(ascending=False).index]
    if len(judged):
        evidence += f"; {_named(chosen)}" if len(chosen) else f"; the largest mean: {_named(strongest)}"
    return Finding(
        claim,
        decide(len(chosen) > 0 if len(judged) else None),
        evidence,
        "promising measures exist" if kind == "paper" else "",
        explanation="what a measure reflects depends on what is varied",
        kind=kind,  # type: ignore[arg-type]
    )


def _norms_fail(across: pd.DataFrame) -> Finding:
    judged = across.loc[[name for name in NORM_BASED if _is_known(across, name)]]
    above = judged[judged["low"] > 0]
    below = judged[judged["high"] < 0]
    evidence = f"of {len(judged)}, {len(above)} have a pooled interval above 0 and {len(below)} below"
    if len(above):
        evidence += f"; above: {_named(above.sort_values('mean', ascending=False))}"
    return Finding(
        "Many norm-based measures fail to predict generalization",
        decide(len(above) <= len(judged) / 2 if len(judged) else None),
        evidence,
        "many perform poorly, or correlate negatively",
        explanation="most sweeps here vary the start or the labels, which move norms and gap together",
    )


def _spectral_product_reversed(across: pd.DataFrame) -> Finding:
    return Finding(
        "The product of spectral norms is larger where the gap is smaller",
        decide(bool(across.loc[SPECTRAL_PRODUCT, "high"] < 0) if _is_known(across, SPECTRAL_PRODUCT) else None),
        show_pooled(across.loc[SPECTRAL_PRODUCT]),
        "very strong negative correlation",
        explanation="the source varies depth, width and the optimizer; most sweeps here do not",
    )


def _predicts_alone(claim: str, across: pd.DataFrame, name: str) -> Finding:
    return Finding(
        claim,
        decide(bool(across.loc[name, "low"] > 0) if _is_known(across, name) else None),
        show_pooled(across.loc[name], name),
        "sharpness-based measures perform best overall",
        explanation="sharpness at the end of training falls with the train loss, at which these runs differ",
    )


def _sharpness_beats_norms(effects: pd.DataFrame) -> Finding:
    matrix = effects_matrix(effects, "tau", [SHARPNESS, *NORM_BASED])
    difference = matrix.loc[SHARPNESS] - matrix.loc[list(NORM_BASED)].mean()
    return compared(
        "Sharpness predicts better than norms",
        difference.to_numpy(dtype=float),
        "mean difference to the mean norm",
        "sharpness-based measures perform best overall",
    )


def compared(claim: str, values: np.ndarray, what: str, paper: str = "", kind: str = "paper") -> Finding:
    """Decide if the mean over studies is above 0, by Student's interval.

    Args:
        claim: the claim.
        values: one for each study; missing ones are left out.
        what: the mean says, for the evidence.
        paper: the source's words.
        kind: of the claim.
    """
    means = column_means(values[:, None])
    mean, low, high = (float(numbers[0]) for numbers in means[:3])
    studies = int(np.isfinite(values).sum())
    text = f"{what} {mean:+.2f} [{low:+.2f}, {high:+.2f}; {studies} studies]"
    enough = studies >= FEWEST_STUDIES
    return Finding(
        claim,
        decide(low > 0 if enough else None),
        minus_signs(text) if enough else f"{studies} studies",
        paper,
        explanation="what predicts in one study does not in another",
        kind=kind,  # type: ignore[arg-type]
    )


def _optimization(across: pd.DataFrame, level: float) -> Finding:
    rows = across.loc[[name for name in OPTIMIZATION_BASED if _is_known(across, name)]]
    of_each = level / len(OPTIMIZATION_BASED)
    return Finding(
        "Measures of the optimization predict generalization",
        decide(bool((rows["p"] <= of_each).any()) if len(rows) else None),
        _named(rows) or "recorded in too few studies",
        "gradient noise and the speed of the optimization can predict",
        explanation="speed and noise follow the train loss at which a run stops",
    )


def _every_measure_fails(effects: pd.DataFrame, across: pd.DataFrame, level: float) -> Finding:
    judged = [name for name in PROPOSED if _is_known(across, name)]
    failing = set(effects.loc[certain_signs(effects, level) < 0, "predictor"])
    safe = [name for name in judged if name not in failing]
    return Finding(
        "Every measure fails in some environment",
        decide(not safe if judged else None),
        f"{len(judged) - len(safe)} of {len(judged)} do" + (f"; not {', '.join(safe[:NAMED])}" if safe else ""),
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
    judged = [name for name in NORM_BASED if _is_known(across, name)]
    changing = changes_sign(effects, judged, level)
    keeping = [name for name in judged if name not in changing]
    ending = f"; not {', '.join(keeping[:NAMED])}" if keeping else ""
    return Finding(
        "No norm-based measure keeps its sign everywhere",
        decide(not keeping if judged else None),
        f"{len(changing)} of {len(judged)} have sweeps on both sides of 0{ending}",
        "norms correlate negatively where optimization is varied (Jiang et al. 2020)",
        explanation="with few seeds, a reversal is seen only where it is strong",
    )


def _same_sign(across: pd.DataFrame, within: pd.DataFrame, level: float) -> Finding:
    names = [name for name in found(across, level).index if name in found(within, level).index]
    same = [name for name in names if across.loc[name, "mean"] * within.loc[name, "mean"] > 0]
    evidence = f"{len(same)} of the {len(names)} that do both"
    if same:
        evidence += f"; {show_pooled(within.loc[same[0]], f'{same[0]} within')}"
    return Finding(
        "One of them also orders different hyperparameters, in the same direction",
        decide(bool(same)),
        evidence,
        explanation="across configurations a measure shows what was varied, within one it shows luck",
        kind="ours",
    )


def _random(effects: pd.DataFrame, level: float) -> Finding:
    names = [*random_names(PER_RUN), *random_names(PER_CONFIGURATION)]
    pooled = pooled_effects(effects, "tau", names)
    known = pooled[pooled["p"].notna() & (pooled["studies"] >= FEWEST_STUDIES)]
    hits = int((known["p"] <= level).sum())
    return Finding(
        "Random numbers predict as rarely as chance allows",
        decide(hits <= MOST_BY_CHANCE if len(known) else None),
        f"{hits} of {len(known)} have p at most {level:g}; {level * len(known):.0f} are expected",
        kind="check",
    )
