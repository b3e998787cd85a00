"""Figures of losses along paths between two networks, and of their heights against the width."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    RED,
    TEAL,
    LabeledStyle,
    LineStyle,
    draw_line,
    draw_mean_and_bars,
    mark_numbers,
    new_figure,
)
from benevolent.analysis.studies.shared.tables import Tables, rows_with

#: Style of each path.
STYLES = {
    "straight": LabeledStyle(LineStyle(DARK_GRAY, "o", "-"), "straight line"),
    "rescaled": LabeledStyle(LineStyle(RED, "v", ":"), "straight, layers rescaled"),
    "matched": LabeledStyle(LineStyle(RED, "s", "--"), "straight, units matched"),
    "curve": LabeledStyle(LineStyle(TEAL, "D", "-."), "fitted curve"),
    "proof": LabeledStyle(LineStyle(BLACK, "", "-"), "path of the proof"),
    "run": LabeledStyle(LineStyle(BLACK, "^", ":"), "within one run"),
}
LABELS = {"excess": "rise above the worse network", "barrier": "barrier"}
#: Heights below this, as a fraction of the loss of chance, are drawn at the bottom.
LEAST_HEIGHT = 1e-4


def draw_losses(losses: pd.DataFrame, widths: Mapping[int, str], paths: Sequence[str], chance: float) -> Figure:
    """Draw train losses along paths, means over pairs of networks, a panel per width.

    Args:
        losses: from `valley_pairs.losses_along_paths`.
        widths: widths to show, and the titles of their panels.
        paths: to show.
        chance: loss of equal probabilities, a horizontal line.
    """
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(widths), sharey=True)
    for panel, (width, title) in zip(panels, widths.items(), strict=True):
        panel.axhline(chance, color=DARK_GRAY, linewidth=0.8, linestyle=(0, (1, 2)))
        of_width = rows_with(losses, "width", width)
        for name in paths:
            _draw_mean_loss(panel, rows_with(of_width, "path", name), STYLES[name])
        panel.set(xlabel="position on the path")
        panel.set_title(title, loc="left")
    panels[0].set_ylabel("train loss (nats)")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_mean_loss(panel: Axes, rows: pd.DataFrame, style: LabeledStyle) -> None:
    """Draw the mean loss over pairs against the position on one path, with about seven marks."""
    if rows.empty:
        return
    mean = rows["loss"].groupby(rows["t"].round(6)).mean()
    marked = slice(0, None, max(1, len(mean) // 7))
    draw_line(panel, mean, style.look, style.label, markevery=marked, markersize=4)


def draw_heights(tables: Tables, column: str, paths: Sequence[str], examples: Mapping[str, int]) -> Figure:
    """Draw heights of paths against the width, means over pairs with their range, a panel per sweep.

    Args:
        tables: from `valley_heights.heights`, by the title of the panel.
        column: `excess` or `barrier`.
        paths: to show.
        examples: number of training examples by title; vertical lines at it and at twice it where they are in range.
    """
    figure = new_figure(2.9)
    panels = figure.subplots(1, len(tables), sharey=True)
    for panel, (title, table) in zip(panels, tables.items(), strict=True):
        for name in paths:
            _draw_heights(panel, rows_with(table, "path", name), column, name)
        _draw_limits(panel, examples[title], table["width"].max())
        panel.set(xscale="log", yscale="log", xlabel="hidden units")
        mark_numbers(panel, table["width"])
        panel.set_title(title, loc="left")
    panels[0].set_ylabel(f"{LABELS[column]},\n% of the loss of chance")
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    handles, names = panels[-1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def _draw_heights(panel: Axes, rows: pd.DataFrame, column: str, name: str) -> None:
    if rows.empty:
        return
    style = STYLES[name]
    draw_mean_and_bars(panel, rows, "width", column, style.look, style.label, LEAST_HEIGHT)


def _draw_limits(panel: Axes, examples: int, widest: int) -> None:
    """Mark the widths of the theorems: as many units as examples, and twice as many."""
    for factor, name in ((1, "n"), (2, "2n")):
        if factor * examples <= widest:
            panel.axvline(factor * examples, color=DARK_GRAY, linewidth=0.8, linestyle=(0, (4, 2)))
            panel.annotate(
                name,
                (factor * examples, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -8),
                textcoords="offset points",
                fontsize=7.5,
                color=DARK_GRAY,
            )
