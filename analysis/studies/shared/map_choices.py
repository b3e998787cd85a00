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
from benevolent.analysis.studies.shared.findings import Finding, decide
from benevolent.analysis.studies.shared.map_compared import compared
from benevolent.analysis.studies.shared.map_effects import Tables, recovered_by_choice
from benevolent.analysis.studies.shared.map_predictors import FREE, PROPOSED, direction
from benevolent.analysis.studies.shared.seed_means import minus_signs


def choice_findings(tables: Tables, effects: pd.DataFrame) -> list[Finding]:
    """Decide the claims about choices.

    Args:
        tables: runs of the sweeps.
        effects: one row per predictor and sweep, of one outcome.
    """
    matrix = effects_matrix(effects, "tau", PROPOSED)
    chosen = chosen_on_the_others(matrix)
    free = chosen_on_the_others(effects_matrix(effects, "tau", FREE))
    return [
        _carries_over(matrix),
        _chosen_predicts(chosen),
        _beats_free(chosen, free),
        _chooses_networks(tables, matrix, chosen),
    ]


def _carries_over(matrix: pd.DataFrame) -> Finding:
    mean, low, high, pairs = mean_carried_over(matrix.dropna(how="all", axis=1))
    known = np.isfinite(low)
    evidence = f"mean effect elsewhere {mean:+.2f} [{low:+.2f}, {high:+.2f}; {pairs} pairs of studies]"
    return Finding(
        "The best measure of one study predicts in the other studies",
        decide(low > 0 if known else None),
        minus_signs(evidence) if known else f"{pairs} pairs of studies",
        explanation="studies vary different things, which measures reflect differently",
        kind="ours",
    )


def _chosen_predicts(chosen: Sequence[ChosenElsewhere]) -> Finding:
    values = np.array([one.effect for one in chosen])
    finding = compared(
        "The best measure of all other studies predicts in a new study", values, "mean effect there", kind="ours"
    )
    names = pd.Series([one.predictor for one in chosen], dtype=object).value_counts()
    if names.empty:
        return finding
    most = f"{names.index[0]} is chosen {names.iloc[0]} of {len(chosen)} times"
    return finding._replace(evidence=f"{finding.evidence}; {most}")


def _beats_free(chosen: Sequence[ChosenElsewhere], free: Sequence[ChosenElsewhere]) -> Finding:
    of_free = {one.study: one.effect for one in free}
    differences = [one.effect - of_free.get(one.study, np.nan) for one in chosen]
    return compared(
        "The best measure of all other studies predicts better in a new one than train loss, size and duration do",
        np.array(differences, dtype=float),
        "mean difference of effects",
        kind="ours",
    )


def _chooses_networks(tables: Tables, matrix: pd.DataFrame, chosen: Sequence[ChosenElsewhere]) -> Finding:
    recovered = []
    for one in chosen:
        places = [place for place in tables if place.partition("/")[0] == one.study]
        others = matrix.drop(columns=one.study).loc[one.predictor].mean()
        sign = int(np.sign(others)) * direction(one.predictor)
        recovered.append(recovered_by_choice(tables, one.predictor, sign, places))
    values = np.array(recovered, dtype=float)
    return compared(
        "Networks that the best measure of all other studies chooses have a lower test error than the average",
        values,
        "mean part of what the best choice gains",
        kind="ours",
    )
