"""Forest plot of verdicts: both claims about each predictor, with intervals, side by side for several tables."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benevolent.analysis.figures.axis_palette import color_ramp
from benevolent.analysis.figures.labels import short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, WIDTH_INCHES
from benevolent.analysis.formatting import in_words
from benevolent.analysis.judging.decisions import ADDS, ADDS_BEYOND, ADDS_IN_TRANSFER


class ClaimPanel(NamedTuple):
    """One claim: its title, the columns of the estimate and its interval, the axis label, and who makes the claim."""

    title: str
    estimate: str
    low: str
    high: str
    label: str
    decisions: tuple[str, ...]


PANELS = (
    ClaimPanel(
        "beyond the hyperparameters",
        "within",
        "within_low",
        "within_high",
        "rank correlation within configurations",
        (ADDS, ADDS_BEYOND),
    ),
    ClaimPanel(
        "transfers to new configurations",
        "gain_r2",
        "gain_low",
        "gain_high",
        "gain in cross-validated R²",
        (ADDS, ADDS_IN_TRANSFER),
    ),
)
SPREAD = 0.5  # height that the tables of one predictor take, in rows


def both_claims_figure(verdicts: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the estimates and intervals of both claims, strongest mean association first.

    A filled marker is a claim that the decision makes.

    Args:
        verdicts: name of a table -> its verdicts by predictor, the table of `Verdicts` in one scope.

    Raises:
        NothingToDraw: no association is known.
    """
    strengths = pd.DataFrame({name: rows["within"].astype(float).abs() for name, rows in verdicts.items()})
    order = strengths.mean(axis="columns").dropna().sort_values(kind="stable").index
    if not len(order):
        raise NothingToDraw("No association within configurations.")
    figure = Figure(figsize=(WIDTH_INCHES, 1.1 + 0.2 * len(order)), layout="constrained")
    plots = figure.subplots(1, len(PANELS), sharey=True)
    offsets = np.linspace(SPREAD / 2, -SPREAD / 2, len(verdicts)) if len(verdicts) > 1 else [0.0]
    colors = color_ramp(len(verdicts))
    for plot, panel in zip(plots, PANELS, strict=True):
        for (name, rows), offset, color in zip(verdicts.items(), offsets, colors, strict=True):
            _draw_table(plot, panel, rows.reindex(order), offset, color)
            plot.plot([], [], "o", color=color, markersize=4, label=short_label(in_words(name)))
        plot.axvline(0, color=INK, linewidth=0.7)
        plot.set(title=panel.title, xlabel=panel.label)
        plot.xaxis.set_major_locator(MaxNLocator(5))
        plot.grid(visible=False, axis="y")
    plots[0].set_yticks(range(len(order)), [short_label(in_words(name)) for name in order])
    plots[0].set_ylim(-0.7, len(order) - 0.3)
    handles, labels = plots[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


def _draw_table(plot: Axes, panel: ClaimPanel, rows: pd.DataFrame, offset: float, color: np.ndarray) -> None:
    """Draw one claim about all predictors of one table."""
    estimate = rows[panel.estimate].to_numpy(dtype=float)
    low = rows[panel.low].to_numpy(dtype=float)
    high = rows[panel.high].to_numpy(dtype=float)
    is_claimed = rows["decision"].isin(panel.decisions).to_numpy()
    height = np.arange(len(rows)) + offset
    plot.hlines(height, low, high, color=color, linewidth=1)
    for chosen, face in ((is_claimed, color), (~is_claimed, "white")):
        plot.scatter(estimate[chosen], height[chosen], s=14, color=face, edgecolor=color, linewidth=0.9, zorder=3)
