"""Figures of the study of Li et al. 2018: accuracy in random subspaces, and intrinsic dimensions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.multi_run.intrinsic_dimension import DIMENSION
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    DARK_GRAY,
    GRAY,
    RED,
    TEAL,
    LabeledStyle,
    LineStyle,
    draw_groups,
    draw_line,
    mark_numbers,
    new_figure,
)
from benevolent.analysis.studies.shared.tables import Tables, rows_with

PIXELS = "data.pixels"
LABELS = "data.label_corruption"
SIZES = ["model.width", "model.depth"]

#: Styles of each kind of pixels, of labels, and of projections.
PIXEL_STYLES = {
    "none": LabeledStyle(LineStyle(BLACK, "o", "-"), "natural pixels"),
    "permuted": LabeledStyle(LineStyle(RED, "s", "--"), "shuffled pixels"),
}
LABEL_STYLES = {
    0.0: LabeledStyle(LineStyle(BLACK, "o", "-"), "true"),
    1.0: LabeledStyle(LineStyle(RED, "s", "--"), "shuffled"),
}
PROJECTION_STYLES = {
    "dense": LabeledStyle(LineStyle(BLACK, "o", "-"), "dense"),
    "sparse": LabeledStyle(LineStyle(TEAL, "^", "--"), "sparse"),
    "fastfood": LabeledStyle(LineStyle(RED, "s", ":"), "Fastfood"),
}
NETWORKS = {"fully-connected": "fully connected", "lenet": "LeNet"}


def draw_accuracies(tables: Tables, dimensions: Mapping[tuple[str, str], pd.DataFrame]) -> Figure:
    """Draw test accuracy against the dimension, a panel per network, as in figure 2 of the paper.

    Args:
        tables: of the sweeps of `NETWORKS`, one row per run.
        dimensions: intrinsic dimensions by seed, by network and kind of pixels.
    """
    figure = new_figure(3.0)
    panels = figure.subplots(1, len(NETWORKS), sharey=True)
    for panel, (name, title) in zip(panels, NETWORKS.items(), strict=True):
        table = tables[name]
        for kind, style in PIXEL_STYLES.items():
            rows = rows_with(table, PIXELS, kind)
            _draw_curve(panel, rows, "test_error", style.look, style.label)
            height = 0.05 if kind == "none" else 0.13
            _draw_crossing(panel, dimensions[name, kind], style.look, height)
        size = table["parameter_count"].iloc[0]
        panel.set_title(f"{title}, D = {size:,.0f}", loc="left")
        panel.set(xscale="log", xlabel="dimension d of the subspace")
        mark_numbers(panel, table[DIMENSION].dropna())
    panels[0].set_ylabel("test accuracy (fraction)")
    panels[0].legend(loc="upper left", bbox_to_anchor=(0, 0.72))
    return figure


def _draw_curve(
    panel: Axes, rows: pd.DataFrame, error: str, style: LineStyle, label: str, hollow: bool = False
) -> None:
    """Draw the mean accuracy over seeds against the dimension, with the range of the seeds."""
    inside = rows.dropna(subset=DIMENSION)
    accuracy = (1 - inside[error]).groupby(inside[DIMENSION])
    face = "white" if hollow else style.color
    draw_groups(panel, accuracy, style, label, markerfacecolor=face)


def _draw_crossing(panel: Axes, found: pd.DataFrame, style: LineStyle, height: float) -> None:
    """Draw the accuracy to reach, and the dimension that reaches it, which is named at a height."""
    threshold = found["threshold"].mean()
    panel.axhline(threshold, color=style.color, linestyle=style.line, linewidth=0.7)
    dimension = np.exp(np.log(found["dimension"]).mean())
    if np.isfinite(dimension):
        panel.axvline(dimension, color=style.color, linestyle=style.line, linewidth=0.7)
        place = panel.get_xaxis_transform()
        panel.text(dimension, height, f" {dimension:.0f}", color=style.color, transform=place, fontsize=7.5)


def draw_against_parameters(sizes: pd.DataFrame) -> Figure:
    """Draw d_int90 against the number of parameters, as in figure 3 of the paper.

    Args:
        sizes: a row per network and seed: `parameters`, `dimension`, `model.width` and `model.depth`.
    """
    figure = new_figure(2.8)
    panel = figure.subplots()
    groups = sizes.groupby("parameters")["dimension"]
    mean = np.exp(np.log(sizes["dimension"]).groupby(sizes["parameters"]).mean())
    spread = [mean - groups.min(), groups.max() - mean]
    panel.errorbar(mean.index, mean, np.abs(spread), color=BLACK, marker="o", linestyle="none", markersize=5, capsize=3)
    networks = sizes.drop_duplicates("parameters").sort_values("parameters")
    for place, (parameters, width, depth) in enumerate(networks[["parameters", *SIZES]].itertuples(index=False)):
        label = f"{depth - 1:.0f} × {width:.0f}"
        height = 12 if place % 2 else -20  # next to each other they would overlap
        panel.annotate(label, (parameters, mean[parameters]), (-8, height), textcoords="offset points", fontsize=7.5)
    ends = np.array([mean.index.min() / 2, mean.index.max() * 2.5])
    for fraction, line in ((0.001, ":"), (0.01, "--"), (0.1, "-.")):
        panel.plot(ends, fraction * ends, color=GRAY, linestyle=line, linewidth=1, label=f"{100 * fraction:g}% of D")
    lowest = sizes["dimension"].min() / 4
    panel.set(xscale="log", yscale="log", xlim=tuple(ends), ylim=(lowest, sizes["dimension"].max() * 4))
    panel.set(xlabel="parameters D (hidden layers × width)", ylabel="intrinsic dimension d_int90")
    panel.legend(loc="lower right")
    return figure


def draw_controls(tables: Tables, small: pd.DataFrame) -> Figure:
    """Draw memorized labels, three kinds of projections, and small networks beside subspaces.

    Args:
        tables: of all sweeps, one row per run.
        small: a row per small network and seed: `parameter_count`, `model.family`, `own` and `inside` accuracy.
    """
    figure = new_figure(2.8)
    labels, projections, networks = figure.subplots(1, 3)
    _draw_labels(labels, tables["few-labels"], hollow=True)
    _draw_labels(labels, tables["many-labels"], hollow=False)
    # Room for the legend below the curves.
    labels.set(xscale="log", xlabel="dimension d", ylabel="train accuracy (fraction)", ylim=(-0.05, 1.04))
    labels.set_title("labels, examples", loc="left")
    labels.legend(fontsize=6.5, loc="lower right")
    projected = tables["projections"]
    for kind, style in PROJECTION_STYLES.items():
        rows = rows_with(projected, "subspace.projection", kind)
        _draw_curve(projections, rows, "test_error", style.look, style.label)
    projections.set(xscale="log", xlabel="dimension d", ylabel="test accuracy (fraction)")
    mark_numbers(projections, projected[DIMENSION].dropna())
    projections.set_title("projections", loc="left")
    projections.legend(loc="lower right")
    _draw_small(networks, small)
    return figure


def _draw_labels(panel: Axes, table: pd.DataFrame, hollow: bool) -> None:
    """Draw the accuracy on training examples with true and with shuffled labels."""
    examples = table["data.train_size"].iloc[0]
    for fraction, style in LABEL_STYLES.items():
        rows = rows_with(table, LABELS, fraction)
        _draw_curve(panel, rows, "train_error", style.look, f"{style.label}, {examples}", hollow)


def _draw_small(panel: Axes, small: pd.DataFrame) -> None:
    """Draw the accuracies of small networks and of subspaces of as many dimensions."""
    inside = small.groupby("parameter_count")["inside"].mean()
    draw_line(panel, inside, LineStyle(BLACK, "o", "-"), "subspace", markersize=4)
    marks = {
        "mlp": LabeledStyle(LineStyle(RED, "s", "none"), "narrow network"),
        "linear": LabeledStyle(LineStyle(DARK_GRAY, "^", "none"), "linear, small images"),
    }
    for family, style in marks.items():
        own = rows_with(small, "model.family", family).groupby("parameter_count")["own"]
        draw_groups(panel, own, style.look, style.label, markersize=5)
    panel.set(xlabel="parameters or dimensions", ylabel="test accuracy (fraction)")
    panel.set_title("small networks", loc="left")
    panel.set_ylim(0, 1.04)
    panel.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(0, 0.53))
