"""Whether train and test come together as the number of examples grows, with natural and with random labels."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import INK, WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, over_seeds
from benevolent.analysis.studies.shared.outputs import classes

AXIS, LEAST, CLOSED = "data.train_size", 0.8, 0.5
GAPS = {
    "loss_gap": "the normalized loss",
    "relative_gap": "the normalized loss, relative to what train loss lacks to chance,",
    "error_gap": "the error",
}

RULE = f"""
For natural and for random labels alike; gaps are absolute differences of train and test. Closes: Spearman's rank
correlation of the number of examples with the gap of normalized losses is at most -{LEAST}, and the upper end of its
95% interval below 0; the same of that gap over log C less the normalized train loss (C classes), since outputs so small
make all losses those of chance, whatever a network knows; and the same of the gap of errors. By half: the gap of errors
at the largest number of examples is at most {CLOSED} of that at the smallest, in the mean over seeds. For natural
labels the test error falls: Spearman's rank correlation at most -{LEAST}, and the upper end below 0.
{normalized_loss.INTERVAL_RULE}.
"""
PAPER = {
    ("natural", "loss_gap"): "figures 1 and 19: the gap closes",
    ("random", "loss_gap"): "figure 19: the gap closes",
    ("natural", "error_gap"): "figure 1: the gap closes",
    ("random", "error_gap"): "figure 1: train error rises to chance",
}
GUESS = {
    "natural": "networks of a fixed size fit all these examples, and test error has not fallen enough yet",
    "random": "a network of this size still fits that many random labels, and its test error is that of chance",
}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    tables = {}
    for name in ("natural", "random"):
        table = results[name].table()
        lacks = np.log(classes(results[name])) - table["normalized_train_loss"]
        gap = (table["normalized_test_loss"] - table["normalized_train_loss"]).abs()
        error_gap = (table["test_error"] - table["train_error"]).abs()
        tables[name] = table.assign(loss_gap=gap, relative_gap=gap / lacks, error_gap=error_gap)
    findings = []
    for name, table in tables.items():
        findings += [
            normalized_loss.ordered(
                f"{name} labels: the gap of {words} closes with the examples",
                table,
                AXIS,
                column,
                LEAST,
                PAPER.get((name, column), ""),
                sign=-1,
                guess=GUESS[name],
            )
            for column, words in GAPS.items()
        ]
        findings.append(_halved(name, table))
    findings.append(
        normalized_loss.ordered(
            "natural labels: the test error falls", tables["natural"], AXIS, "test_error", LEAST, "figure 1", sign=-1
        )
    )
    drawn = [
        render_figure(
            "examples",
            "Errors and losses against the number of examples",
            "Means over seeds with their range; test solid, train dashed. The dotted line is one example per "
            "parameter. Losses as trained, and of outputs divided by the product of norms.",
            functools.partial(_draw, tables),
        ),
        render_figure(
            "gaps",
            "The gap between train and test against the number of examples",
            "Means over seeds with their range; natural labels solid, random ones dashed. In the middle the gap of "
            "normalized losses over what the normalized train loss lacks to that of chance.",
            functools.partial(_gaps, tables),
        ),
    ]
    numbers = pd.concat([table.assign(labels=name) for name, table in tables.items()])
    return Answer(findings, drawn, numbers)


def _halved(name: str, table: pd.DataFrame) -> Finding:
    few, many = table[AXIS].min(), table[AXIS].max()

    def share(rows: pd.DataFrame) -> float:
        gaps = rows.groupby(AXIS)["error_gap"].mean().reindex([few, many])
        with np.errstate(divide="ignore", invalid="ignore"):  # without a gap at first there is no share
            return float(np.divide(gaps[many], gaps[few]))

    seeds = over_seeds(table, share)
    return Finding(
        f"{name} labels: with {many:,} examples the gap of the errors is at most half of that with {few:,}",
        decided(seeds.value <= CLOSED),
        f"{between(seeds, '.2f')} of it",
        guess=GUESS[name],
    )


def _draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 7.6), layout="constrained")
    rows = figure.subplots(3, 2, sharex=True)
    kinds = (
        ("error", "{}_error", "error (fraction)"),
        ("loss", "{}_loss", "loss as trained (nats)"),
        ("normalized", "normalized_{}_loss", "normalized loss (nats)"),
    )
    for (name, table), column in zip(tables.items(), rows.T, strict=True):
        for axes, (kind, own, label) in zip(column, kinds, strict=True):
            for split, style in (("test", "-o"), ("train", "--s")):
                _line(axes, table, own.format(split), style, INK if split == "test" else "#7a7a7a", split)
            axes.axvline(table["parameter_count"].iloc[0], color="#7a7a7a", linestyle=":", linewidth=1)
            axes.set(xscale="log", ylabel=label, yscale="log" if kind == "loss" else "linear")
        column[0].set_title(f"{name} labels", loc="left")
        column[0].legend()
        column[-1].set_xlabel("training examples")
    return figure


def _gaps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    labels = {"loss_gap": "gap of normalized losses (nats)", "relative_gap": "the same, relative"}
    for axes, (column, label) in zip(
        figure.subplots(1, 3), (labels | {"error_gap": "gap of errors (fraction)"}).items(), strict=True
    ):
        for (name, table), style in zip(tables.items(), ("-o", "--s"), strict=True):
            _line(axes, table, column, style, INK if name == "natural" else "#7a7a7a", f"{name} labels")
        axes.set(xscale="log", yscale="log", xlabel="training examples", ylabel=label)
    figure.axes[0].legend()
    return figure


def _line(axes: Axes, table: pd.DataFrame, column: str, style: str, color: str, label: str) -> None:
    """Means over seeds with their range."""
    mean, low, high = (getattr(table.groupby(AXIS)[column], what)() for what in ("mean", "min", "max"))
    axes.plot(mean.index, mean, style, color=color, markersize=4, label=label)
    axes.fill_between(mean.index, low, high, color="#9aa5b1", alpha=0.4, linewidth=0)
