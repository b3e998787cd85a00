"""Figures of a paper: pure functions from tables to a matplotlib ``Figure``, and ``svg`` to save one.

They use the object-oriented interface only, so no global state, no display and no window is needed.
"""

from benevolent.analysis.figures.agreement import agreement
from benevolent.analysis.figures.canvas import Encoding, NothingToDraw, most_telling_axis, show_value, svg
from benevolent.analysis.figures.curves import loss_curves
from benevolent.analysis.figures.early import early_prediction_figure
from benevolent.analysis.figures.heatmap import granulated_heat_map
from benevolent.analysis.figures.scatter import Pair, losses, outcome_by_predictors

__all__ = [
    "Encoding",
    "NothingToDraw",
    "Pair",
    "agreement",
    "early_prediction_figure",
    "granulated_heat_map",
    "loss_curves",
    "losses",
    "most_telling_axis",
    "outcome_by_predictors",
    "show_value",
    "svg",
]
