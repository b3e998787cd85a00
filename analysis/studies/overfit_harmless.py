"""Whether fitting every example hurts, in a sparse linear problem (exactly) and in networks, by the start."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from benevolent.analysis.figures import WIDTH_INCHES, AxisPalette, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, over_seeds

CLOSE, CHANCE, BEST, DROP = 0.01, 0.6, 0.01, 0.02
#: Starts of the theorem, and starts far outside it: w(1), or the standard deviation of all weights.
SMALL, FAR = (("first", 0.0), ("first", 1.0), ("std", 0.1)), (("first", -100.0), ("std", 5.0))
USUAL, LARGE, RANDOM = "usual", "large weights", "random labels"

RULE = f"""
The linear problem of theorem 1 with n = 20 examples, at each label noise p. Harmless: from w = 0, from w = e_1 and
from normal weights of deviation 0.1 every run is right on all training examples, and its exact accuracy on the
population is within {CLOSE} of 1 - p. Bad starts: from w(1) = -5 n, and from normal weights of deviation 5, every run
is right on all training examples too, and on the population at most {CHANCE}. Networks on MNIST, 0-4 against 5-9, all
of which must be right on all training examples. No loss: from usual weights, test accuracy at the end is at most
{BEST} below the best recorded on the way, in every seed. Bad starts: from large weights, and from a network that fits
random labels, test accuracy is lower than from usual weights by {DROP} or more in the mean over seeds, and the 95%
interval of that mean (Student, paired by seed) is above 0.
"""


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    linear, deep = _linear(results["theorem"].runs), _deep(results["deep"])
    figures = [
        render_figure(
            "population",
            "Accuracy on the population of linear classifiers that fit every example",
            "Each point is a classifier after training, of seeds that differ in the order of examples and in drawn "
            "weights; colors and markers are the label noise p. Left, from zeros but for the first weight, which the "
            "label goes with; right, from normal weights. Lines are what the limit of gradient descent gives.",
            functools.partial(_population, linear),
        ),
        render_figure(
            "networks",
            "Networks that fit every example, from three starts",
            "Test accuracy while training, MNIST 0-4 against 5-9; each line is a network, and ends where it is right "
            "on all training examples at a loss of 0.01. Epoch 0 is the start.",
            functools.partial(_paths, deep),
        ),
    ]
    ends = deep[deep["end"]].drop(columns="end")
    numbers = pd.concat([linear.assign(sweep="theorem"), ends.assign(sweep="deep")])
    notes = [
        "From w(1) = a and zeros else, the limit of gradient descent on n examples, k of them noisy, with e_k of "
        "their own has w(1) = (a + n - 2 k) / (n + 1): bad starts begin at a = -(n - 2 k), which is about -n (1 - 2 p)."
        " The weights of coordinates that no example has stay as drawn, and decide if they are larger than w(1).",
        "The source does not say, in what we have of it, how the bad starts of its figure 8 were made.",
    ]
    return Answer([*_theorem(linear), *_networks(deep)], figures, numbers, notes)


def limit_accuracy(first: float, std: float, noise: float, examples: int) -> float:
    """The accuracy on the population where gradient descent ends, about: with the expected number of noisy examples.

    w(1) tends to (first + n (1 - 2 p)) / (n + 1), other weights are normal with deviation `std` as they started.

    >>> limit_accuracy(0, 0, 0.1, 20), limit_accuracy(-100, 0, 0.1, 20)
    (0.9, 0.1)
    """
    weight = (first + examples * (1 - 2 * noise)) / (examples + 1)
    right = float(stats.norm.cdf(weight / std)) if std else float(np.heaviside(weight, 0.5))
    return (1 - noise) * right + noise * (1 - right)


def _linear(runs: pd.DataFrame) -> pd.DataFrame:
    table = runs[["seed", "data.noise", "data.train_size", "train_error", "epoch"]].copy()
    table["kind"] = np.where(runs["init.scheme"] == "zeros", "first", "std")
    table["amount"] = np.where(runs["init.scheme"] == "zeros", runs["init.first"].fillna(0.0), runs["init.std"])
    table["accuracy"] = 1 - runs["test_population_error"]
    return table


def _deep(results: Results) -> pd.DataFrame:
    """One row per run and recorded step: start, seed, epoch, train and test accuracy; `end` marks the last."""
    runs = results.runs.query("role == 'run'").copy()
    large = runs["init.scale"] > 1
    runs["start"] = np.select([runs["init.scheme"] == "run", large], [RANDOM, LARGE], USUAL)
    errors = results.outcomes.query("name == 'error' and split != 'validation'")
    wide = errors.pivot_table(index=["run_id", "step"], columns="split", values="value").reset_index()
    table = wide.merge(
        runs[["run_id", "start", "seed", "step", "data.train_size", "optimizer.batch_size"]], on="run_id"
    )
    table["epoch"] = table["step_x"] / np.ceil(table["data.train_size"] / table["optimizer.batch_size"])
    table["end"] = table["step_x"] == table["step_y"]
    table["train_accuracy"], table["accuracy"] = 1 - table["train"], 1 - table["test"]
    return table[["start", "seed", "epoch", "train_accuracy", "accuracy", "end"]]


def _theorem(table: pd.DataFrame) -> list[Finding]:
    pairs = pd.Series(list(zip(table["kind"], table["amount"], strict=True)), index=table.index)
    good, bad = table[pairs.isin(SMALL)], table[pairs.isin(FAR)]
    off = (good["accuracy"] - (1 - good["data.noise"])).abs()
    means = bad.groupby(["kind", "amount"])
    return [
        Finding(
            "Linear: from small weights, fitting every example leaves the accuracy on the population at 1 − p",
            decided(bool((good["train_error"] == 0).all() and (off <= CLOSE).all())),
            f"at most {off.max():.4f} off, p = {_values(good['data.noise'])}; {_fit(good)}",
            "tends to 1 − p",
        ),
        Finding(
            "Linear: from bad starts, classifiers that fit every example do no better than chance",
            decided(bool((bad["train_error"] == 0).all() and (bad["accuracy"] <= CHANCE).all())),
            "; ".join(
                f"{_start(kind, amount)}: mean {column.mean():.3f}, {column.min():.3f} to {column.max():.3f}"
                for (kind, amount), column in means["accuracy"]
            )
            + f"; {_fit(bad)}",
            "at most 50% for some that fit",
            guess="a start of this size does not outweigh, in every draw of twenty examples, what they teach",
        ),
    ]


def _networks(table: pd.DataFrame) -> list[Finding]:
    ends = table[table["end"]].set_index(["start", "seed"])
    fitted = bool((ends["train_accuracy"] == 1).all())
    best = table.groupby(["start", "seed"])["accuracy"].max()
    lost = (best - ends["accuracy"])[USUAL]
    findings = [
        Finding(
            "Networks: from usual weights, fitting every example loses nothing of the best test accuracy on the way",
            decided(fitted and bool((lost <= BEST).all())),
            f"test accuracy {ends.loc[USUAL, 'accuracy'].mean():.4f}, at most {lost.max():.4f} below the best",
            "test error stabilizes",
            guess="the best of many recorded steps is high by chance alone, more so with few test examples",
        )
    ]
    for start in (LARGE, RANDOM):
        drop = over_seeds(ends.reset_index(), functools.partial(_drop, start))
        holds = decided(fitted and drop.value >= DROP and drop.low > 0)
        findings.append(
            Finding(
                f"Networks: from {start if start == LARGE else 'a fit of random labels'}, networks that fit every "
                "example do worse on test images",
                holds,
                f"lower by {between(drop, '.4f')} at train accuracy 1"
                if fitted
                else f"train accuracy {ends['train_accuracy'].min():.4f} at least, not 1",
                "figure 8: such starts exist",
                guess="SGD may move so far from this start that little of it is left",
            )
        )
    return findings


def _drop(start: str, rows: pd.DataFrame) -> float:
    """By how much the network of one seed that began at a start is less accurate than that from usual weights."""
    accuracy = rows.set_index("start")["accuracy"]
    return float(accuracy[USUAL] - accuracy[start])


def _fit(table: pd.DataFrame) -> str:
    return f"train accuracy 1 in {int((table['train_error'] == 0).sum())} of {len(table)} runs"


def _values(column: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(column.unique()))


def _start(kind: str, amount: float) -> str:
    return f"w(1) = {amount:g}" if kind == "first" else f"deviation {amount:g}"


def _population(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.0), layout="constrained")
    encoding, examples = AxisPalette.of("label noise p", table["data.noise"]), int(table["data.train_size"].iloc[0])
    names = {"first": "initial weight w(1) of the useful coordinate", "std": "standard deviation of initial weights"}
    for axes, (kind, name) in zip(figure.subplots(1, 2, sharey=True), names.items(), strict=True):
        rows = table[table["kind"] == kind]
        grid = np.linspace(-105, 5, 1000) if kind == "first" else np.geomspace(0.07, 7, 200)
        for value, color, marker in zip(encoding.values, encoding.colors, encoding.markers, strict=True):
            line = [
                limit_accuracy(x if kind == "first" else 0, x if kind == "std" else 0, value, examples) for x in grid
            ]
            axes.plot(grid, line, color=color, linewidth=1)
            own = rows[rows["data.noise"] == value]
            axes.scatter(own["amount"], own["accuracy"], s=22, color=color, marker=marker, edgecolors="white", zorder=3)
        axes.axhline(0.5, color="#5b5b5b", linewidth=0.8, linestyle=":")
        axes.set(xlabel=name, ylim=(0, 1.02))
        if kind == "std":
            axes.set_xscale("log")
        else:
            axes.set_ylabel("accuracy on the population")
    encoding.legend(figure)
    return figure


def _paths(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.8), layout="constrained")
    axes = figure.subplots()
    looks = {USUAL: ("#1c1c1c", "o"), LARGE: ("#2a788e", "s"), RANDOM: ("#c0392b", "x")}
    for start, (color, marker) in looks.items():
        for index, (_, path) in enumerate(table[table["start"] == start].groupby("seed")):
            path = path.sort_values("epoch")
            label = start if index == 0 else None
            axes.plot(path["epoch"], path["accuracy"], color=color, linewidth=0.9, marker=marker, ms=3, label=label)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(xlabel="epoch (linear up to 1, then logarithmic)", ylabel="test accuracy")
    axes.legend(title="start", loc="lower right")
    return figure
