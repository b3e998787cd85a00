"""Figure of the coverage of points far from the data with Dropout."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import WIDTH_INCHES
from benevolent.analysis.studies.shared.drawing import BLACK, axis_palette, draw_networks, use_log_scales
from benevolent.analysis.studies.shared.dropout_coverage import RATE


def draw_coverage(table: pd.DataFrame) -> Figure:
    """Draw coverage against the rate of Dropout, the gap against the bound, and the bound against steadiness.

    Args:
        table: one row per network, with the fields of `Coverage`.
    """
    figure = Figure(figsize=(WIDTH_INCHES, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_means_by_rate(left, table, "coverage", BLACK, "-o", "as training shows them")
    _draw_means_by_rate(left, table, "plain_coverage", "#8c8c8c", "--s", "without Dropout")
    left.set(xlabel="dropout", ylabel="fraction of far points covered")
    left.legend(loc="center right")
    for panel, x, y in ((middle, "bound", "loss_gap"), (right, "bias_increment_max", "bound")):
        draw_networks(panel, table, x, y, RATE)
        use_log_scales(panel, table, x, y)
    middle.set(xlabel="median bound far from the data", ylabel="test minus train loss")
    right.set(xlabel="largest path per step", ylabel="median bound far from the data")
    axis_palette(RATE, table[RATE]).legend(figure)
    return figure


def _draw_means_by_rate(panel: Axes, table: pd.DataFrame, column: str, color: str, style: str, label: str) -> None:
    by_rate = table.groupby([RATE, "seed"])[column].mean().groupby(RATE)
    mean = by_rate.mean()
    below = mean - by_rate.min()
    above = by_rate.max() - mean
    panel.errorbar(
        mean.index, mean, np.abs([below, above]), color=color, fmt=style, markersize=4, capsize=2, label=label
    )
