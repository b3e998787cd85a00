"""Figures of losses along paths between two networks, and of their heights against the width."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benevolent.analysis.figures import WIDTH_INCHES
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    RED,
    TEAL,
    LineStyle,
    draw_mean_and_bars,
)

#: Color, marker, line and name of each path.
STYLES = {
    "straight": (DARK_GRAY, "o", "-", "straight line"),
    "rescaled": (RED, "v", ":", "straight, layers rescaled"),
    "matched": (RED, "s", "--", "straight, units matched"),
    "curve": (TEAL, "D", "-.", "fitted curve"),
    "proof": (BLACK, "", "-", "path of the proof"),
    "run": (BLACK, "^", ":", "within one run"),
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
    figure = Figure(figsize=(WIDTH_INCHES, 2.7), layout="constrained")
    panels = figure.subplots(1, len(widths), sharey=True)
    for panel, (width, title) in zip(panels, widths.items(), strict=True):
        panel.axhline(chance, color=DARK_GRAY, linewidth=0.8, linestyle=(0, (1, 2)))
        for name in paths:
            rows = losses[(losses["width"] == width) & (losses["path"] == name)]
            if rows.empty:
                continue
            color, marker, line, label = STYLES[name]
            mean = rows.assign(t=rows["t"].round(6)).groupby("t")["loss"].mean()
            marked = slice(0, None, max(1, len(mean) // 7))
            panel.plot(mean.index, mean, line, color=color, marker=marker, markevery=marked, markersize=4, label=label)
        panel.set(xlabel="position on the path")
        panel.set_title(title, loc="left")
    panels[0].set_ylabel("train loss (nats)")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def draw_heights(
    tables: Mapping[str, pd.DataFrame], column: str, paths: Sequence[str], examples: Mapping[str, int]
) -> Figure:
    """Draw heights of paths against the width, means over pairs with their range, a panel per sweep.

    Args:
        tables: from `valley_heights.heights`, by the title of the panel.
        column: `excess` or `barrier`.
        paths: to show.
        examples: number of training examples by title; vertical lines at it and at twice it where they are in range.
    """
    figure = Figure(figsize=(WIDTH_INCHES, 2.9), layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True)
    for panel, (title, table) in zip(panels, tables.items(), strict=True):
        for name in paths:
            _draw_heights(panel, table[table["path"] == name], column, name)
        _draw_limits(panel, examples[title], table["width"].max())
        widths = sorted(table["width"].unique())
        panel.set(xscale="log", yscale="log", xlabel="hidden units")
        panel.set_xticks(widths, [str(width) for width in widths])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_title(title, loc="left")
    panels[0].set_ylabel(f"{LABELS[column]},\n% of the loss of chance")
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    handles, names = panels[-1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def _draw_heights(panel: Axes, rows: pd.DataFrame, column: str, name: str) -> None:
    if rows.empty:
        return
    color, marker, line, label = STYLES[name]
    draw_mean_and_bars(panel, rows, "width", column, LineStyle(color, marker, line), label, LEAST_HEIGHT)


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
