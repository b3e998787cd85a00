"""Figure of selection: the outcome lost by predictors that networks are chosen by."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benevolent.analysis.figures.labels import axis_label, short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import INK, WIDTH_INCHES

SHOWN = 12
ACCENT = "#b3541e"


def selection_figure(selection: pd.DataFrame, target: str, reference: str, unit: str = "") -> Figure:
    """Draw the outcome that the best predictors to choose by lose against the best choice, with intervals.

    Args:
        selection: rows of `selection_loss` with one choice, data set and source of the direction.
        target: name of the outcome.
        reference: predictor that is always shown, in another color.
        unit: of the outcome.

    Raises:
        NothingToDraw: there are no rows.
    """
    rows = selection[selection["lost_to_best"].notna()].sort_values("lost_to_best", kind="stable")
    if rows.empty:
        raise NothingToDraw("No choice of networks: no predictor of the runs varies.")
    shown = pd.concat([rows.head(SHOWN), rows[rows["predictor"] == reference]]).drop_duplicates("predictor")
    figure = Figure(figsize=(WIDTH_INCHES, 0.9 + 0.22 * len(shown)), layout="constrained")
    plot = figure.subplots()
    places = np.arange(len(shown))
    colors = [ACCENT if name == reference else INK for name in shown["predictor"]]
    plot.hlines(places, shown["best_low"], shown["best_high"], colors=colors, linewidth=1.4)
    plot.scatter(shown["lost_to_best"], places, color=colors, s=16, zorder=3)
    random = float((shown["lost_to_best"] - shown["lost_to_random"]).median())
    plot.axvline(random, color="#8a8a8a", linestyle="--", linewidth=1)
    plot.annotate("at random", (random, -0.6), ha="center", va="bottom", fontsize=7.5, color="#5b5b5b")
    plot.axvline(0, color="#c4c4c0", linewidth=1)
    plot.set_yticks(places, [short_label(name) for name in shown["predictor"]])
    plot.set_ylim(len(shown) - 0.5, -1.4)
    plot.set_xlabel(axis_label(f"{target} lost against the best tenth", unit))
    plot.grid(axis="y", visible=False)
    return figure
