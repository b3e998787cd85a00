"""Figures of the study `bth-steadiness`: slopes over a square, and slopes far away against steadiness."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benevolent.analysis.studies.shared.drawing import BLACK, axis_palette, draw_networks, new_figure, use_log_scales
from benevolent.analysis.studies.shared.tables import Tables, rows_with

FREQUENCY = "data.frequency"
SCALE = "init.scale"
#: Points of the square along a side.
SIDE = 40
#: Statistics of steadiness, with their names.
STEADINESS = {"bias_increment_max": "largest path per step", "bias_variance": "variance of the bias"}


def _examples(table: pd.DataFrame) -> pd.DataFrame:
    """Return the row of one network of each frequency, with the middle initial scale and the first seed."""
    middle = table[SCALE].quantile(interpolation="lower")
    rows = rows_with(table, SCALE, middle).sort_values([FREQUENCY, "seed"])
    return rows.groupby(FREQUENCY).head(1)


def draw_squares(table: pd.DataFrame, squares: Tables) -> Figure:
    """Draw slopes over the square, and where the training points bound them, for a network of each frequency.

    Args:
        table: one row per network.
        squares: one row per point of the square, by the id of the run; see `bth_steadiness`.
    """
    examples = _examples(table)
    figure = new_figure(3.9)
    panels = figure.subplots(2, len(examples), squeeze=False, sharex=True, sharey=True)
    steepest = max(float(squares[run_id]["slope"].max()) for run_id in examples["run_id"])
    for column, (_, example) in enumerate(examples.iterrows()):
        rows = squares[example["run_id"]]
        above, below = panels[:, column]
        kind = np.where(rows["seen"], 2, np.where(rows["spanned"], 1, 0))
        slopes = _draw_square(above, rows["slope"].to_numpy(), steepest, "viridis")
        _draw_square(below, kind, 2, "cividis", interpolation="nearest")
        above.set_title(f"frequency {example[FREQUENCY]:g}", loc="left")
        below.set_xlabel("u₁")
    for row in panels:
        row[0].set_ylabel("u₂")
    figure.colorbar(slopes, ax=panels[0], label="‖df/dx‖", shrink=0.9)
    return figure


def _draw_square(
    panel: Axes, values: np.ndarray, top: float, colors: str, interpolation: str | None = None
) -> AxesImage:
    image = panel.imshow(
        values.reshape(SIDE, SIDE),
        origin="lower",
        extent=(-1.0, 1.0, -1.0, 1.0),
        vmin=0,
        vmax=top,
        cmap=colors,
        interpolation=interpolation,
    )
    panel.grid(visible=False)
    return image


def draw_steadiness(table: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    """Draw the slope far away against statistics of steadiness, and bounds against true slopes.

    Args:
        table: one row per network.
        bounds: `bound` and `slope` of points with patterns that no training point has.
    """
    figure = new_figure(2.7)
    *panels, last = figure.subplots(1, 1 + len(STEADINESS))
    for panel, (statistic, name) in zip(panels, STEADINESS.items(), strict=True):
        draw_networks(panel, table, statistic, "far_slope", FREQUENCY)
        panel.set(xlabel=name, ylabel="largest slope far from the data")
        use_log_scales(panel, table, statistic, "far_slope")
    last.scatter(bounds["slope"], bounds["bound"], s=6, color="#34607f", alpha=0.5, linewidths=0)
    top = float(bounds["slope"].max()) if len(bounds) else 1.0
    last.plot([0, top], [0, top], color=BLACK, linewidth=0.8)
    last.set(xlabel="slope ‖df/dx‖", ylabel="bound from the training points")
    axis_palette(FREQUENCY, table[FREQUENCY]).legend(figure)
    return figure
