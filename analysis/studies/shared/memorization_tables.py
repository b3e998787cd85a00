"""Tables of networks trained on real data, on noise in place of inputs, and on random labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from benevolent.analysis.multi_run import answers_of_runs
from benevolent.analysis.results import Results
from benevolent.analysis.statistics.gini import gini
from benevolent.analysis.studies.shared.network_outputs import examples
from benevolent.analysis.studies.shared.tables import epochs_of, rows_with
from benevolent.trainables.store.statuses import Status

REAL = "real"
#: Names of the source: Gaussian noise in place of inputs, and labels drawn at random.
RANDX = "randX"
RANDY = "randY"
PURE = (REAL, RANDX, RANDY)


def with_kind(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs with the columns `kind`, one of `PURE`, and `level`, the fraction of examples that are noise.

    >>> columns = {"data.pixels": ["none", "gaussian", "none"], "data.pixels_fraction": [1.0, 0.5, 1.0]}
    >>> runs = with_kind(pd.DataFrame({**columns, "data.label_corruption": [0.0, 0.0, 1.0]}))
    >>> runs[["kind", "level"]].values.tolist()
    [['real', 0.0], ['randX', 0.5], ['randY', 1.0]]
    """
    noisy = runs["data.pixels"] == "gaussian"
    corrupted = runs["data.label_corruption"].astype(float)
    fraction = runs["data.pixels_fraction"].astype(float)
    kind = np.select([noisy, corrupted > 0], [RANDX, RANDY], REAL)
    level = np.select([noisy, corrupted > 0], [fraction, corrupted], 0.0)
    return runs.assign(kind=kind, level=level)


def right_answers(results: Results) -> dict[str, Tensor]:
    """Return which training examples every run gets right, `(R, N)`, for each kind of data."""
    runs = with_kind(results.runs).sort_values("replicate")
    answers = {}
    for kind, rows in runs.groupby("kind"):
        answers[str(kind)] = answers_of_runs(results, rows["run_id"].tolist(), "train").right
    return answers


def histories(results: Results) -> pd.DataFrame:
    """Return one row per run and recorded epoch after the start.

    Columns `kind`, `level`, `seed`, `run_id`, `step`, `epoch`, `train_accuracy`, `validation_accuracy`, and
    `critical_sample_ratio`.
    """
    errors = rows_with(results.outcomes, "name", "error")
    wide = errors.pivot(index=["run_id", "step"], columns="split", values="value")
    ratios = rows_with(results.measures, "name", "critical_sample_ratio")
    columns = {
        "train_accuracy": 1 - wide["train"],
        "validation_accuracy": 1 - wide["validation"],
        "critical_sample_ratio": ratios.set_index(["run_id", "step"])["value"],
    }
    table = pd.DataFrame(columns).reset_index()
    table = table.merge(with_kind(results.runs)[["run_id", "kind", "level", "seed"]], on="run_id")
    table["epoch"] = epochs_of(results, table)
    return table[table["step"] > 0].sort_values(["run_id", "step"], ignore_index=True)


def sensitivity_ginis(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """Return the Gini coefficient of the input gradient over training examples, by run of the pure kinds and epoch.

    The input gradient of an example is ||d loss / d x||_1 of its own loss. Columns `kind`, `seed`, `run_id`, `epoch`,
    `train_accuracy` and `gini`.

    Args:
        results: with a checkpoint at every recorded epoch.
        table: from `histories`.
    """
    rows = []
    pure = table[table["level"].isin([0.0, 1.0])]
    for run_id, history in pure.groupby("run_id"):
        inputs, labels = examples(results, str(run_id), "train")
        for step in history["step"]:
            gradients = _input_gradients(results, str(run_id), int(step), inputs, labels)
            rows.append({"run_id": run_id, "step": step, "gini": gini(gradients.numpy())})
    columns = ["run_id", "step", "kind", "seed", "epoch", "train_accuracy"]
    return pure[columns].merge(pd.DataFrame(rows), on=["run_id", "step"])


def gini_at_accuracy(history: pd.DataFrame, accuracy: float) -> float:
    """Return the Gini coefficient of one run when a train accuracy is first reached.

    Between two recorded epochs it is taken to be linear in train accuracy. NaN if the first recorded epoch has the
    accuracy already, or none has.

    Args:
        history: rows of one run, from `sensitivity_ginis`.
        accuracy: train accuracy.

    >>> history = pd.DataFrame({"epoch": [1, 2], "train_accuracy": [0.8, 1.0], "gini": [0.2, 0.6]})
    >>> round(gini_at_accuracy(history, 0.9), 3), gini_at_accuracy(history, 0.7)
    (0.4, nan)
    """
    ordered = history.sort_values("epoch")
    accuracies = ordered["train_accuracy"].to_numpy()
    reached = np.flatnonzero(accuracies >= accuracy)
    if len(reached) == 0 or reached[0] == 0:
        return float("nan")
    around = slice(reached[0] - 1, reached[0] + 1)
    return float(np.interp(accuracy, accuracies[around], ordered["gini"].to_numpy()[around]))


def _input_gradients(results: Results, run_id: str, step: int, inputs: Tensor, labels: Tensor) -> Tensor:
    points = inputs.clone().requires_grad_()
    losses = functional.cross_entropy(results.network(run_id, step)(points), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(losses, points)
    return gradient.flatten(1).double().abs().sum(1)


def convergence_times(results: Results) -> pd.DataFrame:
    """Return runs with `kind`, and `epochs` until every training example was right; `reached` is False at the limit."""
    runs = with_kind(results.runs)
    return runs.assign(epochs=runs["epoch"].astype(float), reached=runs["status"] == Status.CONVERGED)


def growth(table: pd.DataFrame, axis: str, kind: str) -> "pd.Series[float]":
    """Return by seed the logarithm of the time at the largest value of an axis over that at the smallest."""
    rows = rows_with(table, "kind", kind).pivot(index="seed", columns=axis, values="epochs")
    return np.log(rows[rows.columns.max()] / rows[rows.columns.min()])


def epoch_of_best_validation(history: pd.DataFrame) -> float:
    """Return the first epoch of the highest validation accuracy of one run."""
    return float(history.loc[history["validation_accuracy"].idxmax(), "epoch"])


def epoch_of_fit(history: pd.DataFrame, accuracy: float) -> float:
    """Return the first epoch at which a train accuracy is reached; infinity if it never is."""
    reached = history.loc[history["train_accuracy"] >= accuracy, "epoch"]
    return float(reached.min()) if len(reached) else np.inf


def by_seed(table: pd.DataFrame, column: str, kinds: Sequence[tuple[str, float]]) -> pd.DataFrame:
    """Return a column of the last epoch, a row per seed and a column per kind and level."""
    last = table.sort_values("epoch").groupby("run_id").tail(1)
    wide = last.pivot(index="seed", columns=["kind", "level"], values=column)
    return wide[list(kinds)]
