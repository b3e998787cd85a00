"""Whether train and test come together as the number of examples grows, with natural and with random labels."""

import functools
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from analysis import statistics as st
from analysis.figures.canvas import INK, WIDTH_INCHES
from analysis.figures.plate import plate
from analysis.results import Results
from analysis.studies import normalised
from analysis.studies.study import Answer, Finding, between, decided

AXIS, LEAST, CLOSED = "data.train_size", 0.8, 0.5
GAPS = {"normalised loss": "normalised_gap", "error": "error_gap"}

RULE = f"""
For natural and for random labels alike. Closes: Spearman's rank correlation of the number of examples with the
absolute difference of normalised train and test loss is at most -{LEAST}, and the upper end of its 95% interval over
numbers of examples is below 0; the same of the absolute difference of train and test error. By half: the mean
difference of errors at the largest number of examples is at most {CLOSED} of that at the smallest. For natural labels
the test error falls: Spearman's rank correlation at most -{LEAST}, and the upper end below 0.
"""
PAPER = {"natural": "figures 1 and 19: the gap closes", "random": "figure 1: train error rises to chance"}


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    tables = {}
    for name in ("natural", "random"):
        table = results[name].table()
        tables[name] = table.assign(
            normalised_gap=(table["normalised_test_loss"] - table["normalised_train_loss"]).abs(),
            error_gap=(table["test_error"] - table["train_error"]).abs(),
        )
    findings = []
    for name, table in tables.items():
        findings += [
            normalised.ordered(
                f"{name} labels: the gap of the {words} closes with the examples",
                table,
                AXIS,
                column,
                [AXIS],
                LEAST,
                PAPER[name],
                sign=-1,
            )
            for words, column in GAPS.items()
        ]
        findings.append(_halved(name, table))
    findings.append(
        normalised.ordered(
            "natural labels: the test error falls", tables["natural"], AXIS, "test_error", [AXIS], LEAST, sign=-1
        )
    )
    drawn = plate(
        "examples",
        "Errors and normalised losses against the number of examples",
        "Means over seeds with their range; test solid, train dashed. The dotted line is one example per parameter.",
        functools.partial(_draw, tables),
    )
    numbers = pd.concat([table.assign(labels=name) for name, table in tables.items()])
    return Answer(findings, [drawn], numbers)


def _halved(name: str, table: pd.DataFrame) -> Finding:
    few, many = table[AXIS].min(), table[AXIS].max()

    def share(rows: pd.DataFrame) -> float:
        means = rows.groupby(AXIS)["error_gap"].mean()
        return float(means.get(many, float("nan")) / means.get(few, float("nan")))

    seeds = st.bootstrap(table, share, ["seed"], resamples=normalised.RESAMPLES)
    return Finding(
        f"{name} labels: with {many:,} examples the gap of the errors is at most half of that with {few:,}",
        decided(seeds.value <= CLOSED),
        f"{between(seeds, '.2f')} of it",
    )


def _draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 5.6), layout="constrained")
    rows = figure.subplots(2, 2, sharex=True)
    for (name, table), column in zip(tables.items(), rows.T, strict=True):
        groups = table.groupby(AXIS)
        for axes, kind, unit in ((column[0], "error", "fraction"), (column[1], "normalised_loss", "nats")):
            for split, style in (("test", "-o"), ("train", "--s")):
                own = f"{split}_error" if kind == "error" else f"normalised_{split}_loss"
                mean, low, high = (getattr(groups[own], what)() for what in ("mean", "min", "max"))
                axes.plot(
                    mean.index, mean, style, color=INK if split == "test" else "#7a7a7a", markersize=4, label=split
                )
                axes.fill_between(mean.index, low, high, color="#9aa5b1", alpha=0.4, linewidth=0)
            axes.axvline(table["parameter_count"].iloc[0], color="#7a7a7a", linestyle=":", linewidth=1)
            axes.set(xscale="log", ylabel=f"{kind.replace('_', ' ')} ({unit})")
        column[0].set_title(f"{name} labels", loc="left")
        column[0].legend()
        column[1].set_xlabel("training examples")
    return figure
