"""Figures of a paper: pure functions from tables to a matplotlib ``Figure``, and `render_svg` to save one.

They use matplotlib's object-oriented interface only, so they need no global state, display or window.
"""

from benevolent.analysis.figures.axis_palette import AxisPalette, color_ramp, most_explanatory_axis, palette_of_runs
from benevolent.analysis.figures.both_claims import both_claims_figure
from benevolent.analysis.figures.early_prediction import early_prediction_figure
from benevolent.analysis.figures.fragility import fragility_heat_map
from benevolent.analysis.figures.heat_map import granulated_heat_map
from benevolent.analysis.figures.labels import axis_label, format_value, short_label
from benevolent.analysis.figures.loss_curves import loss_curves
from benevolent.analysis.figures.rendered_figure import NothingToDraw, RenderedFigure, render_figure, render_svg
from benevolent.analysis.figures.scatter import ScatterPanel, outcome_by_predictors, train_test_scatter
from benevolent.analysis.figures.selection import selection_figure
from benevolent.analysis.figures.statistic_agreement import statistic_agreement
from benevolent.analysis.figures.style import INK, MANY_POINTS, MISSING, WIDTH_INCHES, log_if_wide

__all__ = [
    "INK",
    "MANY_POINTS",
    "MISSING",
    "WIDTH_INCHES",
    "AxisPalette",
    "NothingToDraw",
    "RenderedFigure",
    "ScatterPanel",
    "axis_label",
    "both_claims_figure",
    "color_ramp",
    "early_prediction_figure",
    "format_value",
    "fragility_heat_map",
    "granulated_heat_map",
    "log_if_wide",
    "loss_curves",
    "most_explanatory_axis",
    "outcome_by_predictors",
    "palette_of_runs",
    "render_figure",
    "render_svg",
    "selection_figure",
    "short_label",
    "statistic_agreement",
    "train_test_scatter",
]
