"""Heat map of granulated Kendall tau: each predictor along each axis."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from benevolent.analysis.figures.labels import short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, WIDTH_INCHES

PREFIX = "granulated["
MOST_UPRIGHT_LABELS = 6  # more column labels than these are slanted
DARK_CELL = 0.62  # |tau| beyond which a cell is too dark for black text


def granulated_taus(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return predictors x axes of granulated tau, with the mean Psi as the last column; the strongest come first."""
    columns = [name for name in verdicts.columns if name.startswith(PREFIX) and name.endswith("]")]
    taus = verdicts[columns].rename(columns=lambda name: name.removeprefix(PREFIX).removesuffix("]"))
    if "psi" in verdicts:
        taus = taus.assign(Ψ=verdicts["psi"])
    numbers = taus.apply(pd.to_numeric, errors="coerce").astype(float)
    last_column = numbers.iloc[:, -1:]  # empty if there is no column: then all predictors are equally strong
    strength = last_column.abs().sum(axis=1)
    return numbers.loc[strength.sort_values(ascending=False, kind="stable").index]


def granulated_heat_map(verdicts: pd.DataFrame) -> Figure:
    """Draw granulated tau as a predictor-by-axis heat map; every cell shows its number.

    Args:
        verdicts: verdict table of ``judge``: index predictor, columns ``granulated[<axis>]`` and ``psi``.

    Raises:
        NothingToDraw: there is no finite granulated tau.
    """
    taus = granulated_taus(verdicts)
    if not np.isfinite(taus.to_numpy(dtype=float)).any():
        raise NothingToDraw("No granulated tau: too few runs differ in a single axis.")
    rows, columns = taus.shape
    figure = Figure(figsize=(WIDTH_INCHES, 1.25 + 0.235 * rows), layout="constrained")
    plot = figure.subplots()
    plot.set_facecolor("#f2f2f2")
    image = plot.imshow(taus.to_numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    _write_numbers(plot, taus)
    _label_axes(plot, taus)
    _separate_cells(plot, rows, columns)
    if "psi" in verdicts and columns > 1:
        plot.axvline(columns - 1.5, color="white", linewidth=4)
    bar = figure.colorbar(image, ax=plot, fraction=0.03, pad=0.015, aspect=26)
    bar.set_label("granulated Kendall τ")
    bar.outline.set_visible(False)
    return figure


def _write_numbers(plot: Axes, taus: pd.DataFrame) -> None:
    """Write each tau into its cell, a dash where there is none."""
    for (row, column), tau in np.ndenumerate(taus.to_numpy()):
        text = "–"
        color = "#8a8a8a"
        if np.isfinite(tau):
            text = f"{tau:+.2f}".replace("-", "−")
            color = "white" if abs(tau) > DARK_CELL else INK
        cell = plot.text(column, row, text, ha="center", va="center", color=color, fontsize=7.5)
        cell.set_in_layout(False)  # it lies inside the panel, so that the layout need not measure it


def _label_axes(plot: Axes, taus: pd.DataFrame) -> None:
    """Name the predictors at the left and the axes at the top."""
    upright = len(taus.columns) <= MOST_UPRIGHT_LABELS
    plot.set_yticks(range(len(taus)), [short_label(name) for name in taus.index])
    column_label = _two_line_label if upright else short_label
    plot.set_xticks(range(len(taus.columns)), [column_label(name) for name in taus.columns])
    plot.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    if not upright:
        plot.tick_params(axis="x", labelrotation=30)
        for tick in plot.get_xticklabels():
            tick.set(ha="left", rotation_mode="anchor")


def _separate_cells(plot: Axes, rows: int, columns: int) -> None:
    """Draw white lines between the cells."""
    plot.grid(False)
    between_rows = [[(-0.5, row - 0.5), (columns - 0.5, row - 0.5)] for row in range(rows + 1)]
    between_columns = [[(column - 0.5, -0.5), (column - 0.5, rows - 0.5)] for column in range(columns + 1)]
    borders = LineCollection(between_rows + between_columns, colors="white", linewidths=1.2)
    plot.add_collection(borders, autolim=False)
    plot.spines[:].set_visible(False)


def _two_line_label(axis: str) -> str:
    """Return a dotted axis name on two lines."""
    section, dot, name = axis.partition(".")
    if not dot:
        return short_label(axis, 18)
    return f"{short_label(section + dot, 18)}\n{short_label(name, 18)}"
