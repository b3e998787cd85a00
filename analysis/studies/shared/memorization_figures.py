"""Figures of how networks fit real data, noise and random labels."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator
from torch import Tensor

from benevolent.analysis.figures import RenderedFigure, render_figure
from benevolent.analysis.multi_run import equal_difficulty, misclassification_rates
from benevolent.analysis.studies.shared.drawing import (
    BLACK,
    GRAY,
    RED,
    TEAL,
    draw_mean_and_range,
    mark_numbers,
    new_figure,
)
from benevolent.analysis.studies.shared.memorization_regularizers import EARLY
from benevolent.analysis.studies.shared.memorization_tables import PURE, RANDX, RANDY, REAL
from benevolent.analysis.studies.shared.tables import Tables, rows_with

#: Color, marker and line of each kind of data.
STYLES = {REAL: (TEAL, "o-"), RANDX: (BLACK, "s--"), RANDY: (RED, "^:")}
NAMES = {REAL: "real data", RANDX: "randX: noise for inputs", RANDY: "randY: random labels"}


def difficulty_figure(right: Mapping[str, Tensor]) -> RenderedFigure:
    """Draw how often networks are wrong on each example, against examples of equal difficulty."""
    return render_figure(
        "difficulty",
        "Difficulty of examples of real data and of noise",
        "After one epoch, in networks of different seeds: how many examples are wrong in so large a fraction of the "
        "networks (bars), and how many would be if all were equally difficult (lines, binomial).",
        _draw_difficulty,
        right,
    )


def _draw_difficulty(right: Mapping[str, Tensor]) -> Figure:
    figure = new_figure(2.4)
    for panel, kind in zip(figure.subplots(1, len(PURE), sharex=True), PURE, strict=True):
        runs, count = right[kind].shape
        rates = misclassification_rates(right[kind])
        groups = min(runs, 25)
        bins = np.linspace(0, 1, groups + 1)
        color, _ = STYLES[kind]
        panel.hist(rates, bins, color=color, alpha=0.6)
        probabilities = equal_difficulty(runs, float(rates.mean()))
        middle = np.arange(runs + 1) / runs
        expected, _ = np.histogram(middle, bins, weights=count * probabilities)
        panel.stairs(expected, bins, color=BLACK, linewidth=1.2)
        panel.set_title(NAMES[kind])
        panel.set(xlabel="fraction of networks that are wrong")
    figure.axes[0].set_ylabel("examples")
    return figure


def noise_figure(table: pd.DataFrame, ginis: pd.DataFrame) -> RenderedFigure:
    """Draw critical samples and accuracies through training, and the Gini coefficients of input gradients."""
    return render_figure(
        "noise",
        "Critical samples, validation accuracy and input gradients on noise",
        "Left: critical sample ratio on validation inputs. Middle: train and validation accuracy with half of "
        "the labels random. Lines are means over seeds, bands their range. Right: Gini coefficient of the input "
        "gradient over training examples, against train accuracy; a line per seed, a point per recorded epoch.",
        _draw_noise,
        table,
        ginis,
    )


def _draw_noise(table: pd.DataFrame, ginis: pd.DataFrame) -> Figure:
    figure = new_figure(2.8)
    left, middle, right = figure.subplots(1, 3)
    for kind in PURE:
        color, style = STYLES[kind]
        rows = table[(table["kind"] == kind) & table["level"].isin([0.0, 1.0])]
        draw_mean_and_range(left, rows, "epoch", "critical_sample_ratio", style, color, kind)
    for kind, style in ((RANDX, "d-."), (RANDY, "v-.")):
        rows = table[(table["kind"] == kind) & (table["level"] == 0.5)]
        draw_mean_and_range(left, rows, "epoch", "critical_sample_ratio", style, GRAY, f"half {kind}")
    half = table[(table["kind"] == RANDY) & (table["level"] == 0.5)]
    draw_mean_and_range(middle, half, "epoch", "train_accuracy", "o-", BLACK, "train")
    draw_mean_and_range(middle, half, "epoch", "validation_accuracy", "s--", TEAL, "validation")
    for kind in PURE:
        color, style = STYLES[kind]
        for _, history in rows_with(ginis, "kind", kind).groupby("run_id"):
            ordered = history.sort_values("epoch")
            right.plot(ordered["train_accuracy"], ordered["gini"], style, color=color, markersize=3, linewidth=0.7)
    left.set(xlabel="epoch", ylabel="critical sample ratio", xscale="log", ylim=(0, 1))
    middle.set(xlabel="epoch", ylabel="accuracy", xscale="log", ylim=(0, 1.03))
    right.set(xlabel="train accuracy", ylabel="Gini coefficient", ylim=(0, 1))
    left.legend(fontsize=6, ncols=2, loc="upper right")
    middle.legend()
    return figure


def convergence_figure(times: Tables, axes: Mapping[str, str]) -> RenderedFigure:
    """Draw the epochs until every training example is right, against width and against the number of examples."""
    return render_figure(
        "convergence",
        "Time to convergence against capacity and data",
        "Epochs until every training example is right. Lines are means over seeds, bands their range.",
        _draw_convergence,
        times,
        axes,
    )


def _draw_convergence(times: Tables, axes: Mapping[str, str]) -> Figure:
    figure = new_figure(2.8)
    labels = {"capacity": "hidden units of a layer", "examples": "training examples"}
    for panel, (name, table) in zip(figure.subplots(1, 2), times.items(), strict=True):
        for kind in PURE:
            color, style = STYLES[kind]
            draw_mean_and_range(panel, rows_with(table, "kind", kind), axes[name], "epochs", style, color, NAMES[kind])
        panel.set(xlabel=labels[name], ylabel="epochs to fit all", xscale="log", yscale="log")
        mark_numbers(panel, table[axes[name]])
        panel.yaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    figure.axes[0].legend()
    return figure


def regularizers_figure(tradeoffs: pd.DataFrame) -> RenderedFigure:
    """Draw train accuracy on random labels against validation accuracy on real data, for each regularizer."""
    return render_figure(
        "regularizers",
        "What regularizers cost, and how much they hinder memorization",
        "Each point is a strength of a regularizer, mean over seeds: validation accuracy on real data, and train "
        "accuracy on random labels. Fixed input noise is Gaussian, and the same in every epoch. A regularizer that "
        "hinders memorization at no cost goes down before it goes left.",
        _draw_regularizers,
        tradeoffs,
    )


def _draw_regularizers(tradeoffs: pd.DataFrame) -> Figure:
    figure = new_figure(3.2)
    panel = figure.subplots()
    styles = {
        "dropout": (TEAL, "o-"),
        "weight decay": (RED, "s--"),
        "fixed input noise": (BLACK, "^:"),
        EARLY: (GRAY, "d-."),
    }
    for name, (color, style) in styles.items():
        rows = rows_with(tradeoffs, "regularizer", name)
        means = rows.groupby("strength")[["validation", "memorized"]].mean()
        panel.plot(means["validation"], means["memorized"], style, color=color, markersize=4, label=name)
    panel.set(xlabel="validation accuracy on real data", ylabel="train accuracy on random labels")
    panel.legend(loc="center left")
    return figure
