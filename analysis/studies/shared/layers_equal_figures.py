"""Figures of the study `layers-equal`."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, TEAL, LineStyle, draw_groups, new_figure
from benevolent.analysis.studies.shared.layers_equal_tables import FAMILIES, RANDOM, START, at, epochs_of
from benevolent.analysis.studies.shared.tables import Tables

STATE_LABELS = {START: "start", RANDOM: "drawn\nanew"}
#: Color and marker of each family, and of each width.
STYLES = ((TEAL, "o"), (RED, "s"), (BLACK, "^"))
WIDTH_STYLES = (LineStyle(GRAY, "s", "--"), LineStyle(BLACK, "o", "-"), LineStyle(TEAL, "^", ":"))


def _draw_heat_maps(drops: Tables) -> Figure:
    """Draw test error by layer and state that it is set back to, a panel per family."""
    figure = new_figure(2.9)
    panels = figure.subplots(1, len(drops))
    for panel, (name, table) in zip(panels, drops.items(), strict=True):
        image = _draw_heat_map(panel, table)
        panel.set_title(FAMILIES[name])
    panels[0].set_ylabel("layer")
    panels[len(panels) // 2].set_xlabel("set back to (epochs of training)")
    bar = figure.colorbar(image, ax=list(panels), fraction=0.03, pad=0.01)
    bar.set_label("test error")
    return figure


def _draw_heat_map(panel: Axes, table: pd.DataFrame) -> AxesImage:
    states = [START, *map(str, epochs_of(table)), RANDOM]
    single = table[table["layer"] > 0]
    errors = single.pivot_table(index="layer", columns="reset.to", values="error")[states]
    image = panel.imshow(errors.to_numpy(), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for (row, column), error in np.ndenumerate(errors.to_numpy()):
        color = "white" if error > 0.55 else BLACK
        panel.text(column, row, f"{error:.2f}".lstrip("0"), ha="center", va="center", color=color, fontsize=6)
    panel.set_xticks(range(len(states)), [STATE_LABELS.get(state, state) for state in states])
    panel.set_yticks(range(len(errors)), [str(layer) for layer in errors.index])
    panel.tick_params(length=0)
    panel.grid(False)
    return image


def _draw_sizes(sizes: pd.DataFrame) -> Figure:
    """Draw the mean and the largest drop over layers against depth, a line per width."""
    figure = new_figure(2.6)
    left, right = figure.subplots(1, 2, sharey=True)
    by_network = at(sizes, START).groupby(["model.width", "model.depth", "seed"])["drop"]
    _draw_drops(left, by_network.mean())
    _draw_drops(right, by_network.max())
    left.set(ylabel="accuracy lost", title="mean over layers")
    right.set(title="largest of any layer")
    left.set_ylim(bottom=0)
    left.legend()
    return figure


def _draw_drops(panel: Axes, drops: "pd.Series[float]") -> None:
    """Draw the drops of networks, by width, depth and seed, against depth."""
    for (width, of_width), style in zip(drops.groupby("model.width"), WIDTH_STYLES, strict=False):
        draw_groups(panel, of_width.groupby("model.depth"), style, f"width {width}", markersize=6)
    panel.set_xlabel("layers")
    panel.set_xticks(sorted(drops.index.unique("model.depth")))


def _draw_distances(moves: Tables) -> Figure:
    """Draw the accuracy that each layer costs against its distance, and against the cost of a random step."""
    figure = new_figure(2.9)
    left, right = figure.subplots(1, 2, sharey=True)
    for (name, table), (color, marker) in zip(moves.items(), STYLES, strict=True):
        means = table.groupby("layer").mean(numeric_only=True)
        for panel, column in ((left, "relative_distance"), (right, "random_drop")):
            panel.scatter(means[column], means["reset_drop"], s=20, color=color, marker=marker, label=FAMILIES[name])
            _number_layers(panel, means, column)
    limit = max(right.get_xlim()[1], right.get_ylim()[1])
    right.plot([0, limit], [0, limit], "--", color=GRAY, linewidth=1)
    left.set(xlabel="distance from the start / initial norm", ylabel="accuracy lost, set back to the start")
    left.set_xscale("log")
    right.set(xlabel="accuracy lost, random step as long")
    left.legend()
    return figure


def _number_layers(panel: Axes, means: pd.DataFrame, column: str) -> None:
    for layer, row in means.iterrows():
        panel.annotate(str(layer), (row[column], row["reset_drop"]), (3, 2), textcoords="offset points", size=6)


def figures_of(drops: Tables, moves: Tables, sizes: pd.DataFrame) -> list[RenderedFigure]:
    """Render the figures of the study."""
    heat_maps = render_figure(
        "heat-maps",
        "Test error with one layer set back",
        "Rows are layers, columns what the layer is set back to: its start, epochs of training, or newly drawn "
        "weights. Darker is a higher test error, the mean over seeds; nothing is trained after the step back.",
        _draw_heat_maps,
        drops,
    )
    of_sizes = render_figure(
        "sizes",
        "Perceptrons of several sizes with one layer set back to its start",
        "Left, the mean over layers of the accuracy lost, the source's measure; right, the largest loss of any "
        "layer. Points are means over seeds, bars the range of the seeds.",
        _draw_sizes,
        sizes,
    )
    distances = render_figure(
        "distances",
        "How far layers moved, and what it costs to set them back",
        "One point per layer, the mean over seeds, with its number. Left, against the distance from the start "
        "relative to the initial norm; right, against what a random step of the same length costs: above the "
        "line the step back to the start costs more.",
        _draw_distances,
        moves,
    )
    return [heat_maps, of_sizes, distances]
