"""Widen networks at a fixed number of examples, and follow their test error."""

import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import INK, WIDTH_INCHES, render_figure
from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.drawing import DARK_GRAY
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, decide
from benevolent.analysis.studies.shared.normalized_loss_findings import INTERVAL_RULE, order_finding
from benevolent.analysis.studies.shared.seed_means import mean_over_seeds, show_interval

#: Largest excess of the widest networks' mean test error over that of the best of the other widths.
LARGEST_EXCESS = 0.01
#: Upper end of the interval of that excess.
LARGEST_EXCESS_HIGH = 2 * LARGEST_EXCESS
#: Fewest parameters per example of the widest networks.
FEWEST_PER_EXAMPLE = 10
#: Rank correlation, downward, of the number of parameters and test error.
LEAST_FALL = 0.6

RULE = f"""
Over all widths.

Does not rise: the mean test error of the widest networks is at most that of the best of the other widths plus
{LARGEST_EXCESS}, with the upper end of the 95% interval of the difference below {LARGEST_EXCESS_HIGH}; the widest
networks have at least {FEWEST_PER_EXAMPLE} parameters per example and fit every training example.

Falls: among networks with more parameters than examples that fit them all, Spearman's rank correlation of the number of
parameters and test error is at most -{LEAST_FALL}, and the upper end of its 95% interval below 0.

{INTERVAL_RULE}.
"""
PAPER = "figure 3: the test error does not increase beyond the size of the training set"


def answer(results: Mapping[str, Results]) -> StudyAnswer:
    """Answer by `RULE`."""
    table = results["networks"].table()
    table["per_example"] = table["parameter_count"] / table["data.train_size"]
    overparameterized = table[(table["per_example"] > 1) & (table["train_error"] == 0)]
    falls = order_finding(
        "The test error falls with more parameters, beyond one per example",
        overparameterized,
        "parameter_count",
        "test_error",
        LEAST_FALL,
        sign=-1,
        explanation="wider networks differ too little from each other",
        kind="ours",
    )
    figure = render_figure(
        "width",
        "Test and train error against the number of parameters",
        "Means over seeds with their range; the dotted line is one parameter per training example.",
        functools.partial(_draw, table),
    )
    return StudyAnswer([_does_not_rise(table), falls], [figure], table)


def _does_not_rise(table: pd.DataFrame) -> Finding:
    by_width = table.pivot(index="seed", columns="model.width", values="test_error")
    widest = by_width.columns.max()
    best = by_width.drop(columns=widest).mean().idxmin()
    networks = table[table["model.width"] == widest]
    errors = by_width.reset_index()
    excess = mean_over_seeds(errors, lambda rows: float((rows[widest] - rows[best]).mean()))
    all_fit = (networks["train_error"] == 0).all()
    all_wide = (networks["per_example"] >= FEWEST_PER_EXAMPLE).all()
    if all_fit and all_wide:
        decision = decide(excess.value <= LARGEST_EXCESS and excess.high < LARGEST_EXCESS_HIGH)
        reason = ""
    else:
        decision = decide(None)
        wrong = (networks["train_error"] > 0).sum()
        reason = f"{wrong} of the {len(networks)} widest networks make training errors"
    errors_shown = f"width {widest} {by_width[widest].mean():.4f}, best other width {best} {by_width[best].mean():.4f}"
    per_example = networks["per_example"].iloc[0]
    evidence = f"{errors_shown}, difference {show_interval(excess, '+.4f')}; {per_example:.0f} parameters per example"
    return Finding(
        "The test error does not increase with more parameters than examples",
        decision,
        evidence,
        PAPER,
        reason,
        explanation="with more parameters there are more ways to fit the examples, and SGD finds worse ones",
    )


def _draw(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(WIDTH_INCHES, 3.2), layout="constrained")
    panel = figure.subplots()
    by_size = table.groupby("parameter_count")
    for column, style, color in (("test_error", "-o", INK), ("train_error", "--s", DARK_GRAY)):
        errors = by_size[column]
        mean = errors.mean()
        reach = np.array([mean - errors.min(), errors.max() - mean])
        label = column.replace("_", " ")
        panel.errorbar(
            mean.index, mean, reach, fmt=style, color=color, markersize=4, linewidth=1, capsize=2, label=label
        )
    panel.axvline(table["data.train_size"].iloc[0], color=DARK_GRAY, linestyle=":", linewidth=1)
    panel.set(xscale="log", xlabel="parameters", ylabel="error (fraction)")
    panel.legend()
    return figure
