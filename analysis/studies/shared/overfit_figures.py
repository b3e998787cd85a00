"""Figures of classifiers and networks that fit every example from several initial weights."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from benevolent.analysis.figures import AxisPalette
from benevolent.analysis.studies.shared.drawing import BLACK, RED, TEAL, new_figure
from benevolent.analysis.studies.shared.tables import rows_with

#: Kinds of starts: all weights 0 but the first, or all weights normal; and their amounts, w(1) or the deviation.
FIRST_WEIGHT = "first"
NORMAL = "std"
#: Starts of networks.
USUAL = "usual"
LARGE = "large weights"
RANDOM = "random labels"


def limit_accuracy(first: float, std: float, noise: float, examples: int) -> float:
    """Return the approximate accuracy on the population at the limit of gradient descent.

    The number of noisy examples is set to its expectation: w(1) tends to (first + n (1 - 2 p)) / (n + 1), other weights
    stay normal with standard deviation `std`.

    >>> limit_accuracy(0, 0, 0.1, 20), limit_accuracy(-100, 0, 0.1, 20)
    (0.9, 0.1)
    """
    weight = (first + examples * (1 - 2 * noise)) / (examples + 1)
    right = float(stats.norm.cdf(weight / std)) if std else float(np.heaviside(weight, 0.5))
    return (1 - noise) * right + noise * (1 - right)


def draw_population(table: pd.DataFrame) -> Figure:
    """Draw the population accuracy of linear classifiers against their initial weights.

    Args:
        table: one row per run: kind and amount of the initial weights, label noise, and accuracy.
    """
    figure = new_figure(3.0)
    palette = AxisPalette.of("label noise p", table["data.noise"])
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_starts(left, table, palette, FIRST_WEIGHT, np.linspace(-105, 5, 1000))
    _draw_starts(right, table, palette, NORMAL, np.geomspace(0.07, 7, 200))
    left.set(xlabel="initial weight w(1) of the useful coordinate", ylabel="accuracy on the population")
    right.set(xlabel="standard deviation of initial weights", xscale="log")
    palette.legend(figure)
    return figure


def _draw_starts(panel: Axes, table: pd.DataFrame, palette: AxisPalette, kind: str, amounts: np.ndarray) -> None:
    """Draw the accuracies from starts of one kind, with lines of their limits."""
    rows = rows_with(table, "kind", kind)
    examples = int(table["data.train_size"].iloc[0])
    styled = zip(palette.values, palette.colors, palette.markers, palette.styles, strict=True)
    for noise, color, marker, style in styled:
        limits = []
        for amount in amounts:
            first, std = (amount, 0) if kind == FIRST_WEIGHT else (0, amount)
            limits.append(limit_accuracy(first, std, noise, examples))
        panel.plot(amounts, limits, color=color, linestyle=style, linewidth=1)
        chosen = rows_with(rows, "data.noise", noise)
        panel.scatter(
            chosen["amount"], chosen["accuracy"], s=22, color=color, marker=marker, edgecolors="white", zorder=3
        )
    panel.axhline(0.5, color="#5b5b5b", linewidth=0.8, linestyle=":")
    panel.set(ylim=(0, 1.02))


def draw_paths(paths: pd.DataFrame) -> Figure:
    """Draw the test accuracy of networks from several initial weights against epochs.

    Args:
        paths: one row per run and recorded step.
    """
    figure = new_figure(2.8)
    panel = figure.subplots()
    styles = {USUAL: (BLACK, "o"), LARGE: (TEAL, "s"), RANDOM: (RED, "x")}
    for start, (color, marker) in styles.items():
        from_start = rows_with(paths, "start", start).sort_values("epoch")
        for index, (_, path) in enumerate(from_start.groupby("seed")):
            label = start if index == 0 else None
            panel.plot(path["epoch"], path["accuracy"], color=color, linewidth=0.9, marker=marker, ms=3, label=label)
    panel.set_xscale("symlog", linthresh=1)
    panel.set(xlabel="epoch (linear up to 1, then logarithmic)", ylabel="test accuracy")
    panel.legend(title="start", loc="lower right")
    return figure
