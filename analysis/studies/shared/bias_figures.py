"""Figures of the studies of Loukas et al. 2021: statistics of the first layer's bias."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import AxisPalette, log_if_wide
from benevolent.analysis.studies.shared.drawing import axis_palette, new_figure, use_log_scales
from benevolent.analysis.studies.shared.tables import rows_with

#: The source's statistics of the bias, as its plots name them.
BIAS_STATISTICS = {
    "bias_increment_mean": "path per step, ‖Δb‖ / αε",
    "bias_increment_sum": "total path, Σ‖Δb‖ / αε",
    "bias_variance": "variance, ‖b − mean b‖² / α²",
    "bias_distance_from_init": "distance from init, ‖b − b₀‖",
}
#: Statistics drawn against epochs, as in the source's figures.
CURVE_TITLES = {
    "train_loss": "train loss",
    "test_loss": "test loss",
    "lipschitz_mean": "Lipschitz constant",
    **BIAS_STATISTICS,
}
PANELS_PER_ROW = 4


def draw_curves(rows: pd.DataFrame, axis: str, statistics: Sequence[str] = tuple(CURVE_TITLES)) -> Figure:
    """Draw medians over seeds against epochs, with the range of the seeds, one line per value of an axis.

    Args:
        rows: from `bias_path.recorded_progress`, with the axis as a column.
        axis: column that gives the colors.
        statistics: names in `CURVE_TITLES`, one panel each.
    """
    palette = axis_palette(axis, rows[axis])
    rows_of_panels = -(-len(statistics) // PANELS_PER_ROW)
    figure = new_figure(0.4 + 1.9 * rows_of_panels)
    panels = list(figure.subplots(rows_of_panels, PANELS_PER_ROW, squeeze=False).flat)
    whole_epochs = rows[(rows["epoch"] >= 1) & (rows["epoch"] % 1 == 0)]
    for panel, name in zip(panels, statistics, strict=False):
        shown = rows_with(whole_epochs, "name", name)
        _draw_medians(panel, shown, axis, palette)
        panel.set(xscale="log", xlabel="epoch")
        panel.set_title(CURVE_TITLES[name], loc="left")
        log_if_wide(panel, "y", shown["value"].to_numpy())
    for panel in panels[len(statistics) :]:
        panel.remove()
    palette.legend(figure, lines=True, styled=True)
    return figure


def _draw_medians(panel: Axes, rows: pd.DataFrame, axis: str, palette: AxisPalette) -> None:
    for value, color, style in zip(palette.values, palette.colors, palette.styles, strict=True):
        chosen = rows_with(rows, axis, value)
        if chosen.empty:
            continue
        spread = chosen.groupby("epoch")["value"].quantile([0, 0.5, 1]).unstack()
        panel.fill_between(spread.index, spread[0.0], spread[1.0], color=color, alpha=0.15, linewidth=0)
        panel.plot(spread.index, spread[0.5], color=color, linestyle=style, linewidth=1.3)


def draw_against_lipschitz(table: pd.DataFrame, axis: str, largest_train_loss: float = np.inf) -> Figure:
    """Draw each statistic at the end of training against the Lipschitz constant, one point per network.

    Args:
        table: one row per network.
        axis: column that gives the colors.
        largest_train_loss: networks above it are drawn hollow.
    """
    palette = axis_palette(axis, table[axis])
    figure = new_figure(2.4)
    statistics = list(BIAS_STATISTICS)[1:]
    fitted = table["train_loss"] <= largest_train_loss
    for panel, name in zip(figure.subplots(1, len(statistics)), statistics, strict=True):
        for color, marker, chosen in palette.groups(table[axis]):
            for face, rows in ((color, table[chosen & fitted]), ("none", table[chosen & ~fitted])):
                panel.scatter(
                    rows["lipschitz_mean"],
                    rows[name],
                    s=18,
                    marker=marker,
                    facecolors=face,
                    edgecolors=color,
                    linewidths=0.8,
                )
        panel.set(xlabel="mean Lipschitz constant", ylabel=BIAS_STATISTICS[name])
        use_log_scales(panel, table, "lipschitz_mean", name)
    palette.legend(figure)
    return figure
