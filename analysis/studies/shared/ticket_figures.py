"""Figures of tickets and controls: early-stop iteration and accuracy against the fraction of weights left."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    RED,
    TEAL,
    LineStyle,
    draw_line,
    draw_mean_and_bars,
    new_figure,
)
from benevolent.analysis.studies.shared.tables import rows_with
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
    figure = new_figure(0.5 + 2.1 * len(models))
    panels = figure.subplots(len(models), 2, squeeze=False)
    for model, (left, right) in zip(models, panels, strict=True):
        rows = rows_with(values, "model", model)
        _draw_column(left, rows, "iteration", kinds)
        _draw_column(right, rows, "accuracy", kinds)
        left.set(ylabel="early-stop iteration", yscale="log")
        _show_round_numbers(left.yaxis, 0.8 * rows["iteration"].min(), 1.25 * rows["iteration"].max())
        right.set_ylabel("test accuracy at early stop")
        right.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        left.set_title(model, loc="left")
        right.set_title(model, loc="left")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _show_round_numbers(axis: Axis, low: float = 0, high: float = math.inf) -> None:
    """Mark 1, 2 and 5 times powers of ten on a logarithmic axis, in a range, and nothing else."""
    ticks = [digit * 10.0**power for power in range(7) for digit in (1, 2, 5)]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_column(panel: Axes, rows: pd.DataFrame, column: str, kinds: Mapping[str, str]) -> None:
    """Draw means and ranges over seeds of a column, and a line at the dense network's mean."""
    dense = rows_with(rows, "left", 1)
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
    fractions = _shared_fractions(values, controls)
    figure = new_figure(2.6)
    panels = figure.subplots(1, len(controls), sharey=True)
    for control, panel in zip(controls, panels, strict=True):
        for place, fraction in enumerate(fractions):
            kind = "ticket" if fraction == 1 else control
            rows = rows_with(rows_with(values, "left", fraction), "control", kind)
            _draw_accuracies(panel, rows, place, len(fractions), f"{fraction:.1%}")
        panel.set(xscale="log", xlabel="training iteration")
        panel.set_title(names[control], loc="left")
        _show_round_numbers(panel.xaxis)
    panels[0].set_ylabel("test accuracy")
    panels[0].yaxis.set_major_formatter(PercentFormatter(1))
    panels[-1].legend(title="weights left", loc="lower right")
    return figure


def _shared_fractions(values: pd.DataFrame, controls: Sequence[str]) -> list[float]:
    """Return the fractions of weights left that networks of all controls have, largest first, with the dense one."""
    left = values.groupby("control")["left"].agg(set)
    shared = set.intersection(*({1.0} | left.get(control, set()) for control in controls))
    return sorted(shared, reverse=True)


def _draw_accuracies(panel: Axes, rows: pd.DataFrame, place: int, count: int, label: str) -> None:
    """Draw the mean accuracy after each recorded iteration."""
    means = {step: rows[AFTER.format(step)].mean() for step in recorded_iterations(rows)}
    color = colormaps["viridis"](0.9 * place / max(1, count - 1))
    line = "-" if place % 2 == 0 else "--"
    style = LineStyle(to_hex(color), MARKERS[place % len(MARKERS)], line)
    draw_line(panel, pd.Series(means).dropna(), style, label, markersize=4)
