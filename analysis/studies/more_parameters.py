"""Whether the test error rises with the number of parameters, at a fixed number of examples."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import INK, WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared import normalized_loss
from benevolent.analysis.studies.shared.answer import Answer, Finding, between, decided, over_seeds

SLACK, FALLS = 0.01, -0.6

RULE = f"""
Over all widths. Does not rise: the mean test error of the widest networks is at most that of the best of the other
widths plus {SLACK}, with the upper end of the 95% interval of the difference below {2 * SLACK}; the widest networks
have at least ten parameters per example and fit every training example. Falls: among networks with more parameters
than examples that fit them all, Spearman's rank correlation of the number of parameters and test error is at most
{FALLS}, and the upper end of its 95% interval below 0. {normalized_loss.INTERVAL_RULE}.
"""
PAPER = "figure 3: flat or falling beyond one parameter per example"


def answer(results: Mapping[str, Results]) -> Answer:
    """The answer of `RULE`."""
    table = results["networks"].table()
    table["per_example"] = table["parameter_count"] / table["data.train_size"]
    over = table[(table["per_example"] > 1) & (table["train_error"] == 0)]
    findings = [
        _rises(table),
        normalized_loss.ordered(
            "beyond one parameter per example, test error falls with more",
            over,
            "parameter_count",
            "test_error",
            -FALLS,
            PAPER,
            sign=-1,
            guess="wider networks differ too little from each other for that",
        ),
    ]
    drawn = render_figure(
        "width",
        "Test and train error against the number of parameters",
        "Means over seeds with their range; the dotted line is one parameter per training example.",
        functools.partial(_draw, table),
    )
    return Answer(findings, [drawn], table)


def _rises(table: pd.DataFrame) -> Finding:
    wide = table.pivot(index="seed", columns="model.width", values="test_error")
    last = wide.columns.max()
    best = wide.drop(columns=last).mean().idxmin()
    gap = over_seeds(wide.reset_index(), lambda rows: float((rows[last] - rows[best]).mean()))
    widest = table[table["model.width"] == last]
    fits = bool((widest["train_error"] == 0).all() and (widest["per_example"] >= 10).all())
    return Finding(
        "the widest networks have no larger test error than the best of the other widths",
        decided(gap.value <= SLACK and gap.high < 2 * SLACK if fits else None),
        f"width {last} {wide[last].mean():.4f}, best other width {best} {wide[best].mean():.4f}, difference "
        f"{between(gap, '+.4f')}; {widest['per_example'].iloc[0]:.0f} parameters per example",
        PAPER,
        "" if fits else f"of the {len(widest)} widest networks {(widest['train_error'] > 0).sum()} err in training",
        guess="with more parameters than examples there are many ways to fit them, and SGD finds worse ones",
    )


def _draw(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.2), layout="constrained")
    axes = figure.subplots()
    by = table.groupby("parameter_count")
    for name, style in (("test_error", "-o"), ("train_error", "--s")):
        mean, low, high = (getattr(by[name], what)() for what in ("mean", "min", "max"))
        axes.errorbar(
            mean.index,
            mean,
            np.array([mean - low, high - mean]),
            fmt=style,
            color=INK if name == "test_error" else "#7a7a7a",
            markersize=4,
            linewidth=1,
            capsize=2,
            label=name.replace("_", " "),
        )
    axes.axvline(table["data.train_size"].iloc[0], color="#7a7a7a", linestyle=":", linewidth=1)
    axes.set(xscale="log", xlabel="parameters", ylabel="error (fraction)")
    axes.legend()
    return figure
