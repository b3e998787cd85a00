"""Cost of regularizers on real data, and how much they hinder the memorization of random labels."""

from itertools import pairwise

import numpy as np
import pandas as pd

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.tables import rows_with

#: Ways to regularize: the field of each, and the value that switches it off.
REGULARIZERS = {
    "dropout": ("model.dropout", 0.0),
    "weight decay": ("optimizer.weight_decay", 0.0),
    "fixed input noise": ("data.input_noise", 0.0),
}
EARLY = "early stopping"


def regularized(results: Results) -> pd.DataFrame:
    """Return how each regularizer trades memorization for generalization, one row per seed, regularizer and strength.

    Columns `regularizer`, `strength`, `seed`; `memorized`, the train accuracy on random labels; `validation`, the
    validation accuracy on real data. Networks without a regularizer belong to each of them, with strength 0; at earlier
    epochs they are those of `EARLY`, whose strength is the number of steps that it saves. `EARLY` has as many strengths
    as the first of the others, if so many epochs are recorded: evenly spaced among these.
    """
    runs = results.runs
    ends = _both_kinds(runs.assign(memorized=1 - runs["train_error"], validation=1 - runs["validation_error"]))
    plain = (ends[[field for field, _ in REGULARIZERS.values()]] == 0).all(axis=1)
    parts = []
    for name, (field, off) in REGULARIZERS.items():
        own = ends[plain | (ends[field] != off)]
        parts.append(own.assign(regularizer=name, strength=own[field]))
    strengths = parts[0]["strength"].nunique() - 1
    parts.append(_early(results, ends[plain], strengths))
    columns = ["regularizer", "strength", "seed", "memorized", "validation"]
    return pd.concat(parts, ignore_index=True)[columns]


def _both_kinds(runs: pd.DataFrame) -> pd.DataFrame:
    """Return pairs of runs, on real data and on random labels, as one row each."""
    keys = ["seed", *(field for field, _ in REGULARIZERS.values())]
    random = rows_with(runs, "data.label_corruption", 1)
    real = rows_with(runs, "data.label_corruption", 0)
    columns = ["run_id", *keys]
    return random[[*columns, "memorized"]].merge(real[[*columns, "validation"]], on=keys, suffixes=("_random", "_real"))


def _early(results: Results, plain: pd.DataFrame, strengths: int) -> pd.DataFrame:
    """Return networks without a regularizer at the end and at so many earlier recorded epochs, evenly spaced."""
    errors = rows_with(results.outcomes, "name", "error")
    wide = errors.pivot(index=["run_id", "step"], columns="split", values="value")
    rows = []
    for pair in plain.itertuples():
        random = wide.loc[pair.run_id_random, "train"]
        real = wide.loc[pair.run_id_real, "validation"]
        steps = random.index[random.index > 0]
        places = np.linspace(0, len(steps) - 2, min(strengths, len(steps) - 1)).round().astype(int)
        for step in steps[[*places, len(steps) - 1]]:
            values = {"memorized": 1 - random[step], "validation": 1 - real[step]}
            rows.append({"regularizer": EARLY, "strength": random.index.max() - step, "seed": pair.seed, **values})
    return pd.DataFrame(rows)


def memorized_at_no_cost(rows: pd.DataFrame, tolerance: float) -> float:
    """Return the least train accuracy on random labels that costs at most so much validation accuracy.

    Between two strengths both accuracies are interpolated linearly.

    Args:
        rows: of one seed and one regularizer, from `regularized`.
        tolerance: allowed loss of validation accuracy against no regularizer.

    >>> rows = pd.DataFrame({"strength": [0, 1, 2], "memorized": [1.0, 0.7, 0.2], "validation": [0.9, 0.9, 0.5]})
    >>> memorized_at_no_cost(rows, 0.1)
    0.575
    """
    ordered = rows.sort_values("strength")
    margins = ordered["validation"] - ordered["validation"].iloc[0] + tolerance
    points = zip(margins.tolist(), ordered["memorized"].tolist(), strict=True)
    least = float(ordered["memorized"].iloc[0])
    for (margin, memorized), (next_margin, next_memorized) in pairwise(points):
        if next_margin >= 0:
            least = min(least, next_memorized)
        if margin * next_margin < 0:
            part = margin / (margin - next_margin)
            least = min(least, memorized + part * (next_memorized - memorized))
    return least


def least_memorized(tradeoffs: pd.DataFrame, regularizer: str, tolerance: float) -> "pd.Series[float]":
    """Return by seed `memorized_at_no_cost` of one regularizer.

    Args:
        tradeoffs: from `regularized`.
        regularizer: its name.
        tolerance: validation accuracy that it may cost.
    """
    rows = rows_with(tradeoffs, "regularizer", regularizer)
    return pd.Series({seed: memorized_at_no_cost(own, tolerance) for seed, own in rows.groupby("seed")})
