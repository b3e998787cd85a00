"""Fit every example from several starts, in a sparse linear problem (exactly) and in networks, and ask if it hurts."""

import numpy as np
import pandas as pd

from benevolent.analysis.figures import render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.overfit_figures import (
    FIRST_WEIGHT,
    LARGE,
    NORMAL,
    RANDOM,
    USUAL,
    draw_paths,
    draw_population,
)
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval
from benevolent.analysis.studies.shared.tables import epochs_of, rows_with
from benevolent.trainables.store.statuses import Role

#: Examples of the theorem.
EXAMPLES = 20
#: Largest distance from 1 - p that counts as none.
TOLERANCE = 0.01
#: Largest accuracy from bad starts in the linear problem.
LARGEST_BAD_ACCURACY = 0.6
#: Largest loss of test accuracy from usual weights, and smallest loss from bad starts.
LARGEST_LOSS = 0.01
LEAST_DROP = 0.02
SMALL_STARTS = ((FIRST_WEIGHT, 0.0), (FIRST_WEIGHT, 1.0), (NORMAL, 0.1))
#: First weight of the far start, as a multiple of the number of examples.
FAR_FACTOR = -5
FAR_STARTS = ((FIRST_WEIGHT, float(FAR_FACTOR * EXAMPLES)), (NORMAL, 5.0))

RULE = f"""
The linear problem of theorem 1 with n = {EXAMPLES} examples, at each label noise p.

Harmless: from w = 0, from w = e_1 and from normal weights of standard deviation {SMALL_STARTS[2][1]}, every run is
right on all training examples, and its exact accuracy on the population is within {TOLERANCE} of 1 - p. Bad starts:
from w(1) = {FAR_FACTOR} n, and from normal weights of standard deviation {FAR_STARTS[1][1]:g}, every run is right on
all training examples too, and on the population at most {LARGEST_BAD_ACCURACY}.

Networks on MNIST, 0-4 against 5-9, all of which must be right on all training examples.

No loss: from usual weights, test accuracy at the end is at most {LARGEST_LOSS} below the best recorded on the way, in
every seed. Bad starts: from large weights, and from a network that fits random labels, test accuracy is lower than from
usual weights by {LEAST_DROP} or more in the mean over seeds, and the 95% interval of that mean (Student, paired by
seed) is above 0.
"""

#: Claims of the findings.
HARMLESS = StudyClaim(
    "Linear classifiers: from small weights, overfitting leaves the population accuracy at 1 − p",
    "theorem 1: the population accuracy approaches 1 − p",
)
POOR_FROM_FAR = StudyClaim(
    "Linear classifiers: from bad initial weights, SGD finds poor classifiers that fit every example",
    "section 5: some fit every example and have at most 50% population accuracy",
    explanation="initial weights of this size do not outweigh what is learned in every draw of twenty examples",
)
NO_LOSS = StudyClaim(
    "Networks: from usual initial weights, overfitting does not hurt generalization",
    "table 1: overfitting doesn't hurt or improve test accuracy",
    "the best of many recorded steps is high by chance alone, the more so with few test examples",
)
BAD_START = StudyClaim(
    "Networks: from {}, SGD finds networks that generalize worse",
    "figure 8: one can construct adversarial initializations",
    "SGD may move so far from these weights that little of them is left",
)

NOTES = (
    "From w(1) = a and zeros elsewhere, the limit of gradient descent on n examples, k of them noisy, each with an "
    "e_k of its own, has w(1) = (a + n - 2 k) / (n + 1): bad starts begin at a = -(n - 2 k), which is about "
    "-n (1 - 2 p). The weights of coordinates that no example has stay as drawn, and decide if they are larger "
    "than w(1).",
    "The source does not say, in what we have of it, how the bad starts of its figure 8 were made.",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    linear = _linear_runs(results["theorem"].runs)
    paths = _network_paths(results["deep"])
    population_figure = render_figure(
        "population",
        "Accuracy on the population of linear classifiers that fit every example",
        "Each point is a classifier after training; seeds differ in the order of examples and in random weights; "
        "colors and markers are the label noise p. Left, from zeros except for the first weight, whose input "
        "carries the label; right, from normal weights. Lines are the accuracy at the limit of gradient descent.",
        draw_population,
        linear,
    )
    networks_figure = render_figure(
        "networks",
        "Networks that fit every example, from three starts",
        "Test accuracy while training, MNIST 0-4 against 5-9; each line is a network, and ends where it is right "
        "on all training examples at a loss of 0.01. Epoch 0 is the start.",
        draw_paths,
        paths,
    )
    ends = paths[paths["end"]].drop(columns="end")
    numbers = pd.concat([linear.assign(sweep="theorem"), ends.assign(sweep="deep")])
    findings = [*_linear_findings(linear), *_network_findings(paths)]
    return StudyAnswer(findings, [population_figure, networks_figure], numbers, NOTES)


def _linear_runs(runs: pd.DataFrame) -> pd.DataFrame:
    from_zeros = runs["init.scheme"] == "zeros"
    table = runs[["seed", "data.noise", "data.train_size", "train_error", "epoch"]].copy()
    table["kind"] = np.where(from_zeros, FIRST_WEIGHT, NORMAL)
    table["amount"] = np.where(from_zeros, runs["init.first"].fillna(0.0), runs["init.std"])
    table["accuracy"] = 1 - runs["test_population_error"]
    return table


def _network_paths(results: Results) -> pd.DataFrame:
    """Return one row per run and recorded step: start, seed, epoch, train and test accuracy; `end` marks the last."""
    runs = rows_with(results.runs, "role", Role.RUN).copy()
    from_run = runs["init.scheme"] == "run"
    from_large = runs["init.scale"] > 1
    runs["start"] = np.select([from_run, from_large], [RANDOM, LARGE], USUAL)
    runs["last_step"] = runs["step"]
    errors = results.outcomes.query("name == 'error' and split != 'validation'")
    by_split = errors.pivot_table(index=["run_id", "step"], columns="split", values="value").reset_index()
    table = by_split.merge(runs[["run_id", "start", "seed", "last_step"]], on="run_id")
    table["epoch"] = epochs_of(results, table)
    table["end"] = table["step"] == table["last_step"]
    table["train_accuracy"] = 1 - table["train"]
    table["accuracy"] = 1 - table["test"]
    return table[["start", "seed", "epoch", "train_accuracy", "accuracy", "end"]]


def _linear_findings(table: pd.DataFrame) -> list[Finding]:
    starts = pd.Series(list(zip(table["kind"], table["amount"], strict=True)), index=table.index)
    return [_small_starts(table[starts.isin(SMALL_STARTS)]), _far_starts(table[starts.isin(FAR_STARTS)])]


def _small_starts(table: pd.DataFrame) -> Finding:
    distance = (table["accuracy"] - (1 - table["data.noise"])).abs()
    noises = ", ".join(f"{noise:g}" for noise in sorted(table["data.noise"].unique()))
    all_fit = (table["train_error"] == 0).all()
    holds = bool(all_fit and (distance <= TOLERANCE).all())
    evidence = f"at most {distance.max():.4f} away from 1 − p, p = {noises}; {_count_fits(table)}"
    return HARMLESS.decide(holds, evidence)


def _far_starts(table: pd.DataFrame) -> Finding:
    all_fit = (table["train_error"] == 0).all()
    holds = bool(all_fit and (table["accuracy"] <= LARGEST_BAD_ACCURACY).all())
    evidence = f"{_accuracies_by_start(table)}; {_count_fits(table)}"
    return POOR_FROM_FAR.decide(holds, evidence)


def _accuracies_by_start(table: pd.DataFrame) -> str:
    starts = []
    for (kind, amount), accuracy in table.groupby(["kind", "amount"])["accuracy"]:
        start = f"w(1) = {amount:g}" if kind == FIRST_WEIGHT else f"standard deviation {amount:g}"
        spread = f"{accuracy.min():.3f} to {accuracy.max():.3f}"
        starts.append(f"{start}: mean {accuracy.mean():.3f}, {spread}")
    return "; ".join(starts)


def _count_fits(table: pd.DataFrame) -> str:
    return f"train accuracy 1 in {int((table['train_error'] == 0).sum())} of {len(table)} runs"


def _network_findings(paths: pd.DataFrame) -> list[Finding]:
    ends = paths[paths["end"]]
    large = BAD_START.naming("large initial weights").beyond_paper()
    return [
        _no_loss(paths, ends),
        _bad_start(BAD_START.naming("weights that fit random labels"), ends, RANDOM),
        _bad_start(large, ends, LARGE),
    ]


def _no_loss(paths: pd.DataFrame, ends: pd.DataFrame) -> Finding:
    best = rows_with(paths, "start", USUAL).groupby("seed")["accuracy"].max()
    accuracy = rows_with(ends, "start", USUAL).set_index("seed")["accuracy"]
    lost = best - accuracy
    holds = bool((ends["train_accuracy"] == 1).all()) and bool((lost <= LARGEST_LOSS).all())
    evidence = f"test accuracy {accuracy.mean():.4f} at the end, at most {lost.max():.4f} below the best on the way"
    return NO_LOSS.decide(holds, evidence)


def _bad_start(claim: StudyClaim, ends: pd.DataFrame, start: str) -> Finding:
    """Decide whether networks from a start do worse on test images than those of the same seed from usual weights."""
    by_start = ends.pivot(index="seed", columns="start", values="accuracy")
    drop = mean_of((by_start[USUAL] - by_start[start]).tolist())
    lowest = ends["train_accuracy"].min()
    if lowest < 1:
        return claim.decide(False, f"train accuracy is not 1 everywhere, but at least {lowest:.4f}")
    evidence = f"test accuracy is lower by {show_interval(drop, '.4f')} at train accuracy 1"
    return claim.decide(drop.value >= LEAST_DROP and drop.low > 0, evidence)
