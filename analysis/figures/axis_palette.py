"""Colors and markers for the values of one hyperparameter axis."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benevolent.analysis.figures.labels import format_value, short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import MISSING, WIDTH_INCHES

MAX_LEGEND_VALUES = 12
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))  # the same of lines
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # tell values apart in a gray print
ENTRY_INCHES = 0.42  # width of a legend entry without its text
LETTER_INCHES = 0.065


class AxisPalette(NamedTuple):
    """A color and a marker for each value of one hyperparameter axis.

    Colors run from dark to light in the order of the values, so they stay ordered in a gray print.

    Attributes:
        axis: name of the axis, as the legend shows it.
        values: distinct values in ascending order.
        colors: one matplotlib color per value.
        markers: one matplotlib marker per value.
    """

    axis: str
    values: list[Any]
    colors: list[Any]
    markers: list[str]

    @classmethod
    def of(cls, axis: str, column: "pd.Series[Any]") -> "AxisPalette":
        """Assign colors and markers to the distinct values of a column, in ascending order."""
        values = _sorted_values(column)
        colors = color_ramp(len(values))
        markers = [MARKERS[i % len(MARKERS)] for i in range(len(values))]
        return cls(axis, values, list(colors), markers)

    @property
    def styles(self) -> list[Any]:
        """One matplotlib line style per value."""
        return [STYLES[i % len(STYLES)] for i in range(len(self.values))]

    def groups(self, column: "pd.Series[Any]") -> list[tuple[Any, str, np.ndarray]]:
        """Return (color, marker, mask of rows) for each value; rows without a value come last, in gray."""
        groups = []
        for value, color, marker in zip(self.values, self.colors, self.markers, strict=True):
            groups.append((color, marker, (column == value).to_numpy()))
        groups.append((MISSING, "o", column.isna().to_numpy()))
        return groups

    def legend(self, figure: Figure, lines: bool = False, styled: bool = False) -> None:
        """Draw the legend above the panels, on as many rows as it needs.

        An axis with many values shows at most 12 of them, evenly spread.

        Args:
            figure: gets the legend.
            lines: show colored lines instead of markers.
            styled: show lines in their styles too, as the panels do.
        """
        shown = min(MAX_LEGEND_VALUES, len(self.values))
        places = np.linspace(0, len(self.values) - 1, shown).round()
        chosen = np.unique(places.astype(int))
        entries = [(Line2D([], [], linestyle=""), short_label(self.axis))]
        for i in chosen:
            text = short_label(format_value(self.values[i]), 18)
            entries.append((self._handle(i, lines, styled), text))
        width_inches = sum(ENTRY_INCHES + LETTER_INCHES * len(text) for _, text in entries)
        rows = math.ceil(width_inches / WIDTH_INCHES)
        columns = math.ceil(len(entries) / rows)
        handles = []
        texts = []
        for column in range(columns):  # matplotlib fills a legend column by column
            for handle, text in entries[column::columns]:
                handles.append(handle)
                texts.append(text)
        figure.legend(handles, texts, loc="outside upper left", ncols=columns, handletextpad=0.4, columnspacing=1.4)

    def _handle(self, i: int, lines: bool, styled: bool) -> Line2D:
        """Return the sample of value i that the legend draws."""
        if lines:
            return Line2D([], [], color=self.colors[i], linestyle=self.styles[i] if styled else "-", linewidth=1.6)
        return Line2D([], [], color=self.colors[i], marker=self.markers[i], linestyle="", markersize=4.5)


def color_ramp(count: int) -> np.ndarray:
    """Return (count, 4) colors from dark to light; at least one."""
    positions = np.linspace(0.0, 0.86, max(count, 1))
    return np.asarray(matplotlib.colormaps["viridis"](positions))


def most_explanatory_axis(table: pd.DataFrame, axes: Sequence[str], target: str) -> str:
    """Return the axis whose values separate the ranks of a target best, to color runs by.

    It has the largest eta squared: the share of the ranks' variance between the axis's values. The first axis wins
    ties.

    Args:
        table: one row per run.
        axes: candidate columns; those absent from the table or with a single value are skipped.
        target: outcome column.

    Raises:
        NothingToDraw: no axis has more than one value.
    """
    candidates = [axis for axis in axes if axis in table and table[axis].nunique() > 1]
    if not candidates:
        raise NothingToDraw("No axis has more than one value.")
    ranks = table[target].rank() if target in table else pd.Series(0.0, index=table.index)

    def variance_between_values(axis: str) -> float:
        means = ranks.groupby(table[axis].astype(str)).transform("mean")
        return float(np.nan_to_num(means.var(ddof=0)))

    return max(candidates, key=variance_between_values)


def palette_of_runs(table: pd.DataFrame, axes: Sequence[str], target: str) -> AxisPalette | None:
    """Return the palette of the axis that separates a target best; None if no axis has more than one value."""
    try:
        axis = most_explanatory_axis(table, axes, target)
    except NothingToDraw:
        return None
    return AxisPalette.of(axis, table[axis])


def _sorted_values(column: "pd.Series[Any]") -> list[Any]:
    """Return the distinct values of a column in ascending order; values of mixed types by their text."""
    present = column.dropna().unique().tolist()
    try:
        return sorted(present)
    except TypeError:
        return sorted(present, key=str)
