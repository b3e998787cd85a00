"""Widen networks at a fixed number of examples, and follow their test error."""

import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures import INK, render_figure
from benevolent.analysis.studies.shared.drawing import DARK_GRAY, LineStyle, draw_groups, new_figure
from benevolent.analysis.studies.shared.findings import Finding, StudyAnswer, StudyClaim, Sweeps
from benevolent.analysis.studies.shared.normalized_loss_findings import INTERVAL_RULE, order_finding
from benevolent.analysis.studies.shared.seed_means import mean_of, show_interval
from benevolent.analysis.studies.shared.tables import rows_with

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

#: Claims of the findings.
DOES_NOT_RISE = StudyClaim(
    "The test error does not increase with more parameters than examples",
    PAPER,
    explanation="with more parameters there are more ways to fit the examples, and SGD finds worse ones",
)
FALLS = StudyClaim(
    "The test error falls with more parameters, beyond one per example",
    explanation="wider networks differ too little from each other",
    kind="ours",
)


def answer(results: Sweeps) -> StudyAnswer:
    """Answer by `RULE`."""
    table = results["networks"].table()
    table["per_example"] = table["parameter_count"] / table["data.train_size"]
    overparameterized = table[(table["per_example"] > 1) & (table["train_error"] == 0)]
    falls = order_finding(FALLS, overparameterized, "parameter_count", "test_error", LEAST_FALL, sign=-1)
    figure = render_figure(
        "width",
        "Test and train error against the number of parameters",
        "Means over seeds with their range; the dotted line is one parameter per training example.",
        _draw,
        table,
    )
    return StudyAnswer([_does_not_rise(table), falls], [figure], table)


def _does_not_rise(table: pd.DataFrame) -> Finding:
    by_width = table.pivot(index="seed", columns="model.width", values="test_error")
    widest = by_width.columns.max()
    best = by_width.drop(columns=widest).mean().idxmin()
    networks = rows_with(table, "model.width", widest)
    excess = mean_of((by_width[widest] - by_width[best]).tolist())
    errors = f"width {widest} {by_width[widest].mean():.4f}, best other width {best} {by_width[best].mean():.4f}"
    per_example = f"{networks['per_example'].iloc[0]:.0f} parameters per example"
    evidence = f"{errors}, difference {show_interval(excess, '+.4f')}; {per_example}"
    all_fit = (networks["train_error"] == 0).all()
    all_wide = (networks["per_example"] >= FEWEST_PER_EXAMPLE).all()
    if not (all_fit and all_wide):
        wrong = (networks["train_error"] > 0).sum()
        reason = f"{wrong} of the {len(networks)} widest networks make training errors"
        return DOES_NOT_RISE.decide(None, evidence, reason)
    return DOES_NOT_RISE.decide(excess.value <= LARGEST_EXCESS and excess.high < LARGEST_EXCESS_HIGH, evidence)


def _draw(table: pd.DataFrame) -> Figure:
    figure = new_figure(3.2)
    panel = figure.subplots()
    by_size = table.groupby("parameter_count")
    draw_groups(panel, by_size["test_error"], LineStyle(INK, "o", "-"), "test error", linewidth=1)
    draw_groups(panel, by_size["train_error"], LineStyle(DARK_GRAY, "s", "--"), "train error", linewidth=1)
    panel.axvline(table["data.train_size"].iloc[0], color=DARK_GRAY, linestyle=":", linewidth=1)
    panel.set(xscale="log", xlabel="parameters", ylabel="error (fraction)")
    panel.legend()
    return figure
