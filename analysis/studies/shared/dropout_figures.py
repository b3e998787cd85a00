"""Figure of the coverage of points far from the data with Dropout."""

import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    LineStyle,
    axis_palette,
    draw_groups,
    draw_networks,
    new_figure,
    use_log_scales,
)
from benevolent.analysis.studies.shared.dropout_coverage import RATE


def draw_coverage(table: pd.DataFrame) -> Figure:
    """Draw coverage against the rate of Dropout, the gap against the bound, and the bound against steadiness.

    Args:
        table: one row per network, with the fields of `Coverage`.
    """
    figure = new_figure(2.7)
    left, middle, right = figure.subplots(1, 3)
    means = table.groupby([RATE, "seed"])[["coverage", "plain_coverage"]].mean().groupby(RATE)
    draw_groups(left, means["coverage"], LineStyle(BLACK, "o", "-"), "as training shows them")
    draw_groups(left, means["plain_coverage"], LineStyle("#8c8c8c", "s", "--"), "without Dropout")
    left.set(xlabel="dropout", ylabel="fraction of far points covered")
    left.legend(loc="center right")
    for panel, x, y in ((middle, "bound", "loss_gap"), (right, "bias_increment_max", "bound")):
        draw_networks(panel, table, x, y, RATE)
        use_log_scales(panel, table, x, y)
    middle.set(xlabel="median bound far from the data", ylabel="test minus train loss")
    right.set(xlabel="largest path per step", ylabel="median bound far from the data")
    axis_palette(RATE, table[RATE]).legend(figure)
    return figure
