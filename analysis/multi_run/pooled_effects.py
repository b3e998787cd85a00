"""Effects of predictors over studies, which are the unit of evidence: pooled, tested, and chosen in some for others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from benevolent.analysis.statistics.random_effects import random_effects, sign_test
from benevolent.analysis.statistics.resampling import false_discovery

#: Predictors with an effect in fewer studies are not pooled.
FEWEST_STUDIES = 5


def study_effects(effects: pd.DataFrame, value: str, unit: str = "study") -> pd.DataFrame:
    """Return the effect of each predictor in each study: the mean of its sweeps, with the variance of that mean.

    Args:
        effects: one row per study, sweep and predictor, with the columns `value` and `<value>_variance`.
        value: name of the effect.
        unit: column that says which sweeps belong together; `paper` where several studies are of one paper.

    Returns:
        `predictor`, the unit, `effect`, `variance`, `sweeps`; no row where a study has no effect.

    >>> rows = [("a", 1, "norm", 0.5, 0.1), ("a", 2, "norm", 0.7, 0.1), ("b", 1, "norm", -0.2, 0.2)]
    >>> effects = pd.DataFrame(rows, columns=["study", "sweep", "predictor", "tau", "tau_variance"])
    >>> study_effects(effects, "tau")[["study", "effect", "variance"]].round(2).values.tolist()
    [['a', 0.6, 0.05], ['b', -0.2, 0.2]]
    """
    known = effects[effects[value].notna()]
    groups = known.groupby(["predictor", unit], sort=False)
    means = groups[value].mean().rename("effect")
    sweeps = groups[value].count().rename("sweeps")
    variances = (groups[f"{value}_variance"].sum() / sweeps**2).rename("variance")
    return pd.concat([means, variances, sweeps], axis=1).reset_index()


def pooled_effects(effects: pd.DataFrame, value: str, predictors: Sequence[str], unit: str = "study") -> pd.DataFrame:
    """Pool the effects of predictors over studies, by `random_effects`.

    Args:
        effects: as for `study_effects`.
        value: name of the effect.
        predictors: the predictors; q-values are adjusted over all of them.
        unit: column of what is a study here, as for `study_effects`.

    Returns:
        One row per predictor (the index): the fields of `PooledEffect`, `q` (Benjamini and Hochberg), `positive` and
        `negative`, the number of studies with an effect of that sign, and `sign_p`, of `sign_test`. NaN with an effect
        in fewer than `FEWEST_STUDIES` studies.
    """
    of_studies = study_effects(effects, value, unit)
    rows = {}
    for predictor in predictors:
        own = of_studies[of_studies["predictor"] == predictor]
        pooled = random_effects(own["effect"], own["variance"])._asdict()
        if len(own) < FEWEST_STUDIES:
            pooled |= dict.fromkeys(("mean", "low", "high", "p", "deviation"), np.nan)
        pooled["positive"] = int((own["effect"] > 0).sum())
        pooled["negative"] = int((own["effect"] < 0).sum())
        pooled["sign_p"] = sign_test(own["effect"])
        rows[predictor] = pooled
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "predictor"
    return table.assign(q=false_discovery(table["p"].to_numpy(dtype=float)))


class ChosenElsewhere(NamedTuple):
    """A predictor that was chosen on other studies, and its effect on one.

    Attributes:
        study: the study that it is tested on.
        predictor: the chosen one.
        effect: its effect there, times the sign of its mean on the others: above 0 as predicted.
    """

    study: str
    predictor: str
    effect: float


def effects_matrix(effects: pd.DataFrame, value: str, predictors: Sequence[str], unit: str = "study") -> pd.DataFrame:
    """Return the effects of studies, one row per predictor and one column per study; arguments as `pooled_effects`."""
    of_studies = study_effects(effects, value, unit)
    wide = of_studies.pivot(index="predictor", columns=unit, values="effect")
    return wide.reindex(list(predictors))


def chosen_on_the_others(matrix: pd.DataFrame, fewest: int | None = None) -> list[ChosenElsewhere]:
    """Choose a predictor on all studies but one, and test it on that one, for each study in turn.

    The predictor with the largest |mean effect| on the others is chosen, among those with an effect on the study and
    on at least `fewest` others.

    Args:
        matrix: as `effects_matrix` returns it.
        fewest: number of other studies; `FEWEST_STUDIES` by default.

    >>> matrix = pd.DataFrame({"a": [0.5, -0.1], "b": [0.6, 0.1], "c": [-0.4, 0.3]}, index=["norm", "margin"])
    >>> [(found.predictor, found.effect) for found in chosen_on_the_others(matrix, 2)]
    [('margin', -0.1), ('margin', 0.1), ('norm', -0.4)]
    """
    least = FEWEST_STUDIES if fewest is None else fewest
    found = []
    for study in matrix.columns:
        others = matrix.drop(columns=study)
        eligible = matrix[study].notna() & (others.notna().sum(axis=1) >= least)
        means = others[eligible].mean(axis=1)
        if means.empty:
            continue
        chosen = str(means.abs().idxmax())
        effect = float(np.sign(means[chosen]) * matrix.loc[chosen, study])
        found.append(ChosenElsewhere(str(study), chosen, effect))
    return found


def mean_carried_over(matrix: pd.DataFrame) -> tuple[float, float, float, int]:
    """Choose a predictor on one study and test it on each other study: the mean effect, over all pairs of studies.

    The predictor with the largest |effect| in the first study is chosen among those with an effect in both, and its
    effect in the second is taken times the sign of that in the first: above 0 if it carries over. The interval is
    Student's of the jackknife over studies (Tukey 1958), which leaves each out as first and as second.

    Args:
        matrix: as `effects_matrix` returns it.

    Returns:
        the mean, the ends of its 95% interval, and the number of pairs.

    >>> matrix = pd.DataFrame({"a": [0.5, -0.1], "b": [0.6, 0.1], "c": [0.4, 0.3]}, index=["norm", "margin"])
    >>> mean, low, high, pairs = mean_carried_over(matrix)
    >>> round(mean, 3), pairs
    (0.5, 6)
    """
    values = matrix.to_numpy()
    studies = values.shape[1]
    carried = np.full((studies, studies), np.nan)
    for first in range(studies):
        for second in range(studies):
            if first != second:
                carried[first, second] = _carried(values[:, first], values[:, second])
    pairs = int(np.count_nonzero(~np.isnan(carried)))
    if studies < 3 or pairs < 2:
        return np.nan, np.nan, np.nan, pairs
    mean = float(np.nanmean(carried))
    without = np.full(studies, mean)
    for left_out in range(studies):
        rest = np.delete(np.delete(carried, left_out, axis=0), left_out, axis=1)
        if np.isfinite(rest).any():
            without[left_out] = np.nanmean(rest)
    spread = np.sqrt((studies - 1) / studies * np.sum((without - without.mean()) ** 2))
    margin = float(student.ppf(0.975, studies - 1) * spread)
    return mean, mean - margin, mean + margin, pairs


def _carried(first: np.ndarray, second: np.ndarray) -> float:
    """Return the effect in the second study of the predictor that is the strongest in the first."""
    strength = np.where(np.isnan(first) | np.isnan(second), -1.0, np.abs(first))
    chosen = int(np.argmax(strength))
    if strength[chosen] <= 0:
        return np.nan
    return float(np.sign(first[chosen]) * second[chosen])
