"""Scatter figures: train against test loss, and an outcome against the predictors that track it best."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures.axis_palette import AxisPalette, palette_of_runs
from benevolent.analysis.figures.labels import axis_label, short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, MANY_POINTS, WIDTH_INCHES, log_if_wide
from benevolent.analysis.statistics.linear_fit import linear_fit


class ScatterPanel(NamedTuple):
    """Two columns of a table to draw against each other, with the panel's title and axis labels."""

    x: str
    y: str
    title: str
    x_label: str
    y_label: str


def finite_rows(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows in which every named column holds a finite number; no rows if a column is missing."""
    if any(column not in table for column in columns):
        return table.iloc[:0]
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    numbers = numbers.astype(float)
    finite = np.isfinite(numbers).all(axis=1)
    return table.assign(**numbers)[finite]


def train_test_scatter(table: pd.DataFrame, axes: Sequence[str], panels: Sequence[ScatterPanel]) -> Figure:
    """Draw train against test loss, one panel each, with a least-squares line.

    Follows Liao et al. 2018 ("A Surprising Linear Relationship Predicts Test Performance in Deep Networks"):
    after dividing the outputs by the product of the layers' norms, test loss is almost a line in train loss.

    Args:
        table: one row per run.
        axes: the sweep's axes; the one that separates the last panel's y best gives the colors.
        panels: columns to draw; a panel with fewer than three runs or two distinct x is left out.

    Raises:
        NothingToDraw: no panel can be drawn.
    """
    drawn = []
    for panel in panels:
        rows = finite_rows(table, [panel.x, panel.y])
        if len(rows) >= 3 and rows[panel.x].nunique() > 1:
            drawn.append((panel, rows))
    if not drawn:
        raise NothingToDraw("Fewer than three runs have both a train and a test loss.")
    last_panel, last_rows = drawn[-1]
    palette = palette_of_runs(last_rows, axes, last_panel.y)
    figure = Figure(figsize=(WIDTH_INCHES, 3.6 if len(drawn) > 1 else 4.2), layout="constrained")
    plots = figure.subplots(1, len(drawn), squeeze=False)[0]
    for plot, (panel, rows) in zip(plots, drawn, strict=True):
        _draw_points(plot, rows, panel.x, panel.y, palette)
        x = rows[panel.x].to_numpy()
        y = rows[panel.y].to_numpy()
        fit = _draw_line(plot, x, y)
        plot.set_title(f"{short_label(panel.title, 60)}\n{fit}", loc="left", linespacing=1.5)
        plot.set(xlabel=short_label(panel.x_label, 60), ylabel=short_label(panel.y_label, 60))
        plot.locator_params(nbins=6)
    if palette:
        palette.legend(figure)
    return figure


def outcome_by_predictors(
    table: pd.DataFrame, axes: Sequence[str], target: str, taus: Mapping[str, float], units: Mapping[str, str]
) -> Figure:
    """Draw an outcome against each given predictor, colored and marked by the axis that separates it best.

    Args:
        table: one row per run.
        axes: the sweep's axes.
        target: the outcome's column.
        taus: predictor -> Kendall tau to print above its panel, in drawing order.
        units: unit of a predictor or of the target, where it has one.

    Raises:
        NothingToDraw: no predictor has two runs with finite values.
    """
    drawn = []
    for name in taus:
        rows = finite_rows(table, [name, target])
        if len(rows) >= 2:
            drawn.append((name, rows))
    if not drawn:
        raise NothingToDraw(f"Fewer than two runs have both {target} and a dynamics statistic.")
    palette = palette_of_runs(table, axes, target)
    outcomes = finite_rows(table, [target])[target].to_numpy()
    columns = min(2, len(drawn))
    lines = -(-len(drawn) // columns)
    figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 2.75 * lines), layout="constrained")
    plots = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for i, (name, rows) in enumerate(drawn):
        plot = plots[i]
        _draw_points(plot, rows, name, target, palette)
        log_if_wide(plot, "x", rows[name].to_numpy())
        log_if_wide(plot, "y", outcomes)
        title = f"τ = {taus[name]:+.2f},  {len(rows)} runs".replace("-", "−")
        plot.set_title(title, loc="right", color="#5b5b5b")
        plot.set_xlabel(axis_label(name, units.get(name, "")))
        if i % columns == 0:
            plot.set_ylabel(axis_label(target, units.get(target, "")))
    for plot in plots[len(drawn) :]:
        plot.remove()
    if palette:
        palette.legend(figure)
    return figure


def predictor_scatter(table: pd.DataFrame, x: str, y: str, palette: AxisPalette | None) -> Figure:
    """Draw one column against another, a point for each run.

    Args:
        table: one row per run.
        x: column.
        y: column.
        palette: colors and markers; None for points of one color.

    Raises:
        NothingToDraw: fewer than two runs have both.
    """
    rows = finite_rows(table, [x, y])
    if len(rows) < 2:
        raise NothingToDraw(f"Fewer than two runs have both {x} and {y}.")
    figure = Figure(figsize=(WIDTH_INCHES / 1.5, 3.6), layout="constrained")
    plot = figure.subplots()
    _draw_points(plot, rows, x, y, palette)
    log_if_wide(plot, "x", rows[x].to_numpy())
    log_if_wide(plot, "y", rows[y].to_numpy())
    plot.set(xlabel=axis_label(x, ""), ylabel=axis_label(y, ""))
    if palette:
        palette.legend(figure)
    return figure


def _draw_points(plot: Axes, rows: pd.DataFrame, x: str, y: str, palette: AxisPalette | None) -> None:
    """Draw one point per run, in the color and marker of its axis value."""
    everything = np.ones(len(rows), dtype=bool)
    groups: list[tuple[Any, str, np.ndarray]] = [(INK, "o", everything)]
    if palette:
        groups = palette.groups(rows[palette.axis])
    runs = rows.get("run_id")
    for color, marker, chosen in groups:
        plot.scatter(
            rows[x].to_numpy()[chosen],
            rows[y].to_numpy()[chosen],
            s=17,
            color=color,
            marker=marker,
            alpha=0.85,
            edgecolors="white",
            linewidths=0.4,
            rasterized=len(rows) > MANY_POINTS,
            urls=None if runs is None else [str(run) for run in runs[chosen]],
        )


def _draw_line(plot: Axes, x: np.ndarray, y: np.ndarray) -> str:
    """Draw the least-squares line and return its coefficients as text."""
    fit = linear_fit(x, y)
    ends = np.array([x.min(), x.max()])
    plot.plot(ends, fit.intercept + fit.slope * ends, color=INK, linewidth=1.1, zorder=3)
    text = f"R² {fit.r2:.4f},  slope {fit.slope:.3g},  intercept {fit.intercept:.3g},  {fit.n} runs"
    return text.replace("-", "−")
