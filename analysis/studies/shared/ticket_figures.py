"""Figures of tickets and controls: early-stop iteration and accuracy against the fraction of weights left."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from benevolent.analysis.figures import WIDTH_INCHES
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    RED,
    TEAL,
    LineStyle,
    draw_mean_and_bars,
)
from benevolent.analysis.studies.shared.ticket_values import AFTER, recorded_iterations

#: Color, marker and line of each kind of networks.
STYLES = {
    "ticket": LineStyle(BLACK, "o", "-"),
    "reinit": LineStyle(RED, "s", ":"),
    "shuffle": LineStyle(TEAL, "D", "-."),
    "random_mask": LineStyle(DARK_GRAY, "^", "--"),
    "one-shot": LineStyle(TEAL, "v", "--"),
}
MARKERS = "osD^vP*X"
#: Fractions of weights left that the axis names, as in the source.
TICKS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


def draw_kinds(values: pd.DataFrame, kinds: Mapping[str, str]) -> Figure:
    """Draw early-stop iteration and accuracy against weights left: a row of panels per model, a line per kind.

    Args:
        values: from `ticket_values.early_stop_values`.
        kinds: controls to show, and their names in the legend.
    """
    models = list(dict.fromkeys(values["model"]))
    figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 2.1 * len(models)), layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False)
    for model, (left, right) in zip(models, panels, strict=True):
        rows = values[values["model"] == model]
        _draw_column(left, rows, "iteration", kinds)
        _draw_column(right, rows, "accuracy", kinds)
        left.set(ylabel="early-stop iteration", yscale="log")
        left.yaxis.set_major_locator(FixedLocator(_round_ticks(rows["iteration"])))
        left.yaxis.set_minor_locator(NullLocator())
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        right.set_ylabel("test accuracy at early stop")
        right.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        left.set_title(model, loc="left")
        right.set_title(model, loc="left")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _round_ticks(values: "pd.Series[float]") -> list[float]:
    """Return 1, 2 and 5 times powers of ten within the range of positive values."""
    ticks = [digit * 10.0**power for power in range(7) for digit in (1, 2, 5)]
    return [tick for tick in ticks if 0.8 * values.min() <= tick <= 1.25 * values.max()]


def _draw_column(panel: Axes, rows: pd.DataFrame, column: str, kinds: Mapping[str, str]) -> None:
    """Draw means and ranges over seeds of a column, and a line at the dense network's mean."""
    dense = rows[rows["left"] == 1]
    panel.axhline(dense[column].mean(), color=DARK_GRAY, linewidth=0.9)
    for name, label in kinds.items():
        shown = rows[(rows["control"] == name) & (rows["left"] < 1)]
        if shown.empty:
            continue
        draw_mean_and_bars(panel, pd.concat([dense, shown]), "left", column, STYLES[name], label)
    panel.set(xscale="log", xlabel="weights left")
    panel.set_xlim(1.15, 0.85 * rows["left"].min())
    panel.xaxis.set_major_locator(FixedLocator(TICKS))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))


def draw_by_iteration(values: pd.DataFrame, controls: Sequence[str], names: Mapping[str, str]) -> Figure:
    """Draw mean test accuracy against the iteration, a panel per control, a line per fraction of weights left.

    Args:
        values: from `ticket_values.early_stop_values`, of one model.
        controls: one panel each; fractions are those that all of them have, and the dense network.
        names: titles of the panels by control.
    """
    shared = set(values.loc[values["control"] == controls[0], "left"])
    for control in controls[1:]:
        shared &= {1.0, *values.loc[values["control"] == control, "left"]}
    fractions = sorted(shared, reverse=True)
    figure = Figure(figsize=(WIDTH_INCHES, 2.6), layout="constrained")
    panels = figure.subplots(1, len(controls), sharey=True)
    for control, panel in zip(controls, panels, strict=True):
        for place, fraction in enumerate(fractions):
            kind = "ticket" if fraction == 1 else control
            rows = values[(values["left"] == fraction) & (values["control"] == kind)]
            _draw_accuracies(panel, rows, place, len(fractions), f"{fraction:.1%}")
        panel.set(xscale="log", xlabel="training iteration")
        panel.set_title(names[control], loc="left")
        panel.xaxis.set_major_locator(FixedLocator([digit * 10**power for power in range(6) for digit in (1, 2, 5)]))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set_ylabel("test accuracy")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1))
    panels[-1].legend(title="weights left", loc="lower right")
    return figure


def _draw_accuracies(panel: Axes, rows: pd.DataFrame, place: int, count: int, label: str) -> None:
    """Draw the mean accuracy after each recorded iteration."""
    means = pd.Series({step: rows[AFTER.format(step)].mean() for step in recorded_iterations(rows)}).dropna()
    color = colormaps["viridis"](0.9 * place / max(1, count - 1))
    line = "-" if place % 2 == 0 else "--"
    panel.plot(means.index, means, line, color=color, marker=MARKERS[place % len(MARKERS)], markersize=4, label=label)
