"""Scatter figures: train against test loss, and an outcome against the predictors that track it best."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures.canvas import (
    INK,
    MANY_POINTS,
    WIDTH_INCHES,
    Encoding,
    NothingToDraw,
    label,
    log_if_wide,
    most_telling_axis,
    quantity,
)
from benevolent.analysis.statistics.fits import linear_fit


class Pair(NamedTuple):
    """Two columns of the table to be drawn against each other, and what the panel calls them."""

    x: str
    y: str
    title: str
    x_label: str
    y_label: str


def finite_rows(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows in which every named column holds a finite number; no rows if a column is missing."""
    if any(column not in table for column in columns):
        return table.iloc[:0]
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce").astype(float)
    return table.assign(**numbers)[np.isfinite(numbers).all(axis=1)]


def losses(table: pd.DataFrame, axes: Sequence[str], pairs: Sequence[Pair]) -> Figure:
    """Draw train against test loss, one panel per pair, each with its least-squares line.

    Follows Liao et al. 2018 ("A Surprising Linear Relationship Predicts Test Performance in Deep Networks"):
    after dividing the outputs by the product of the layers' norms, test loss is almost a line in train loss.

    Args:
        table: one row per run.
        axes: the sweep's axes; runs are colored by the one that separates the last pair's y best.
        pairs: columns to draw; a pair without three runs and two distinct x is left out.

    Raises:
        NothingToDraw: no pair can be drawn.
    """
    drawn = [(pair, finite_rows(table, [pair.x, pair.y])) for pair in pairs]
    drawn = [(pair, rows) for pair, rows in drawn if len(rows) >= 3 and rows[pair.x].nunique() > 1]
    if not drawn:
        raise NothingToDraw("Fewer than three runs have both a train and a test loss.")
    pair, rows = drawn[-1]
    encoding = _encoding(rows, axes, pair.y)
    figure = Figure(figsize=(WIDTH_INCHES, 3.6 if len(drawn) > 1 else 4.2), layout="constrained")
    for plot, (pair, rows) in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        _points(plot, rows, pair.x, pair.y, encoding)
        fit = _line(plot, rows[pair.x].to_numpy(), rows[pair.y].to_numpy())
        plot.set_title(f"{label(pair.title, 60)}\n{fit}", loc="left", linespacing=1.5)
        plot.set(xlabel=label(pair.x_label, 60), ylabel=label(pair.y_label, 60))
        plot.locator_params(nbins=6)
    if encoding:
        encoding.legend(figure)
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
    drawn = [(name, finite_rows(table, [name, target])) for name in taus]
    drawn = [(name, rows) for name, rows in drawn if len(rows) >= 2]
    if not drawn:
        raise NothingToDraw(f"Fewer than two runs have both {target} and a dynamics statistic.")
    encoding = _encoding(table, axes, target)
    columns = min(2, len(drawn))
    lines = -(-len(drawn) // columns)
    figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 2.75 * lines), layout="constrained")
    plots = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for index, (plot, (name, rows)) in enumerate(zip(plots, drawn, strict=False)):
        _points(plot, rows, name, target, encoding)
        log_if_wide(plot, "x", rows[name].to_numpy())
        log_if_wide(plot, "y", finite_rows(table, [target])[target].to_numpy())
        plot.set_title(f"τ = {taus[name]:+.2f},  {len(rows)} runs".replace("-", "−"), loc="right", color="#5b5b5b")
        plot.set_xlabel(quantity(name, units.get(name, "")))
        if index % columns == 0:
            plot.set_ylabel(quantity(target, units.get(target, "")))
    for plot in plots[len(drawn) :]:
        plot.remove()
    if encoding:
        encoding.legend(figure)
    return figure


def _encoding(table: pd.DataFrame, axes: Sequence[str], target: str) -> Encoding | None:
    try:
        axis = most_telling_axis(table, axes, target)
    except NothingToDraw:
        return None
    return Encoding.of(axis, table[axis])


def _points(plot: Axes, rows: pd.DataFrame, x: str, y: str, encoding: Encoding | None) -> None:
    every = np.ones(len(rows), dtype=bool)
    groups: list[tuple[Any, str, np.ndarray]] = (
        encoding.groups(rows[encoding.axis]) if encoding else [(INK, "o", every)]
    )
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
        )


def _line(plot: Axes, x: np.ndarray, y: np.ndarray) -> str:
    """Draw the least-squares line and return its coefficients as text."""
    fit = linear_fit(x, y)
    ends = np.array([x.min(), x.max()])
    plot.plot(ends, fit.intercept + fit.slope * ends, color=INK, linewidth=1.1, zorder=3)
    text = f"R² {fit.r2:.4f},  slope {fit.slope:.3g},  intercept {fit.intercept:.3g},  {fit.n} runs"
    return text.replace("-", "−")
