"""Figures of decision boundaries on the disk."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.results import Results
from benevolent.analysis.studies.shared.boundary_history import (
    SIDE,
    BoundaryHistory,
    curve,
    disk_points,
    is_above_curve,
)
from benevolent.analysis.studies.shared.drawing import BLACK, RED, TEAL, new_figure
from benevolent.analysis.studies.shared.network_outputs import examples

#: Boundaries drawn of one network.
PICTURES = 6
#: Colors of the two labels.
LABEL_COLORS = ("#b8741a", "#17456b")
#: Markers of examples of the two labels, right and wrong.
RIGHT_MARKERS = ("o", "^")
WRONG_MARKERS = ("x", "+")


def draw_boundaries(results: Results, history: BoundaryHistory, frequency: float) -> Figure:
    """Draw the boundary of one network at some recorded steps, with the curve and the training examples.

    Args:
        results: with the network's run.
        history: of the network.
        frequency: of the curve.
    """
    figure = new_figure(5.4)
    recorded = np.array(list(history.logits))
    chosen = np.unique(np.linspace(1, len(recorded) - 1, PICTURES).round().astype(int))
    for panel, step in zip(figure.subplots(2, PICTURES // 2).flat, recorded[chosen], strict=False):
        _draw_boundary(panel, history.logits[step])
        _draw_curve(panel, frequency)
        _draw_examples(panel, results, history.run_id, frequency)
        row = history.table.loc[step]
        panel.set_title(f"step {step}\ncurve {row['curve']:.2f}, line {row['line']:.2f}, train {row['train']:.2f}")
        panel.set_axis_off()
    return figure


def _draw_boundary(panel: Axes, logits: np.ndarray) -> None:
    cells = np.rint((disk_points() + 1) / 2 * (SIDE - 1)).astype(int)
    image = np.full((SIDE, SIDE), np.nan)
    image[cells[:, 1], cells[:, 0]] = logits > 0
    panel.imshow(image, origin="lower", extent=(-1, 1, -1, 1), cmap="Blues", vmin=0, vmax=3.2)


def _draw_curve(panel: Axes, frequency: float) -> None:
    x = np.linspace(-0.98, 0.98, 300)
    y = curve(x, frequency)
    y[x**2 + y**2 > 1] = np.nan
    panel.plot(x, y, color=BLACK, linewidth=1, linestyle="--")


def _draw_examples(panel: Axes, results: Results, run_id: str, frequency: float) -> None:
    inputs, labels = (part.numpy() for part in examples(results, run_id, "train"))
    wrong = labels.astype(bool) != is_above_curve(inputs, frequency)
    for label, color in enumerate(LABEL_COLORS):
        x, y = inputs[(labels == label) & ~wrong].T
        panel.scatter(x, y, s=6, c=color, marker=RIGHT_MARKERS[label], linewidths=0)
        x, y = inputs[(labels == label) & wrong].T
        panel.scatter(x, y, s=18, c=color, marker=WRONG_MARKERS[label], linewidths=1)


def draw_agreement(histories: Sequence[BoundaryHistory], best_line: float) -> Figure:
    """Draw what networks agree with while they train: some line, the curve, and the training labels.

    Args:
        histories: of the networks.
        best_line: agreement of the best linear classifier with the curve.
    """
    figure = new_figure(2.8)
    panel = figure.subplots()
    styles = {
        "line": ("some line (fraction of the disk)", TEAL, "-."),
        "curve": ("the curve (fraction of the disk)", BLACK, "-"),
        "train": ("training labels", RED, "--"),
    }
    for column, (label, color, style) in styles.items():
        for index, history in enumerate(histories):
            shown_label = label if index == 0 else None
            panel.plot(history.table.index, history.table[column], style, color=color, linewidth=1, label=shown_label)
    panel.axhline(best_line, color=BLACK, linewidth=0.8, linestyle=":")
    panel.set_xscale("symlog", linthresh=2)
    panel.set(xlabel="SGD steps", ylabel="agreement", xlim=(0, None))
    panel.legend(loc="lower right")
    return figure
