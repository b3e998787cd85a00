"""Forest plot of verdicts: both claims about each predictor, with intervals, side by side for several tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benevolent.analysis.figures.labels import short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, WIDTH_INCHES
from benevolent.analysis.formatting import in_words

COLORS = ("#440154", "#21918c", "#fd9a44", "#5b5b5b")
#: For each claim the columns of its estimate, the ends of its interval and its q-value, and the label of its axis.
CLAIMS = {
    "beyond the hyperparameters": ("within", "beyond_q", "rank correlation within configurations"),
    "transfers to new configurations": ("gain", "transfers_q", "gain in cross-validated R²"),
}
ESTIMATES = {"within": "within", "gain": "gain_r2"}
SPREAD = 0.5  # height that the tables of one predictor take, in rows


def both_claims_figure(verdicts: Mapping[str, pd.DataFrame], level: float) -> Figure:
    """Draw the estimates and intervals of both claims, strongest mean association first.

    A filled marker is a claim that is made: its q-value is at most the level, and a gain is positive.

    Args:
        verdicts: name of a table -> its verdicts by predictor, the table of `Verdicts`; at most four.
        level: false discovery rate of the decisions.

    Raises:
        NothingToDraw: no association is known.
    """
    strengths = pd.DataFrame({name: rows["within"].astype(float).abs() for name, rows in verdicts.items()})
    order = strengths.mean(axis="columns").dropna().sort_values(kind="stable").index
    if not len(order):
        raise NothingToDraw("No association within configurations.")
    figure = Figure(figsize=(WIDTH_INCHES, 1.1 + 0.2 * len(order)), layout="constrained")
    panels = figure.subplots(1, len(CLAIMS), sharey=True)
    offsets = np.linspace(SPREAD / 2, -SPREAD / 2, len(verdicts)) if len(verdicts) > 1 else [0.0]
    for panel, (title, (claim, q, label)) in zip(panels, CLAIMS.items(), strict=True):
        for (name, rows), offset, color in zip(verdicts.items(), offsets, COLORS, strict=False):
            _draw_table(panel, rows.reindex(order), claim, q, level, offset, color)
            panel.plot([], [], "o", color=color, markersize=4, label=short_label(in_words(name)))
        panel.axvline(0, color=INK, linewidth=0.7)
        panel.set(title=title, xlabel=label)
        panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(order)), [short_label(in_words(name)) for name in order])
    panels[0].set_ylim(-0.7, len(order) - 0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


def _draw_table(panel: Axes, rows: pd.DataFrame, claim: str, q: str, level: float, offset: float, color: str) -> None:
    """Draw one claim about all predictors of one table."""
    estimate = rows[ESTIMATES[claim]].to_numpy(dtype=float)
    low = rows[f"{claim}_low"].to_numpy(dtype=float)
    high = rows[f"{claim}_high"].to_numpy(dtype=float)
    is_claimed = rows[q].to_numpy(dtype=float) <= level
    if claim == "gain":
        is_claimed &= estimate > 0
    height = np.arange(len(rows)) + offset
    panel.hlines(height, low, high, color=color, linewidth=1)
    for chosen, face in ((is_claimed, color), (~is_claimed, "white")):
        panel.scatter(estimate[chosen], height[chosen], s=14, color=face, edgecolor=color, linewidth=0.9, zorder=3)
