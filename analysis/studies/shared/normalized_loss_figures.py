"""Figures of normalized losses, for the studies of Liao et al. 2018."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benevolent.analysis import statistics as st
from benevolent.analysis.figures import RenderedFigure, axis_label, log_if_wide, render_figure
from benevolent.analysis.statistics import LinearFit
from benevolent.analysis.studies.shared.drawing import AXIS_LABELS, BLACK, GRAY, RED, axis_palette, new_figure
from benevolent.analysis.studies.shared.normalized_loss import DEALS, line_r2, loss_line
from benevolent.analysis.studies.shared.seed_means import minus_signs
from benevolent.analysis.studies.shared.tables import Tables

#: Divisor of the outputs, in words.
NORM_PRODUCT = "the product of norms"
#: Smallest 1 − R2 that is drawn on a logarithmic scale.
SMALLEST_LACK = 1e-12


def draw_losses(table: pd.DataFrame, axis: str, random: pd.DataFrame | None = None, by: str = NORM_PRODUCT) -> Figure:
    """Draw test against train loss, as trained and normalized, colored by an axis.

    Args:
        table: one row per network.
        axis: column that gives the colors.
        random: networks with random labels, drawn as red crosses among the normalized losses only: as trained, their
            losses would squash all others into a corner.
        by: divisor of the outputs, in words.
    """
    figure = new_figure(3.5)
    plain, normalized = figure.subplots(1, 2)
    _draw_loss_panel(plain, table, axis, normalized=False, title="As trained")
    _draw_loss_panel(normalized, table, axis, normalized=True, title=f"Divided by {by}", random=random)
    axis_palette(axis, table[axis]).legend(figure)
    return figure


def _draw_loss_panel(
    panel: Axes, table: pd.DataFrame, axis: str, normalized: bool, title: str, random: pd.DataFrame | None = None
) -> None:
    prefix = "normalized_" if normalized else ""
    x = f"{prefix}train_loss"
    y = f"{prefix}test_loss"
    draw_points(panel, table, x, y, axis)
    drawn_x = table[x]
    if random is not None and len(random):
        panel.scatter(random[x], random[y], s=30, color=RED, marker="x", label="random labels")
        panel.legend(loc="best")
        drawn_x = pd.concat([drawn_x, random[x]])
    fit = loss_line(table, normalized)
    draw_fit(panel, fit, drawn_x)
    panel.set_title(minus_signs(f"{title}\nR² {fit.r2:.4f}, slope {fit.slope:.3g}"), loc="left")
    panel.set(xlabel=axis_label(x, "nats"), ylabel=axis_label(y, "nats"))
    panel.ticklabel_format(useOffset=False)


def draw_fit(panel: Axes, fit: LinearFit, x: "pd.Series[float]") -> None:
    """Draw a fitted line over the range of some values, and few ticks."""
    ends = np.array([x.min(), x.max()])
    panel.plot(ends, fit.intercept + fit.slope * ends, color=BLACK, linewidth=1)
    panel.locator_params(nbins=5)


def draw_pairs(table: pd.DataFrame, axis: str, pairs: Sequence[tuple[str, str]], units: Mapping[str, str]) -> Figure:
    """Draw pairs of columns against each other, one panel per pair, colored by an axis.

    Args:
        table: one row per network.
        axis: column that gives the colors.
        pairs: columns of the horizontal and the vertical coordinate.
        units: of columns, for the labels.
    """
    figure = new_figure(3.1)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for panel, (x, y) in zip(panels, pairs, strict=True):
        draw_points(panel, table, x, y, axis)
        log_if_wide(panel, "x", table[x].to_numpy(dtype=float))
        panel.set_xlabel(axis_label(AXIS_LABELS.get(x, x), units.get(x, "")))
        panel.set_ylabel(axis_label(y, units.get(y, "")))
        panel.set_title(minus_signs(f"Spearman {st.spearman(table[x], table[y]):+.2f}"), loc="right")
    axis_palette(axis, table[axis]).legend(figure)
    return figure


def own_norm_figure(deals: Mapping[str, Sequence[pd.DataFrame]], own: Tables) -> RenderedFigure:
    """Render the figure of `OWN_NORM_RULE`: normalized losses with dealt norms, and with each network's own.

    Args:
        deals: normalized losses with dealt norms, by data set or network.
        own: normalized losses with each network's own norm, by the same names.
    """
    return render_figure(
        "own-norms",
        "How straight the line is with norms that belong to other networks",
        f"1 − R² of the normalized losses when norms are dealt out at random ({DEALS} deals, bars), and with each "
        "network's own norm (line). The nearer the bars are to 0, the more of the line comes merely from dividing "
        "train and test loss by one number, whichever it is.",
        _draw_deals,
        deals,
        own,
    )


def _draw_deals(deals: Mapping[str, Sequence[pd.DataFrame]], own: Tables) -> Figure:
    figure = new_figure(2.4)
    panels = figure.subplots(1, len(deals), squeeze=False)[0]
    for panel, (name, dealt) in zip(panels, deals.items(), strict=True):
        lacks = np.array([_lack(losses) for losses in dealt])
        panel.hist(lacks, bins=np.geomspace(lacks.min(), lacks.max(), 31), color=GRAY)
        panel.axvline(_lack(own[name]), color=BLACK, linewidth=1.2)
        panel.set(title=name, xscale="log", xlabel="1 − R², smaller is straighter", ylabel="deals")
        panel.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))  # labels at each digit run into one another
    return figure


def _lack(losses: pd.DataFrame) -> float:
    return max(1 - line_r2(losses), SMALLEST_LACK)


def draw_points(panel: Axes, table: pd.DataFrame, x: str, y: str, axis: str) -> None:
    """Draw networks as points with white edges, color and marker by an axis."""
    for color, marker, chosen in axis_palette(axis, table[axis]).groups(table[axis]):
        rows = table[chosen]
        panel.scatter(rows[x], rows[y], s=20, color=color, marker=marker, edgecolors="white", linewidths=0.4)
