"""Figures of memorized examples: the tail of their values, what they are of use for, and the pairs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.studies.shared.drawing import BLACK, GRAY, RED, TEAL, new_figure
from benevolent.analysis.studies.shared.long_tail_networks import SubsetNetworks
from benevolent.analysis.studies.shared.network_outputs import example_config
from benevolent.analysis.studies.shared.tables import rows_with
from benevolent.trainables import data

#: Bins of memorization, each a twentieth wide.
BINS = np.linspace(-0.25, 1, 26).tolist()
#: Pairs that are shown, each of another training example.
PAIRS_SHOWN = 8


def tail_figure(networks: SubsetNetworks, removal: pd.DataFrame) -> RenderedFigure:
    """Draw the distribution of memorization, and the test accuracy of networks trained without memorized examples."""
    return render_figure(
        "tail",
        "Memorization of examples, and test accuracy without the memorized ones",
        "Left: memorization of the training examples, estimated from all networks. Right: test accuracy of networks "
        "trained without the examples memorized at least so much, or without as many random ones; bars are "
        "two standard errors over seeds, and the line at the top is the accuracy with all examples.",
        _draw_tail,
        networks,
        removal,
    )


def _draw_tail(networks: SubsetNetworks, removal: pd.DataFrame) -> Figure:
    figure = new_figure(2.8)
    left, right = figure.subplots(1, 2)
    left.hist(np.clip(networks.memorization, BINS[0], BINS[-1]), BINS, color=TEAL, edgecolor=BLACK, linewidth=0.4)
    left.set_yscale("log")
    left.set(xlabel="memorization", ylabel="training examples")
    whole = removal.loc[removal["which"] == "none", "accuracy"].mean()
    right.axhline(whole, color=GRAY, linewidth=1)
    styles = {
        "memorized": ("the memorized", RED, "o-"),
        "random": ("as many random", BLACK, "s--"),
        "classes": ("as many of the same classes", TEAL, "^:"),
    }
    for which, (label, color, style) in styles.items():
        groups = rows_with(removal, "which", which).groupby("removed")["accuracy"]
        mean = groups.mean()
        options = {"color": color, "markersize": 4, "capsize": 2, "label": label}
        right.errorbar(mean.index, mean, 2 * groups.sem(), fmt=style, **options)
    right.set(xlabel="training examples removed", ylabel="test accuracy")
    right.legend(title="removed", loc="lower left")
    return figure


def pairs_figure(networks: SubsetNetworks, pairs: pd.DataFrame) -> RenderedFigure:
    """Draw the most influential pairs, one of each training example."""
    return render_figure(
        "pairs",
        "The most influential pairs",
        "Above a training example with its memorization, below the test example on which it has the most influence; "
        "the pairs of the highest influence, one for each training example.",
        _draw_pairs,
        networks,
        pairs,
    )


def _draw_pairs(networks: SubsetNetworks, pairs: pd.DataFrame) -> Figure:
    shown = pairs.drop_duplicates("train").drop_duplicates("test").head(PAIRS_SHOWN)
    config = example_config(networks.results)
    dataset = data.load(config.data, config.precision)
    if shown.empty or dataset.scale is None:
        raise NothingToDraw("there are no influential pairs of images")
    train = dataset.scale.pixels(dataset.train.inputs)
    test = dataset.scale.pixels(dataset.test.inputs)
    figure = new_figure(2.4)
    panels = figure.subplots(2, len(shown), squeeze=False)
    for place, pair in enumerate(shown.itertuples()):
        _draw_image(panels[0, place], train[pair.train].mean(0).numpy(), f"mem {pair.memorization:.2f}")
        _draw_image(panels[1, place], test[pair.test].mean(0).numpy(), f"infl {pair.influence:.2f}")
    panels[0, 0].set_ylabel("training")
    panels[1, 0].set_ylabel("test")
    return figure


def _draw_image(panel: Axes, pixels: np.ndarray, title: str) -> None:
    panel.imshow(pixels, cmap="gray_r", vmin=0, vmax=1)
    panel.set_title(title, fontsize=8)
    panel.set(xticks=[], yticks=[])


def wrong_labels_figure(networks: SubsetNetworks) -> RenderedFigure:
    """Draw the distributions of memorization of wrong and right labels."""
    return render_figure(
        "wrong-labels",
        "Memorization of wrong and of right labels",
        "Fractions of the training examples with a wrong and with a right label.",
        _draw_wrong_labels,
        networks,
    )


def _draw_wrong_labels(networks: SubsetNetworks) -> Figure:
    figure = new_figure(2.4)
    panel = figure.subplots()
    wrong = (networks.train.labels[0] != networks.train.true_labels).numpy()
    values = np.clip(networks.memorization, BINS[0], BINS[-1])
    for chosen, label, color, style, hatch in ((~wrong, "right", TEAL, "-", ""), (wrong, "wrong", RED, "--", "//")):
        counts, _ = np.histogram(values[chosen], BINS)
        fractions = counts / max(1, counts.sum())
        panel.stairs(fractions, BINS, fill=True, color=color, alpha=0.45, hatch=hatch, label=label)
        panel.stairs(fractions, BINS, color=color, linestyle=style)
    panel.set(xlabel="memorization", ylabel="fraction of examples")
    panel.legend(title="label")
    return figure
