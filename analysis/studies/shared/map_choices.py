"""Claims of the map of measures about choosing: a measure in some studies for others, and networks by a measure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benevolent.analysis.multi_run.pooled_effects import (
    ChosenElsewhere,
    chosen_on_the_others,
    effects_matrix,
    mean_carried_over,
)
from benevolent.analysis.studies.shared.findings import Finding, StudyClaim
from benevolent.analysis.studies.shared.map_compared import DEPENDS_ON_PAPER, compared
from benevolent.analysis.studies.shared.map_effects import recovered_by_choice
from benevolent.analysis.studies.shared.map_predictors import FREE, PROPOSED, direction
from benevolent.analysis.studies.shared.seed_means import minus_signs
from benevolent.analysis.studies.shared.tables import Tables, rows_with

#: Claims of the findings.
CARRIES_OVER = StudyClaim(
    "The best measure of one paper's studies predicts in those of the others",
    explanation="papers vary different things, which measures reflect differently",
    kind="ours",
)
CHOSEN_PREDICTS = StudyClaim(
    "The best measure of all other papers' studies predicts in those of a new one",
    explanation=DEPENDS_ON_PAPER,
    kind="ours",
)
BEATS_FREE = StudyClaim(
    "The best measure of all other papers' studies predicts better than train loss, size and duration do",
    explanation=DEPENDS_ON_PAPER,
    kind="ours",
)
CHOOSES_NETWORKS = StudyClaim(
    "Networks that the best measure of all other papers' studies chooses have a lower test error than the average",
    explanation=DEPENDS_ON_PAPER,
    kind="ours",
)


def choice_findings(tables: Tables, effects: pd.DataFrame) -> list[Finding]:
    """Decide the claims about choices.

    Args:
        tables: runs of the sweeps.
        effects: one row per predictor and sweep, of one outcome.
    """
    matrix = effects_matrix(effects, "tau", PROPOSED, "paper")
    chosen = chosen_on_the_others(matrix)
    free = chosen_on_the_others(effects_matrix(effects, "tau", FREE, "paper"))
    return [
        _carries_over(matrix),
        _chosen_predicts(chosen),
        _beats_free(chosen, free),
        _chooses_networks(tables, effects, matrix, chosen),
    ]


def _carries_over(matrix: pd.DataFrame) -> Finding:
    mean, low, high, pairs = mean_carried_over(matrix.dropna(how="all", axis=1))
    if not np.isfinite(low):
        return CARRIES_OVER.decide(None, f"{pairs} pairs of papers")
    evidence = f"mean effect elsewhere {mean:+.2f} [{low:+.2f}, {high:+.2f}; {pairs} pairs of papers]"
    return CARRIES_OVER.decide(low > 0, minus_signs(evidence))


def _chosen_predicts(chosen: Sequence[ChosenElsewhere]) -> Finding:
    values = np.array([one.effect for one in chosen])
    finding = compared(CHOSEN_PREDICTS, values, "mean effect there")
    names = pd.Series([one.predictor for one in chosen], dtype=object).value_counts()
    if names.empty:
        return finding
    most = f"{names.index[0]} is chosen {names.iloc[0]} of {len(chosen)} times"
    return finding._replace(evidence=f"{finding.evidence}; {most}")


def _beats_free(chosen: Sequence[ChosenElsewhere], free: Sequence[ChosenElsewhere]) -> Finding:
    of_free = {one.study: one.effect for one in free}
    differences = [one.effect - of_free.get(one.study, np.nan) for one in chosen]
    return compared(BEATS_FREE, np.array(differences, dtype=float), "mean difference of effects")


def _chooses_networks(
    tables: Tables, effects: pd.DataFrame, matrix: pd.DataFrame, chosen: Sequence[ChosenElsewhere]
) -> Finding:
    recovered = []
    for one in chosen:
        studies = set(rows_with(effects, "paper", one.study)["study"])
        places = [place for place in tables if place.partition("/")[0] in studies]
        others = matrix.drop(columns=one.study).loc[one.predictor].mean()
        sign = int(np.sign(others)) * direction(one.predictor)
        recovered.append(recovered_by_choice(tables, one.predictor, sign, places))
    return compared(CHOOSES_NETWORKS, np.array(recovered, dtype=float), "mean part of what the best choice gains")
