"""Figures of the study of linear classifiers that are learned first."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, TEAL, new_figure
from benevolent.analysis.studies.shared.linear_explanation import Task

#: Yellow lines at T0.
YELLOW = "#d9b44a"
TITLES = {
    "mnist": "MNIST, 0-4 against 5-9",
    "cifar10-animals-objects": "CIFAR-10, animals against objects",
    "cifar10-first-last": "CIFAR-10, first against last five",
    "sinusoid": "Sinusoid in 100 dimensions, streamed",
}


def draw_information(tasks: Mapping[str, Task]) -> Figure:
    """Draw the information of networks, and what a linear classifier explains, against steps; a panel per task."""
    figure = new_figure(5.6)
    styles = {
        "known": ("I(F; Y)", BLACK, "-"),
        "explained": ("μ(F; L), explained by linear", TEAL, "--"),
        "beyond": ("I(F; Y | L), beyond linear", RED, "-."),
        "missed": ("I(L; Y | F)", GRAY, ":"),
    }
    for panel, (name, task) in zip(figure.subplots(2, 2).flat, tasks.items(), strict=False):
        for column, (label, color, style) in styles.items():
            for index, network in enumerate(task):
                shown_label = label if index == 0 and panel is figure.axes[0] else None
                values = network.table[column]
                panel.plot(values.index, values, style, color=color, linewidth=1, label=shown_label)
        for network in task:
            if network.t0 is not None:
                panel.axvline(network.t0, color=YELLOW, linewidth=0.8, zorder=0)
        panel.axhline(task[0].table["best_linear"].iloc[0], color=BLACK, linewidth=0.8, linestyle=":")
        panel.set_xscale("symlog", linthresh=10)
        panel.set(title=TITLES[name], xlabel="SGD steps", ylabel="mutual information (bits)")
        panel.set(xlim=(0, None), ylim=(-0.005, None))
        _add_accuracy_scale(panel)
    figure.legend(loc="outside upper center", ncols=len(styles))
    return figure


def _add_accuracy_scale(panel: Axes) -> None:
    """Add a scale on the right: the accuracy of an unbiased binary classifier, I = 1 - h(accuracy)."""
    accuracy = np.linspace(0.5, 1 - 1e-9, 2001)
    bits = 1 + accuracy * np.log2(accuracy) + (1 - accuracy) * np.log2(1 - accuracy)

    def to_accuracy(value: Any) -> Any:
        return np.interp(value, bits, accuracy)

    def to_bits(value: Any) -> Any:
        return np.interp(value, accuracy, bits)

    scale = panel.secondary_yaxis("right", functions=(to_accuracy, to_bits))
    highest = float(to_accuracy(panel.get_ylim()[1]))
    ticks = [tick for tick in np.arange(50, 100, 5) / 100 if tick <= highest]
    if highest >= 0.99:
        ticks.append(0.99)
    if len(ticks) >= 6:
        ticks = [tick for tick in ticks if tick in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)]
    scale.set_yticks(ticks)
    scale.set_ylabel("accuracy")


def draw_shares(tasks: Mapping[str, Task]) -> Figure:
    """Draw the share that the linear classifier, and its null model, explain at T0."""
    figure = new_figure(2.2)
    panel = figure.subplots()
    for place, task in enumerate(tasks.values()):
        rows = [network.at_t0 for network in task if network.t0 is not None]
        own = [row["explained"] / row["known"] for row in rows]
        null = [row["null"] / row["known"] for row in rows]
        heights = np.full(len(rows), -place)
        labels = ("linear classifier", "null model") if place == 0 else (None, None)
        panel.scatter(own, heights, s=26, color=TEAL, label=labels[0], zorder=3)
        panel.scatter(null, heights, s=30, color=BLACK, marker="x", label=labels[1], zorder=3)
    panel.set_yticks(-np.arange(len(tasks)), [TITLES[name] for name in tasks])
    panel.set(xlabel="explained at T0, share of I(F; Y)", xlim=(0, 1.02), ylim=(-len(tasks) + 0.5, 0.5))
    panel.legend(loc="lower left")
    return figure
