"""Information that a network has on the labels while it trains, and how much of it a simpler classifier explains.

After Nakkiran et al. 2019; all quantities are in bits.
"""

from collections.abc import Mapping

import pandas as pd
from torch import Tensor

from benevolent.analysis.results import Results
from benevolent.analysis.statistics import label_information as info
from benevolent.analysis.studies.shared import network_outputs


def recorded_steps(results: Results, run_id: str) -> list[int]:
    """Return the steps of a run's last phase whose parameters were kept, in order."""
    phase = results.runs.set_index("run_id").loc[run_id, "phase"]
    outcomes = results.outcomes
    rows = outcomes[(outcomes["run_id"] == run_id) & (outcomes["phase"] == phase)]
    return sorted(rows["step"].astype(int).unique().tolist())


def predictions_by_step(results: Results, run_id: str, split: str = "test") -> dict[int, Tensor]:
    """Return the predicted classes `(N,)` of a run's network at every recorded step."""
    *earlier, last = recorded_steps(results, run_id)
    predictions = {step: network_outputs.predictions(results, run_id, split, step) for step in earlier}
    predictions[last] = network_outputs.predictions(results, run_id, split)  # the end is kept in a file of its own
    return predictions


def information_by_step(predictions: Mapping[int, Tensor], labels: Tensor) -> "pd.Series[float]":
    """Return I(F_t; Y) at every step."""
    information = {step: info.mutual_information(classes, labels).item() for step, classes in predictions.items()}
    return pd.Series(information)


def explained_by(predictions: Mapping[int, Tensor], labels: Tensor, classifier: Tensor) -> pd.DataFrame:
    """Return how much of the networks F_t a classifier L explains, one row per step.

    Args:
        predictions: classes `(N,)` that the network predicts, by step.
        labels: true classes `(N,)`.
        classifier: classes `(N,)` that L predicts.

    Returns:
        columns `known`, I(F; Y); `explained`, mu_Y(F; L); `beyond`, I(F; Y | L); `missed`, I(L; Y | F); and `null`,
        mu_Y of the null model that knows as much of Y as L does.
    """
    rows = {}
    for step, classes in predictions.items():
        row = {}
        row["known"] = info.mutual_information(classes, labels).item()
        row["explained"] = info.explained_information(classes, labels, classifier).item()
        row["beyond"] = info.conditional_information(classes, labels, classifier).item()
        row["missed"] = info.conditional_information(classifier, labels, classes).item()
        row["null"] = info.null_explained_information(classes, labels, classifier).item()
        rows[step] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")


def first_step_reaching(values_by_step: "pd.Series[float]", level: float) -> int | None:
    """Return the first step at which a value is at least `level` (T0 of the source); None if there is none.

    >>> first_step_reaching(pd.Series({0: 0.0, 10: 0.2, 20: 0.4}), 0.2)
    10
    """
    reached = values_by_step.index[values_by_step >= level]
    return int(reached[0]) if len(reached) else None
