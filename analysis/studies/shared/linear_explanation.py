"""Part of a network's performance that a linear classifier explains, after Nakkiran et al. 2019, section 3."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benevolent.analysis.results import Results
from benevolent.analysis.statistics.label_information import mutual_information
from benevolent.analysis.studies.shared.explained_information import (
    explained_by,
    first_step_reaching,
    information_by_step,
    predictions_by_step,
)
from benevolent.analysis.studies.shared.network_outputs import examples, predictions

#: Smallest fraction of I(L; Y) that is known where the early share is asked for.
KNOWN = 0.25
#: Inverse strengths of the ridge, of which the best one on the validation split is taken.
INVERSE_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
#: Tasks in which linear classifiers differ though they do equally well: the one nearest to the network at T0 is taken.
REFITTED = ("cifar10-first-last",)


class Explanation(NamedTuple):
    """The information of one network that its linear classifier explains.

    Attributes:
        table: one row per step, from `explained_by`, with train accuracy.
        t0: first step at which the network does as well as the best linear classifier; None if it never does.
        linear: I(L; Y) in bits.
    """

    table: pd.DataFrame
    t0: int | None
    linear: float

    @property
    def at_t0(self) -> "pd.Series[float]":
        """Row of the table at T0, which must have been reached."""
        return self.table.loc[self.t0]

    @property
    def lowest_early_share(self) -> float:
        """Smallest explained share of I(F; Y) up to T0, over steps at which at least `KNOWN` of I(L; Y) is known."""
        rows = self.table[(self.table.index <= self.t0) & (self.table["known"] >= KNOWN * self.linear)]
        return float((rows["explained"] / rows["known"]).min())


#: The networks of one task.
Task = Sequence[Explanation]


def fit_linear(inputs: Tensor, labels: Tensor, held_out: tuple[Tensor, Tensor]) -> LogisticRegression:
    """Fit logistic regressions on flattened inputs, and return the one of `INVERSE_RIDGES` best on held-out examples.

    Args:
        inputs: `(N, ...)`.
        labels: `(N,)`.
        held_out: inputs and labels of other examples.
    """
    flat = inputs.flatten(1).numpy()
    held_out_inputs = held_out[0].flatten(1).numpy()
    held_out_labels = held_out[1].numpy()
    models = []
    for inverse_ridge in INVERSE_RIDGES:
        models.append(LogisticRegression(C=inverse_ridge, max_iter=10_000).fit(flat, labels.numpy()))
    return max(models, key=lambda model: model.score(held_out_inputs, held_out_labels))


def _predict(model: LogisticRegression, inputs: Tensor) -> Tensor:
    return torch.from_numpy(model.predict(inputs.flatten(1).numpy()))


def explain_task(name: str, results: Results) -> Task:
    """Return how much of each network of a task the linear classifier explains.

    Args:
        name: of the task.
        results: of its sweep.
    """
    runs = results.runs.sort_values("seed")
    some_run = runs["run_id"].iloc[0]
    train_inputs, train_labels = examples(results, some_run, "train")
    validation = examples(results, some_run, "validation")
    test_inputs, test_labels = examples(results, some_run, "test")
    best = _predict(fit_linear(train_inputs, train_labels, validation), test_inputs)
    best_information = mutual_information(best, test_labels).item()
    task = []
    for run_id, seed in zip(runs["run_id"], runs["seed"], strict=True):
        by_step = predictions_by_step(results, run_id)
        t0 = first_step_reaching(information_by_step(by_step, test_labels), best_information)
        classifier = best
        if name in REFITTED and t0 is not None:
            answers = predictions(results, run_id, "train", t0)
            held_out = (validation[0], predictions(results, run_id, "validation", t0))
            classifier = _predict(fit_linear(train_inputs, answers, held_out), test_inputs)
        table = explained_by(by_step, test_labels, classifier)
        errors = results.outcomes.query("run_id == @run_id and split == 'train' and name == 'error'")
        table["train_accuracy"] = 1 - errors.set_index("step")["value"]
        linear = mutual_information(classifier, test_labels).item()
        table = table.assign(seed=seed, linear=linear, best_linear=best_information, first=t0)
        task.append(Explanation(table, t0, linear))
    return task
